//! What a client says of itself (RFC 7591 §2, OpenID Connect Registration §2).

use std::{fmt, time::Duration};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{
    crypto::{ContentEncryption, KeyManagement, SignatureAlgorithm},
    endpoint::{Endpoint, RedirectUri, is_loopback},
    error::{Error, ErrorKind, Reason, Result},
    jose::{Jwk, Jwks},
    oauth2::Scope,
};

/// What a client is to be registered with, or is.
///
/// A member occurs once, and what has no setter is added by its name. URLs are checked when they are set.
///
/// ```
/// use valetkey_proto::{crypto::SignatureAlgorithm, oauth2::endpoint::registration::RegistrationMetadata};
///
/// let metadata = RegistrationMetadata::new()
///     .with_redirect_uri("https://my-app.example/cb")?
///     .with_client_name("My App")?
///     .with_localized("client_name", "ja-Jpan-JP", "クライアント名")?
///     .with_token_endpoint_auth_method("private_key_jwt")?
///     .with_jwks_uri("https://my-app.example/keys")?
///     .with_id_token_signed_response_alg(SignatureAlgorithm::Es256)?
///     .with_text("example_extension_parameter", "example_value")?;
/// assert_eq!(metadata.redirect_uris(), ["https://my-app.example/cb"]);
/// assert!(metadata.with_jwks_uri("https://my-app.example/other").is_err());
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct RegistrationMetadata {
    pub(super) members: Map<String, Value>,
}

/// Where a client runs (OpenID Connect Registration §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the standard has two")]
pub enum ApplicationType {
    /// On a server, with redirect URIs of `https`.
    Web,
    /// On the user's machine, with redirect URIs on loopback or of a scheme of its own.
    Native,
}

impl ApplicationType {
    /// The registered name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Native => "native",
        }
    }
}

/// What a server says of a registration, and a client does not.
pub(super) const OF_THE_SERVER: [&str; 6] = [
    "client_id",
    "client_id_issued_at",
    "client_secret",
    "client_secret_expires_at",
    "registration_access_token",
    "registration_client_uri",
];

/// The longest `request_uris` member (OpenID Connect Core §6.2).
pub(crate) const MAX_REQUEST_URI: usize = 512;

impl RegistrationMetadata {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn of(members: Map<String, Value>) -> Self {
        Self { members }
    }

    /// Adds where the browser may come back to; may be said several times.
    ///
    /// # Errors
    ///
    /// As [`RedirectUri::parse`].
    pub fn with_redirect_uri(mut self, uri: &str) -> Result<Self> {
        RedirectUri::parse(uri)?;
        self.append("redirect_uris", uri);
        Ok(self)
    }

    /// Adds where the browser may come back to from a logout; may be said several times.
    ///
    /// # Errors
    ///
    /// As [`RedirectUri::parse`].
    pub fn with_post_logout_redirect_uri(mut self, uri: &str) -> Result<Self> {
        RedirectUri::parse(uri)?;
        self.append("post_logout_redirect_uris", uri);
        Ok(self)
    }

    /// Adds where request objects may lie (OpenID Connect Core §6.2), with or without the hash of one as the fragment;
    /// may be said several times.
    ///
    /// # Errors
    ///
    /// As [`Endpoint::parse`]; `Config`: [`Reason::InvalidUrl`] beyond 512 bytes.
    pub fn with_request_uri(mut self, uri: &str) -> Result<Self> {
        let (page, _) = uri.split_once('#').unwrap_or((uri, ""));
        Endpoint::parse(page)?;
        if uri.len() > MAX_REQUEST_URI || !uri.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::new(ErrorKind::Config, Reason::InvalidUrl).with_detail("request_uris"));
        }
        self.append("request_uris", uri);
        Ok(self)
    }

    /// Adds a grant type; may be said several times.
    #[must_use]
    pub fn with_grant_type(mut self, grant_type: &str) -> Self {
        self.append("grant_types", grant_type);
        self
    }

    /// Adds a response type; may be said several times.
    #[must_use]
    pub fn with_response_type(mut self, response_type: &str) -> Self {
        self.append("response_types", response_type);
        self
    }

    /// Adds how to reach who is responsible, such as an e-mail address; may be said several times.
    #[must_use]
    pub fn with_contact(mut self, contact: &str) -> Self {
        self.append("contacts", contact);
        self
    }

    /// Adds a type of authorization details that it asks for (`authorization_details_types`, RFC 9396 §10); may be said
    /// several times.
    #[must_use]
    pub fn with_authorization_details_type(mut self, kind: &str) -> Self {
        self.append("authorization_details_types", kind);
        self
    }

    /// Says where the client runs. Unless it is said, a client whose redirect URIs are all on loopback or of a scheme of
    /// their own is native, and any other with redirect URIs is web.
    ///
    /// # Errors
    ///
    /// As [`with_text`](Self::with_text).
    pub fn with_application_type(self, kind: ApplicationType) -> Result<Self> {
        self.set("application_type", kind.as_str().into())
    }

    /// Says which scope it may ask for.
    ///
    /// # Errors
    ///
    /// As [`Scope::parse`] and [`with_text`](Self::with_text).
    pub fn with_scope(self, scope: &str) -> Result<Self> {
        let scope = Scope::parse(scope)?;
        self.set("scope", scope.as_str().into())
    }

    /// Brings the public keys of the client: a set (RFC 7517 §5), in JSON.
    ///
    /// # Errors
    ///
    /// As [`Jwks::parse`] and [`Jwk::parse`]; `Config`: [`Reason::InvalidKey`] for a key that is private or shared, or
    /// if there is no key; [`Reason::InvalidValue`] beside `jwks_uri` (RFC 7591 §2).
    ///
    /// # Security
    ///
    /// A private key that was sent to a server is nobody's any more: none gets through here.
    pub fn with_jwks(self, jwks: &str) -> Result<Self> {
        let invalid = || Error::new(ErrorKind::Config, Reason::InvalidKey).with_detail("jwks");
        // `Jwks` passes over what it does not know, and shared secrets; here nothing is passed over.
        Jwks::parse(jwks)?;
        let set: Value = serde_json::from_str(jwks).map_err(|_| invalid())?;
        let keys = set.get("keys").and_then(Value::as_array).filter(|keys| !keys.is_empty());
        for key in keys.ok_or_else(invalid)? {
            let members = key.as_object().ok_or_else(invalid)?;
            let has_secret = PRIVATE_MEMBERS.iter().any(|name| members.contains_key(*name));
            if has_secret || Jwk::parse(&key.to_string()).is_ok_and(|key| key.is_private()) {
                return Err(invalid());
            }
        }
        self.exclude("jwks_uri")?.set("jwks", set)
    }

    /// Says where the public keys of the client lie.
    ///
    /// # Errors
    ///
    /// As [`Endpoint::parse`] and [`with_text`](Self::with_text); `Config`: [`Reason::InvalidValue`] beside `jwks`.
    pub fn with_jwks_uri(self, url: &str) -> Result<Self> {
        self.exclude("jwks")?.url("jwks_uri", url)
    }

    /// Says how long ago a user may have been authenticated, in whole seconds, unless a sign-in says otherwise.
    ///
    /// # Errors
    ///
    /// As [`with_text`](Self::with_text).
    pub fn with_default_max_age(self, max_age: Duration) -> Result<Self> {
        self.set("default_max_age", max_age.as_secs().into())
    }

    /// Says a text that people read, such as `client_name` or `tos_uri`, in a language (RFC 7591 §2.2).
    ///
    /// # Errors
    ///
    /// As [`with_text`](Self::with_text); `Usage`: [`Reason::InvalidValue`] if the tag is none of BCP 47.
    pub fn with_localized(self, name: &str, tag: &str, text: &str) -> Result<Self> {
        let is_part =
            |part: &str| matches!(part.len(), 1..=8) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !tag.split('-').all(is_part) {
            return Err(Error::new(ErrorKind::Usage, Reason::InvalidValue).with_detail("language tag"));
        }
        self.with_text(&format!("{name}#{tag}"), text)
    }

    /// Adds a member that has no setter, a text, by its name.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::ReservedParameter`] for one that is said already, or that the server alone says;
    /// [`Reason::InvalidValue`] if it has no name.
    pub fn with_text(self, name: &str, text: &str) -> Result<Self> {
        self.set(name, text.into())
    }

    /// Adds a member that has no setter, written in JSON, by its name.
    ///
    /// # Errors
    ///
    /// As [`with_text`](Self::with_text); `Usage`: [`Reason::InvalidValue`] if it is no JSON, or `null`.
    pub fn with_json(self, name: &str, json: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(json).map_err(|_| invalid())?;
        if value.is_null() {
            return Err(invalid());
        }
        self.set(name, value)
    }

    /// Where the browser may come back to.
    #[must_use]
    pub fn redirect_uris(&self) -> Vec<&str> {
        self.texts("redirect_uris")
    }

    /// The name of the client, in this language (RFC 7591 §2.2), or in no particular one.
    #[must_use]
    pub fn client_name(&self, tag: Option<&str>) -> Option<&str> {
        let localized = tag.and_then(|tag| self.text(&format!("client_name#{tag}")));
        localized.or_else(|| self.text("client_name"))
    }

    /// A member that is a text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name).and_then(Value::as_str)
    }

    /// A member that is a list of texts: those of its elements that are.
    #[must_use]
    pub fn texts(&self, name: &str) -> Vec<&str> {
        let list = self.members.get(name).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// A member of any name and type; `None` if it is absent or of another type.
    ///
    /// # Security
    ///
    /// A URL read in this way has not been checked if it came from the server: hand it to [`Endpoint::parse`].
    #[must_use]
    pub fn member<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_value(self.members.get(name)?.clone()).ok()
    }

    /// The names of all members.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    fn append(&mut self, name: &str, text: &str) {
        let list = self.members.entry(name).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(list) = list
            && !list.iter().any(|known| known == text)
        {
            list.push(text.into());
        }
    }

    fn url(self, name: &'static str, url: &str) -> Result<Self> {
        Endpoint::parse(url).map_err(|error| error.with_detail(name))?;
        self.set(name, url.into())
    }

    fn exclude(self, name: &'static str) -> Result<Self> {
        if self.members.contains_key(name) {
            return Err(
                Error::new(ErrorKind::Config, Reason::InvalidValue).with_detail("both jwks and jwks_uri")
            );
        }
        Ok(self)
    }

    fn set(mut self, name: &str, value: Value) -> Result<Self> {
        if name.is_empty() {
            return Err(invalid());
        }
        if OF_THE_SERVER.contains(&name) || self.members.contains_key(name) {
            return Err(
                Error::new(ErrorKind::Usage, Reason::ReservedParameter).with_detail("client metadata")
            );
        }
        self.members.insert(name.to_owned(), value);
        Ok(self)
    }

    /// The members that are sent: what follows from others is said, too.
    pub(super) fn to_send(&self) -> Map<String, Value> {
        let mut members = self.members.clone();
        let uris = self.redirect_uris();
        if !uris.is_empty() && !members.contains_key("application_type") {
            let kind = if uris.iter().all(|uri| is_native(uri)) {
                ApplicationType::Native
            } else {
                ApplicationType::Web
            };
            members.insert("application_type".to_owned(), kind.as_str().into());
        }
        members
    }
}

fn invalid() -> Error {
    Error::new(ErrorKind::Usage, Reason::InvalidValue).with_detail("client metadata")
}

/// The members of a JWK that are nobody else's business (RFC 7518 §6).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Whether a redirect URI is one of a native client: on loopback, or of a scheme of its own (RFC 8252 §7).
fn is_native(uri: &str) -> bool {
    match Endpoint::parse(uri) {
        Ok(endpoint) => endpoint.uri().host().is_some_and(is_loopback),
        Err(_) => true,
    }
}

/// The members of one kind, each with its setter.
macro_rules! setters {
    ($($(#[$doc:meta])* $setter:ident($value:ident: $type:ty) = $name:literal $as:ident;)*) => {
        impl RegistrationMetadata {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                ///
                /// As [`with_text`](Self::with_text), and for a URL as [`Endpoint::parse`].
                pub fn $setter(self, $value: $type) -> Result<Self> {
                    setters!(@$as self $name $value)
                }
            )*
        }
    };
    (@url $self:ident $name:literal $value:ident) => { $self.url($name, $value) };
    (@value $self:ident $name:literal $value:ident) => { $self.set($name, $value.into()) };
    (@named $self:ident $name:literal $value:ident) => { $self.set($name, $value.name().into()) };
}

setters! {
    /// Says how it is called.
    with_client_name(name: &str) = "client_name" value;
    /// Says where people read about it.
    with_client_uri(url: &str) = "client_uri" url;
    /// Says where its logo is.
    with_logo_uri(url: &str) = "logo_uri" url;
    /// Says where its terms of service are.
    with_tos_uri(url: &str) = "tos_uri" url;
    /// Says where its privacy policy is.
    with_policy_uri(url: &str) = "policy_uri" url;
    /// Says how it authenticates, by the registered name of the method.
    with_token_endpoint_auth_method(method: &str) = "token_endpoint_auth_method" value;
    /// Says by what it signs the assertions that authenticate it.
    with_token_endpoint_auth_signing_alg(algorithm: SignatureAlgorithm) = "token_endpoint_auth_signing_alg" named;
    /// Says by what ID tokens are to be signed; RS256 unless said otherwise.
    with_id_token_signed_response_alg(algorithm: SignatureAlgorithm) = "id_token_signed_response_alg" named;
    /// Says by what the key of encrypted ID tokens is to be encrypted.
    with_id_token_encrypted_response_alg(algorithm: KeyManagement) = "id_token_encrypted_response_alg" named;
    /// Says by what ID tokens are to be encrypted.
    with_id_token_encrypted_response_enc(encryption: ContentEncryption) = "id_token_encrypted_response_enc" named;
    /// Says by what claims about the user are to be signed.
    with_userinfo_signed_response_alg(algorithm: SignatureAlgorithm) = "userinfo_signed_response_alg" named;
    /// Says by what the key of encrypted claims about the user is to be encrypted.
    with_userinfo_encrypted_response_alg(algorithm: KeyManagement) = "userinfo_encrypted_response_alg" named;
    /// Says by what claims about the user are to be encrypted.
    with_userinfo_encrypted_response_enc(encryption: ContentEncryption) = "userinfo_encrypted_response_enc" named;
    /// Says by what it signs request objects.
    with_request_object_signing_alg(algorithm: SignatureAlgorithm) = "request_object_signing_alg" named;
    /// Says by what the key of encrypted request objects is encrypted.
    with_request_object_encryption_alg(algorithm: KeyManagement) = "request_object_encryption_alg" named;
    /// Says by what request objects are encrypted.
    with_request_object_encryption_enc(encryption: ContentEncryption) = "request_object_encryption_enc" named;
    /// Says what kind of subjects it is to be told: `pairwise` or `public`.
    with_subject_type(kind: &str) = "subject_type" value;
    /// Says which clients are told the same pairwise subjects.
    with_sector_identifier_uri(url: &str) = "sector_identifier_uri" url;
    /// Says whether ID tokens are to say when the user was authenticated.
    with_require_auth_time(is_required: bool) = "require_auth_time" value;
    /// Says where others begin a sign-in ([`oidc::initiated_login`](crate::oidc::initiated_login)).
    with_initiate_login_uri(url: &str) = "initiate_login_uri" url;
    /// Says where it is told by the server that a session has ended.
    with_backchannel_logout_uri(url: &str) = "backchannel_logout_uri" url;
    /// Says whether it must be told which session has ended, by the server.
    with_backchannel_logout_session_required(is_required: bool) = "backchannel_logout_session_required" value;
    /// Says where it is told by the browser that a session has ended.
    with_frontchannel_logout_uri(url: &str) = "frontchannel_logout_uri" url;
    /// Says whether it must be told which session has ended, by the browser.
    with_frontchannel_logout_session_required(is_required: bool) = "frontchannel_logout_session_required" value;
    /// Says which program it is, across registrations.
    with_software_id(id: &str) = "software_id" value;
    /// Says which version of the program it is.
    with_software_version(version: &str) = "software_version" value;
    /// Brings what somebody whom the server trusts says of the program, as a JWT (RFC 7591 §2.3).
    with_software_statement(jwt: &str) = "software_statement" value;
}

impl fmt::Debug for RegistrationMetadata {
    /// Shows names and no values: a software statement is nobody's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.members.keys()).finish()
    }
}
