//! What a provider does otherwise than the standards, as data.

mod data;
mod edit;
mod hook;
mod policies;
mod reader;
mod variables;

use std::{fmt, sync::Arc};

use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Deserializer, de::Error as _};

pub use hook::{Hook, RequestKind};
pub(crate) use policies::{AuthStyle, LeftOut, Policies};

use self::{
    data::{Mistake, Table},
    variables::Variables,
};
use crate::{
    error::{Error, ErrorKind, Reason, Result},
    oauth2::{
        client::ClientAuth,
        server::{Issuer, IssuerTemplate, ServerMetadata},
    },
    response::unique::Unique,
    secret::ClientSecret,
};

/// Where a provider is, and what it does otherwise than the standards: about forty knobs, read from a file in any format
/// that serde reads. An unknown knob, or a value that it does not take, is an error when the profile is loaded.
///
/// ```
/// use valetkey_proto::oauth2::profile::ProviderProfile;
///
/// let profile = ProviderProfile::from_json(
///     r#"{
///         "name": "shop",
///         "endpoints": {
///             "authorization": "https://{shop}.shop.example/oauth/authorize",
///             "token": "https://{shop}.shop.example/oauth/token",
///             "api": ["https://{shop}.shop.example/api/"]
///         },
///         "authorize": { "scope_separator": ",", "rename": { "client_id": "client_key" } },
///         "token": { "auth": "post", "body": "json" },
///         "answer": { "path": "data", "keep": { "user": "data.open_id" } }
///     }"#,
/// )?;
/// let server = profile.with_variable("shop", "my-shop").server()?;
/// assert_eq!(server.token_endpoint()?.as_str(), "https://my-shop.shop.example/oauth/token");
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
///
/// # The knobs
///
/// | table | knob | what it says |
/// |---|---|---|
/// | | `name` | what the profile is called; required |
/// | | `source`, `checked` | where the facts are from, and when they were looked at |
/// | | `hooks` | the [`Hook`]s that it needs, by their names, in their order |
/// | `endpoints` | `discover` | the issuer whose document names the endpoints |
/// | | `issuer`, `issuer_template` | the server's name, and that of its tenants; without either, the token endpoint's origin |
/// | | `authorization`, `token`, `refresh`, `device_authorization`, `revocation`, `introspection`, `userinfo`, `jwks`, `registration`, `end_session` | URLs; `{word}` in one is a variable |
/// | | `api` | the URLs of APIs that sessions may show their tokens to |
/// | `authorize` | `rename`, `omit`, `parameters` | other names, parameters left out, and parameters added or replaced |
/// | | `scope_separator`, `scope_encoding` | one character in place of the blank; `"raw"`: not percent-encoded |
/// | | `fragment` | what stands behind the URL's `#` |
/// | | `response_mode` | `"query"`, `"fragment"` or `"form_post"` |
/// | | `pkce`, `state`, `nonce` | `"off"`: the provider refuses it, and it is left out |
/// | `callback` | `code` | the name of the code |
/// | | `keep` | parameters to keep with the tokens |
/// | `token` | `auth` | `"none"`, `"basic"`, `"basic_raw"`, `"basic_and_id"`, `"post"`, `"bearer"`, or `"probe"`: found out |
/// | | `method`, `body` | `"GET"` or `"POST"`; `"form"`, `"json"` or `"query"` |
/// | | `rename`, `omit`, `parameters` | as above |
/// | `refresh` | as `token` but for `auth`, and `grant_type` | what a renewal does otherwise than the first request |
/// | `device`, `revocation`, `introspection` | `rename`, `omit`, `parameters` | as above |
/// | `answer` | `path` | where the tokens are in the answer: `"data"`, `"data.0.token"` |
/// | | `rename`, `case`, `jsonp` | other names of members; `"camel"`; an answer in a call of JavaScript |
/// | | `ok.member`, `ok.value` | a member that has this value if it went well |
/// | | `error.code`, `error.description` | where the error may stand: lists of paths |
/// | | `error.codes` | what their codes mean: `invalid_grant` ends a session |
/// | | `token_type`, `token_types` | the type if none is named, and the meaning of other names |
/// | | `lifetime`, `lifetime_unit`, `lifetime_zero` | seconds if none is named; `"ms"`; `"never"` |
/// | | `refreshes_by_access_token` | the access token is what renews it |
/// | | `keep` | what to keep with the tokens: names, and paths in the answer |
/// | `api` | `token`, `parameter`, `scheme` | `"header"`, `"query"` or `"form"`; the parameter's name; another word than `Bearer` |
/// | | `header` | another field than `Authorization`, with the token alone |
/// | | `headers`, `parameters` | what goes with every request to an API |
/// | `headers` | any | fields of every request to the server, such as `User-Agent` |
///
/// In values of `parameters`, `headers` and URLs, `{word}` is a [variable](Self::with_variable); `{client_id}` is set by
/// `valetkey::ClientBuilder::profile`.
///
/// # Security
///
/// A profile says where secrets go: take none from whom you would not take code. `state`, `pkce` and `nonce` off, and tokens
/// in URLs, are for providers that can do nothing else.
#[derive(Clone)]
pub struct ProviderProfile {
    name: Box<str>,
    source: Option<Box<str>>,
    checked: Option<Box<str>>,
    discover: Option<Box<str>>,
    issuer: Option<Box<str>>,
    issuer_template: Option<Box<str>>,
    /// URLs by the names that they have in metadata documents.
    endpoints: Vec<(&'static str, Box<str>)>,
    api: Vec<Box<str>>,
    policies: Policies,
    needed_hooks: Vec<Box<str>>,
    variables: Variables,
}

/// The names of endpoints in profiles and in metadata documents (RFC 8414 §2).
const ENDPOINTS: [(&str, &str); 9] = [
    ("authorization", "authorization_endpoint"),
    ("token", "token_endpoint"),
    ("device_authorization", "device_authorization_endpoint"),
    ("revocation", "revocation_endpoint"),
    ("introspection", "introspection_endpoint"),
    ("userinfo", "userinfo_endpoint"),
    ("jwks", "jwks_uri"),
    ("registration", "registration_endpoint"),
    ("end_session", "end_session_endpoint"),
];

impl ProviderProfile {
    /// The longest text of a profile that is read, in bytes.
    pub const MAX_TEXT: usize = 64 << 10;

    /// Reads a profile of JSON. For TOML there is `valetkey::profile`, and for other formats `Deserialize`.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidValue`], with a text that says which knob is wrong.
    pub fn from_json(text: &str) -> Result<Self> {
        if text.len() > Self::MAX_TEXT {
            return Err(invalid("the profile is longer than 64 KiB"));
        }
        // What serde says of a profile quotes no secret: there is none in it.
        serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| invalid(error.to_string()))
    }

    fn read(Unique(value): Unique) -> std::result::Result<Self, Mistake> {
        let mut root = Table::root(value)?;
        let name = root.text("name")?.ok_or("a profile has a `name`")?;
        let (source, checked) = (root.text("source")?, root.text("checked")?);
        let needed_hooks = root.texts("hooks")?;
        let mut places = root.table("endpoints")?;
        let mut endpoints = Vec::new();
        for (knob, member) in ENDPOINTS {
            endpoints.extend(places.url(knob)?.map(|url| (member, url)));
        }
        let (discover, issuer) = (places.url("discover")?, places.url("issuer")?);
        let (issuer_template, api) = (places.text("issuer_template")?, places.urls("api")?);
        let refresh = places.url("refresh")?;
        places.end()?;
        let policies = Policies::read(&mut root, refresh)?;
        root.end()?;
        let variables = Variables::default();
        Ok(Self {
            name,
            source,
            checked,
            discover,
            issuer,
            issuer_template,
            endpoints,
            api,
            policies,
            needed_hooks,
            variables,
        })
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its facts are from.
    #[must_use]
    pub fn source(&self) -> Option<&str> {
        self.source.as_deref()
    }

    /// When they were looked at, as its author wrote it.
    #[must_use]
    pub fn checked(&self) -> Option<&str> {
        self.checked.as_deref()
    }

    /// Sets a variable, in place of one said before: `{word}` in URLs and parameters.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.set(name, value);
        self
    }

    /// Adds a hook, behind those that there are.
    #[must_use]
    pub fn with_hook(mut self, hook: impl Hook + 'static) -> Self {
        self.policies.hooks.push(Arc::new(hook));
        self
    }

    /// The server with the endpoints of this profile, which it then follows.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidValue`] if a variable is not set, or has a value that would change the URL that it is put
    /// into, or a hook is missing; [`Reason::InvalidUrl`], [`Reason::InsecureUrl`]; [`Reason::MissingEndpoint`] if the
    /// profile names neither an issuer nor a token endpoint.
    pub fn server(&self) -> Result<ServerMetadata> {
        let token = || self.endpoints.iter().find(|(name, _)| *name == "token_endpoint").map(|(_, url)| url);
        let named = self.issuer.as_ref().or(self.discover.as_ref());
        let issuer = match (named, token()) {
            (Some(issuer), _) => Issuer::parse(&self.variables.fill_url(issuer)?)?,
            (None, Some(url)) => origin(&self.variables.fill_url(url)?)?,
            (None, None) => {
                let error = Error::new(ErrorKind::Config, Reason::MissingEndpoint);
                return Err(error.with_detail(format!("profile {}", self.name)));
            }
        };
        ServerMetadata::new(issuer).with_profile(self)
    }

    /// The issuer whose metadata document names the endpoints, if there is one.
    ///
    /// # Errors
    ///
    /// As [`server`](Self::server).
    pub fn discover(&self) -> Result<Option<Issuer>> {
        let Some(issuer) = &self.discover else { return Ok(None) };
        Issuer::parse(&self.variables.fill_url(issuer)?).map(Some)
    }

    /// The template of the issuers of its tenants, if it has many.
    ///
    /// # Errors
    ///
    /// As [`IssuerTemplate::parse`].
    pub fn issuer_template(&self) -> Result<Option<IssuerTemplate>> {
        self.issuer_template.as_deref().map(IssuerTemplate::parse).transpose()
    }

    /// The URLs of APIs that sessions may show their tokens to.
    ///
    /// # Errors
    ///
    /// As [`server`](Self::server).
    pub fn api(&self) -> Result<Vec<Box<str>>> {
        self.api.iter().map(|url| self.variables.fill_url(url)).collect()
    }

    /// How a client authenticates by a secret, if the profile says so.
    #[must_use]
    pub fn client_auth(&self, secret: ClientSecret) -> Option<ClientAuth> {
        self.policies.auth.and_then(|style| style.with(secret))
    }

    /// Whether it is to be found out how a client authenticates by a secret.
    #[must_use]
    pub fn probes_auth(&self) -> bool {
        self.policies.auth == Some(AuthStyle::Probe)
    }

    /// The endpoints, by their names in metadata documents.
    pub(crate) fn endpoints(&self) -> Result<Vec<(&'static str, Box<str>)>> {
        let fill = |(name, url): &(&'static str, Box<str>)| Ok((*name, self.variables.fill_url(url)?));
        self.endpoints.iter().map(fill).collect()
    }

    /// What follows from it, once for all requests.
    pub(crate) fn policies(&self) -> Result<Arc<Policies>> {
        for needed in &self.needed_hooks {
            if !self.policies.hooks.iter().any(|hook| hook.name() == &**needed) {
                return Err(invalid(format!("profile {} needs the hook {needed}", self.name)));
            }
        }
        let mut policies = self.policies.clone();
        policies.fill(&self.variables)?;
        Ok(Arc::new(policies))
    }
}

/// The origin of a URL, as the name of a server that has none.
fn origin(url: &str) -> Result<Issuer> {
    let path = url.find("://").and_then(|at| url.get(at + 3..)?.find('/').map(|path| at + 3 + path));
    Issuer::parse(url.get(..path.unwrap_or(url.len())).unwrap_or_default())
}

/// A header field that a profile names.
fn field(name: &str, value: &str) -> Result<(HeaderName, HeaderValue)> {
    let wrong = || invalid(format!("the header {name} of a profile"));
    let name = HeaderName::try_from(name).map_err(|_| wrong())?;
    if name == http::header::AUTHORIZATION || name == http::header::CONTENT_LENGTH {
        return Err(wrong());
    }
    Ok((name, HeaderValue::try_from(value).map_err(|_| wrong())?))
}

fn invalid(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, Reason::InvalidValue).with_detail(what.into())
}

impl<'de> Deserialize<'de> for ProviderProfile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Self::read(Unique::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl fmt::Debug for ProviderProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderProfile")
            .field("name", &self.name)
            .field("hooks", &self.policies.hooks)
            .finish_non_exhaustive()
    }
}
