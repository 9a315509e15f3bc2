//! What we are to a server (RFC 6749 §2, RFC 7591 §2).

mod assertion;

use std::{fmt, sync::Arc};

pub(crate) use assertion::Asserted;
pub use assertion::AssertionKey;

use crate::{
    crypto::{SignatureAlgorithm, SigningKey},
    endpoint::RedirectUri,
    error::{Error, ErrorKind, Reason, Result},
    secret::{ClientSecret, Secret},
};

/// RFC 7522 §2.2.
pub(crate) const SAML_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer";

/// The name that a server knows a client by (RFC 6749 §2.2).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ClientId(Arc<str>);

impl ClientId {
    /// Takes an identifier.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidValue`] if it is empty, longer than 2 KiB or has a control character.
    pub fn parse(text: &str) -> Result<Self> {
        if text.is_empty() || text.len() > 2048 || text.chars().any(char::is_control) {
            return Err(Error::new(ErrorKind::Config, Reason::InvalidValue).with_detail("client id"));
        }
        Ok(Self(text.into()))
    }

    /// The identifier.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientId").field(&self.0).finish()
    }
}

/// How a client authenticates at the token endpoint and its like (RFC 6749 §2.3). One method a request.
///
/// ```
/// use valetkey_proto::oauth2::client::ClientAuth;
///
/// let auth = ClientAuth::secret_basic("7Fjfp0ZBr1KtDRbnfVdmIw");
/// assert_eq!(format!("{auth:?}"), "ClientAuth(client_secret_basic)");
/// ```
#[derive(Clone)]
pub struct ClientAuth(Method);

#[derive(Clone)]
pub(crate) enum Method {
    Unnamed,
    None,
    Basic(ClientSecret),
    BasicRaw(ClientSecret),
    BasicAndId(ClientSecret),
    Post(ClientSecret),
    Bearer(ClientSecret),
    Assertion(Arc<AssertionKey>),
    Saml(Secret),
}

impl ClientAuth {
    /// None: a public client, which only names itself (`none`).
    #[must_use]
    pub fn none() -> Self {
        Self(Method::None)
    }

    /// None, and not even a name: for a server that knows the client by the assertion which is its grant
    /// (RFC 7521 §4.1), such as those of [`ServiceAccount`](crate::oauth2::assertion::ServiceAccount)s.
    #[must_use]
    pub fn unnamed() -> Self {
        Self(Method::Unnamed)
    }

    /// A secret in the `Authorization` header (`client_secret_basic`), form-encoded first, as RFC 6749 §2.3.1
    /// has it. Unreserved characters stay as they are, so that servers which do not decode are content with
    /// most secrets.
    #[must_use]
    pub fn secret_basic(secret: impl Into<ClientSecret>) -> Self {
        Self(Method::Basic(secret.into()))
    }

    /// A secret in the `Authorization` header, *not* form-encoded: for servers which do not decode, and a
    /// secret with reserved characters.
    #[must_use]
    pub fn secret_basic_raw(secret: impl Into<ClientSecret>) -> Self {
        Self(Method::BasicRaw(secret.into()))
    }

    /// A secret in the form (`client_secret_post`).
    #[must_use]
    pub fn secret_post(secret: impl Into<ClientSecret>) -> Self {
        Self(Method::Post(secret.into()))
    }

    /// A secret in the `Authorization` header, as [`secret_basic`](Self::secret_basic) has it, and the client's name in the
    /// form besides: for servers that want both.
    #[must_use]
    pub fn secret_basic_and_id(secret: impl Into<ClientSecret>) -> Self {
        Self(Method::BasicAndId(secret.into()))
    }

    /// A secret as a bearer token (`Authorization: Bearer …`), and the client's name in the form: for servers that have no
    /// method of the standard's.
    #[must_use]
    pub fn secret_bearer(secret: impl Into<ClientSecret>) -> Self {
        Self(Method::Bearer(secret.into()))
    }

    /// A secret that signs an assertion by HS256 and is not sent (`client_secret_jwt`, RFC 7523 §2.2). It has 32 bytes
    /// or more.
    #[must_use]
    pub fn secret_jwt(secret: impl Into<ClientSecret>) -> Self {
        Self::assertion(AssertionKey::secret(SignatureAlgorithm::Hs256, secret))
    }

    /// A key that signs an assertion (`private_key_jwt`, RFC 7523 §2.2), here or elsewhere.
    ///
    /// ```
    /// use valetkey_proto::{
    ///     crypto::{CryptoProvider, PrivateKey, SignatureAlgorithm},
    ///     oauth2::client::ClientAuth,
    /// };
    ///
    /// # let file = br#"{"kty":"OKP","crv":"Ed25519",
    /// #    "d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    /// let key = PrivateKey::parse(file)?.signing_key(SignatureAlgorithm::EdDsa, &CryptoProvider::ring())?;
    /// assert_eq!(ClientAuth::private_key_jwt(key).name(), "private_key_jwt");
    /// # Ok::<(), valetkey_proto::Error>(())
    /// ```
    #[must_use]
    pub fn private_key_jwt(key: SigningKey) -> Self {
        Self::assertion(AssertionKey::new(key))
    }

    /// An assertion (RFC 7523 §2.2) that is written as this key says.
    #[must_use]
    pub fn assertion(key: impl Into<AssertionKey>) -> Self {
        Self(Method::Assertion(Arc::new(key.into())))
    }

    /// A SAML 2.0 assertion in base64url, which somebody else has made (RFC 7522 §2.2). It is the same in all requests
    /// of the client, until it expires.
    ///
    /// ```
    /// use valetkey_proto::{oauth2::client::ClientAuth, secret::Secret};
    ///
    /// let auth = ClientAuth::saml_assertion(Secret::new("PHNhbWxwOkFzc2VydGlvbj4"));
    /// assert_eq!(auth.name(), "urn:ietf:params:oauth:client-assertion-type:saml2-bearer");
    /// ```
    #[must_use]
    pub fn saml_assertion(assertion: impl Into<Secret>) -> Self {
        Self(Method::Saml(assertion.into()))
    }

    /// Whether the client authenticates at all: a public client does not, and may not ask for client
    /// credentials (RFC 6749 §4.4).
    #[must_use]
    pub fn is_confidential(&self) -> bool {
        !matches!(self.0, Method::None | Method::Unnamed)
    }

    /// The registered name of the method (RFC 7591 §2); `client_secret_bearer` has none, and SAML a URI.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match &self.0 {
            Method::None | Method::Unnamed => "none",
            Method::Basic(_) | Method::BasicRaw(_) | Method::BasicAndId(_) => "client_secret_basic",
            Method::Post(_) => "client_secret_post",
            Method::Bearer(_) => "client_secret_bearer",
            Method::Assertion(key) => key.method(),
            Method::Saml(_) => SAML_BEARER,
        }
    }

    /// The secret that is shared with the server, if it is one that is sent.
    #[must_use]
    pub fn shared_secret(&self) -> Option<&ClientSecret> {
        match &self.0 {
            Method::Basic(secret)
            | Method::BasicRaw(secret)
            | Method::BasicAndId(secret)
            | Method::Post(secret)
            | Method::Bearer(secret) => Some(secret),
            Method::Unnamed | Method::None | Method::Assertion(_) | Method::Saml(_) => None,
        }
    }

    pub(crate) fn method(&self) -> &Method {
        &self.0
    }
}

impl fmt::Debug for ClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientAuth({})", self.name())
    }
}

/// What a client is known as, and where the browser comes back to (RFC 7591 §2).
///
/// ```
/// use valetkey_proto::oauth2::client::{ClientAuth, ClientMetadata};
///
/// let client = ClientMetadata::new("my-app")?
///     .with_auth(ClientAuth::secret_post("s3cret"))
///     .with_redirect_uri("https://my-app.example/callback")?;
/// assert_eq!(client.id().as_str(), "my-app");
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClientMetadata {
    id: ClientId,
    auth: ClientAuth,
    redirect_uri: Option<RedirectUri>,
}

impl ClientMetadata {
    /// A public client of this name.
    ///
    /// # Errors
    ///
    /// As [`ClientId::parse`].
    pub fn new(id: &str) -> Result<Self> {
        Ok(Self { id: ClientId::parse(id)?, auth: ClientAuth::none(), redirect_uri: None })
    }

    /// Says how it authenticates.
    #[must_use]
    pub fn with_auth(mut self, auth: ClientAuth) -> Self {
        self.auth = auth;
        self
    }

    /// Says where the browser comes back to.
    ///
    /// # Errors
    ///
    /// As [`RedirectUri::parse`].
    pub fn with_redirect_uri(mut self, uri: &str) -> Result<Self> {
        self.redirect_uri = Some(RedirectUri::parse(uri)?);
        Ok(self)
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &ClientId {
        &self.id
    }

    /// How it authenticates.
    #[must_use]
    pub fn auth(&self) -> &ClientAuth {
        &self.auth
    }

    /// Where the browser comes back to.
    #[must_use]
    pub fn redirect_uri(&self) -> Option<&RedirectUri> {
        self.redirect_uri.as_ref()
    }
}
