//! Servers under test, each described by a file: `servers/*.toml`, and the folders in `VALETKEY_SERVERS`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use serde::Deserialize;
use valetkey::{crypto::SignatureAlgorithm, oauth2::AuthorizationDetails};

/// What one file says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Description {
    pub(crate) name: String,
    /// A URL, or the environment variable that has it, after a `$`.
    pub(crate) base: String,
    /// The path of the issuer, after the base.
    #[serde(default)]
    pub(crate) issuer: String,
    /// The file with the roots that its certificate is under, in the folder `VALETKEY_INTEROP_KEYS`.
    pub(crate) roots: Option<String>,
    /// The path, after the base, of something that takes a token with the scope `api:read`.
    #[serde(default)]
    pub(crate) api: String,
    pub(crate) robot: Robot,
    /// The secret of clients that name none.
    #[serde(default)]
    pub(crate) secret: String,
    #[serde(default)]
    pub(crate) quirks: Vec<Quirk>,
    pub(crate) sign_in: SignIn,
    /// What tokens can be asked for by name, with the scope `api:read`.
    #[serde(default)]
    pub(crate) resources: Vec<Resource>,
    pub(crate) authorization_details: Option<Details>,
    pub(crate) step_up: Option<StepUp>,
    pub(crate) exchange: Option<Exchange>,
    /// `alice` approves; `deny`, where there is one, does not.
    pub(crate) users: BTreeMap<String, User>,
    pub(crate) clients: BTreeMap<String, KnownClient>,
    /// Which clients a flow is tried with.
    pub(crate) flows: BTreeMap<Flow, Vec<String>>,
}

/// How a user gets through the pages.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Robot {
    /// A page of oidc-provider's visits a URL as a browser would, and says where it ended.
    Page,
    /// The authorization endpoint answers at once.
    Redirect,
    /// Redirects, cookies and forms.
    Browser,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Quirk {
    /// Basic credentials are taken as they stand, against RFC 6749 §2.3.1.
    BasicIsNotDecoded,
    /// A reuse of a refresh token ends nothing but itself, against RFC 9700 §4.14.2.
    ReuseSparesTheFamily,
    /// Whoever signs in on a device has no ID token, though the scope `openid` is granted.
    DevicesHaveNoIdToken,
    /// An exchange of a token that is not known is refused as `invalid_grant`, against RFC 8693 §2.2.2.
    UnknownTokenIsInvalidGrant,
    /// A token that is asked for two resources at once is for neither.
    NoTokenForTwoResources,
    /// `iss` is in the query of an answer whose other parameters are in the fragment, against RFC 9207 §2.
    ImplicitIssuerInQuery,
}

/// What a test may do with a server.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Flow {
    /// A sign-in with PKCE.
    Code,
    /// The same, whose answer is posted.
    FormPost,
    /// Refresh tokens that rotate, got by a sign-in.
    Refresh,
    /// The same with access tokens that live for two seconds.
    ShortLived,
    ClientCredentials,
    /// Assertions by which the server authenticates nobody, and says so.
    RefusedAssertion,
    Device,
    Exchange,
    Introspection,
    SignedIntrospection,
    Revocation,
    JwtBearer,
    Password,
    Implicit,
    Dpop,
    /// A sign-in for resources that are named.
    ResourceIndicators,
    /// Tokens of a service for the resources whose tokens are JWTs, read as an API reads them.
    AccessTokens,
    /// The same, bound to keys, for resources whose names are URLs.
    BoundAccessTokens,
    AuthorizationDetails,
    /// A resource that says which scope it wants.
    StepUp,
    /// A certificate that is under no public root.
    PrivateCa,
}

/// What a sign-in asks for to get a refresh token and the scope of the API.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    pub(crate) scope: String,
    #[serde(default)]
    pub(crate) parameters: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct User {
    /// The user's name in ID tokens, if it is known.
    pub(crate) subject: Option<String>,
    /// What this user is called and writes where a password is taken without a page.
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    /// What a sign-in says besides, so that this user is there.
    #[serde(default)]
    pub(crate) parameters: BTreeMap<String, String>,
    /// What the user writes into forms, and which buttons are pressed, by their names.
    #[serde(default)]
    pub(crate) form: BTreeMap<String, String>,
}

/// A resource that a token can be asked for (RFC 8707).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resource {
    pub(crate) name: String,
    /// By which its tokens are signed, which are JWTs (RFC 9068); without, they are opaque, and introspected.
    pub(crate) algorithm: Option<String>,
    /// The path, after the base, of something that takes them.
    pub(crate) api: Option<String>,
}

/// What users are asked to grant besides scopes, in JSON (RFC 9396).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Details {
    /// The name of the resource that it is for.
    pub(crate) resource: Option<String>,
    pub(crate) granted: String,
    /// What the server refuses as `invalid_authorization_details`.
    pub(crate) refused: String,
}

/// Paths, after the base, of what wants more than a sign-in gets (RFC 6750 §3.1).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepUp {
    /// It wants a scope that can be had.
    pub(crate) api: String,
    /// It wants one that the server does not have.
    pub(crate) unknown: String,
}

/// What is exchanged (RFC 8693), for an access token with the scope `api:read`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exchange {
    /// The client who signs the user in whose token it is.
    pub(crate) subject: String,
    /// The client who acts for the user, if one is said.
    pub(crate) actor: Option<String>,
    #[serde(default)]
    pub(crate) audiences: Vec<String>,
}

/// A client that the server knows.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KnownClient {
    /// The name in the table, if it is left out.
    #[serde(default)]
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) auth: Auth,
    pub(crate) secret: Option<String>,
    /// The name of a key in `client.jwks.json` of the folder `VALETKEY_INTEROP_KEYS`.
    pub(crate) key: Option<String>,
    /// By which the key, or the secret, signs.
    pub(crate) algorithm: Option<String>,
    pub(crate) redirect_uri: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Auth {
    None,
    Unnamed,
    #[default]
    SecretBasic,
    SecretPost,
    SecretJwt,
    PrivateKeyJwt,
}

impl Description {
    /// # Errors
    ///
    /// The file, the line and the member that is wrong.
    fn read(path: &Path) -> Result<Self, String> {
        let complain = |what: &dyn std::fmt::Display| format!("{}: {what}", path.display());
        let text = fs::read_to_string(path).map_err(|error| complain(&error))?;
        let mut description: Self = toml::from_str(&text).map_err(|error| complain(&error))?;
        for (name, client) in &mut description.clients {
            if client.id.is_empty() {
                client.id.clone_from(name);
            }
        }
        description.check().map_err(|error| complain(&error))?;
        Ok(description)
    }

    /// Whether all is there that something else in the file names.
    ///
    /// # Errors
    ///
    /// The member that is wrong.
    fn check(&self) -> Result<(), String> {
        let alice = self.users.get("alice").ok_or("`users` has no `alice`")?;
        for (flow, clients) in &self.flows {
            if let Some(unknown) = clients.iter().find(|name| !self.clients.contains_key(*name)) {
                return Err(format!("`flows`, {flow:?}: there is no client `{unknown}`"));
            }
            let (member, is_there) = match flow {
                Flow::Password => {
                    ("users.alice.password", alice.username.is_some() && alice.password.is_some())
                }
                Flow::Exchange => ("exchange", self.exchange.is_some()),
                Flow::ResourceIndicators => ("resources", !self.resources.is_empty()),
                Flow::AccessTokens | Flow::BoundAccessTokens => (
                    "resources.algorithm",
                    self.resources.iter().any(|resource| resource.algorithm.is_some()),
                ),
                Flow::AuthorizationDetails => ("authorization_details", self.authorization_details.is_some()),
                Flow::StepUp => ("step_up", self.step_up.is_some()),
                _ => continue,
            };
            if !is_there {
                return Err(format!("`flows`, {flow:?}: there is no `{member}`"));
            }
        }
        self.check_wishes()
    }

    fn check_wishes(&self) -> Result<(), String> {
        for algorithm in self.resources.iter().filter_map(|resource| resource.algorithm.as_ref()) {
            SignatureAlgorithm::parse(algorithm)
                .ok_or_else(|| format!("`resources`: no algorithm `{algorithm}`"))?;
        }
        if let Some(details) = &self.authorization_details {
            for json in [&details.granted, &details.refused] {
                AuthorizationDetails::parse(json)
                    .map_err(|error| format!("`authorization_details`: {error}"))?;
            }
            if let Some(name) = &details.resource
                && !self.resources.iter().any(|resource| resource.name == *name)
            {
                return Err(format!("`authorization_details`: there is no resource `{name}`"));
            }
        }
        if let Some(exchange) = &self.exchange {
            let named = exchange.actor.iter().chain([&exchange.subject]);
            if let Some(unknown) = named.into_iter().find(|name| !self.clients.contains_key(*name)) {
                return Err(format!("`exchange`: there is no client `{unknown}`"));
            }
            if exchange.audiences.iter().any(String::is_empty) {
                return Err("`exchange`: an audience is empty".to_owned());
            }
        }
        let step_up = self.step_up.iter().flat_map(|step_up| [&step_up.api, &step_up.unknown]);
        let mut paths = step_up.chain(self.resources.iter().filter_map(|resource| resource.api.as_ref()));
        match paths.find(|path| !path.starts_with('/')) {
            Some(path) => Err(format!("`{path}` is no path")),
            None => Ok(()),
        }
    }

    /// All that are described, the project's own first.
    pub(crate) fn all() -> &'static [Self] {
        static ALL: LazyLock<Vec<Description>> = LazyLock::new(|| {
            let mut folders = vec![shipped()];
            folders.extend(std::env::var_os("VALETKEY_SERVERS").iter().flat_map(std::env::split_paths));
            let files = folders.iter().flat_map(|folder| files(folder));
            files.map(|file| Description::read(&file).unwrap_or_else(|error| panic!("{error}"))).collect()
        });
        &ALL
    }

    pub(crate) fn named(name: &str) -> &'static Self {
        let known = Self::all().iter().find(|description| description.name == name);
        known.unwrap_or_else(|| panic!("no server is called {name}"))
    }

    /// Where the server is, or nothing, and then it is skipped aloud.
    pub(crate) fn base(&self) -> Option<String> {
        match self.base.strip_prefix('$') {
            Some(variable) => variable_of(variable),
            None => Some(self.base.clone()),
        }
    }
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/servers")
}

/// The descriptions in a folder, by name.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    files
}

/// What `up.sh` says, or nothing, and then the test is skipped aloud.
pub(crate) fn variable_of(name: &str) -> Option<String> {
    let value = std::env::var(name).ok();
    if value.is_none() {
        println!("skipped: {name} is not set; run it through tests/interop/up.sh");
    }
    value
}

#[test]
fn a_description_that_is_wrong_is_refused_by_file_and_member() {
    let right = fs::read_to_string(shipped().join("authlib-browser.toml")).expect("a description");
    let path = std::env::temp_dir().join(format!("valetkey-description-{}.toml", std::process::id()));
    let complaint = |text: &str| {
        fs::write(&path, text).expect("a file");
        let outcome = Description::read(&path);
        fs::remove_file(&path).expect("it was written");
        outcome.map(|_| ()).map_err(|error| {
            assert!(error.contains(path.to_str().expect("UTF-8")), "{error}");
            error
        })
    };
    assert_eq!(complaint(&right), Ok(()));
    for (from, to, member) in [
        ("robot =", "robots =", "robots"),
        ("robot = \"browser\"", "robot = \"firefox\"", "firefox"),
        ("\"basic_is_not_decoded\"", "\"basic_is_odd\"", "basic_is_odd"),
        ("[sign_in]\nscope", "[sign_in]\nscopes", "scopes"),
        ("subject =", "sub =", "sub"),
        ("auth = \"none\"", "authentication = \"none\"", "authentication"),
        ("auth = \"none\"", "auth = \"nobody\"", "nobody"),
        ("refresh = [", "refreshing = [", "refreshing"),
        ("refresh = [\"basic\"]", "refresh = [\"advanced\"]", "advanced"),
        ("[users.alice]", "[users.carol]", "alice"),
        ("device = [", "password = [", "users.alice.password"),
        ("device = [", "exchange = [", "`exchange`"),
        ("device = [", "resource_indicators = [", "`resources`"),
        ("device = [", "access_tokens = [", "`resources.algorithm`"),
        ("device = [", "bound_access_tokens = [", "`resources.algorithm`"),
        ("device = [", "authorization_details = [", "`authorization_details`"),
        ("device = [", "step_up = [", "`step_up`"),
        ("[sign_in]", "resources = [{ name = \"urn:a\", algorithm = \"XS1\" }]\n[sign_in]", "XS1"),
        ("[sign_in]", "resources = [{ name = \"urn:a\", api = \"me\" }]\n[sign_in]", "`me`"),
        ("[sign_in]", "step_up = { api = \"/a\", unknown = \"b\" }\n[sign_in]", "`b`"),
        ("[sign_in]", "exchange = { subject = \"nobody\" }\n[sign_in]", "nobody"),
        ("[sign_in]", "exchange = { subject = \"basic\", actor = \"who\" }\n[sign_in]", "who"),
        ("[sign_in]", "exchange = { subject = \"basic\", audiences = [\"\"] }\n[sign_in]", "audience"),
        (
            "[sign_in]",
            "authorization_details = { granted = \"[]\", refused = \"{\" }\n[sign_in]",
            "`authorization_details`",
        ),
        (
            "[sign_in]",
            "authorization_details = { resource = \"urn:b\", granted = \"[]\", refused = \"[]\" }\n[sign_in]",
            "urn:b",
        ),
    ] {
        assert!(right.contains(from), "{from}");
        let error = complaint(&right.replacen(from, to, 1)).expect_err(to);
        assert!(error.contains(member), "{to}: {error}");
    }
}
