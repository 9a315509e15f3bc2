//! Request objects: the parameters of an authorization request as a JWT, so that nobody between the client and the
//! server can change or choose them (RFC 9101, OpenID Connect Core §6).

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{AuthorizationRequest, AuthorizationUrl, PendingAuthorization};
use crate::{
    crypto::{HashAlgorithm, Signature, SigningKey},
    endpoint::Endpoint,
    error::{Error, ErrorKind, Reason, Result},
    flow::{Env, Event, Flow, Signing, Step},
    form::{Form, Parameters},
    jose::{
        jwe::{Encrypter, Encryption},
        jws,
        jwt::{ClaimSet, Kind, Writer, request_object, unsigned_request_object},
    },
    oauth2::endpoint::registration::MAX_REQUEST_URI,
};

/// How the request objects of a client are made.
///
/// ```
/// use valetkey_proto::{
///     Env, Timestamp,
///     crypto::{CryptoProvider, PrivateKey, SignatureAlgorithm, SystemRandom},
///     oauth2::{
///         authorization::{AuthorizationRequest, RequestObject},
///         client::ClientMetadata,
///         server::{Issuer, ServerMetadata},
///     },
/// };
///
/// let env = Env { now: Timestamp::from_secs(0), random: &SystemRandom::new(), crypto: &CryptoProvider::ring() };
/// # let file = br#"{"kty":"OKP","crv":"Ed25519",
/// #    "d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
/// let key = PrivateKey::parse(file)?.signing_key(SignatureAlgorithm::EdDsa, env.crypto)?;
/// let server = ServerMetadata::new(Issuer::parse("https://as.example")?)
///     .with_authorization_endpoint("https://as.example/authorize")?;
/// let client = ClientMetadata::new("my-app")?.with_redirect_uri("https://my-app.example/cb")?;
///
/// let request = AuthorizationRequest::new(&server, &client)?
///     .with_scope("read")?
///     .with_request_object(RequestObject::signed(key)?.with_kid("2026-01"));
/// let (url, pending) = request.start(&env)?;
/// assert!(url.as_str().starts_with("https://as.example/authorize?client_id=my-app&response_type=code&scope=read&request=ey"));
/// # let _ = pending;
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone)]
pub struct RequestObject {
    writer: Option<Writer>,
    encrypter: Option<Encrypter>,
}

impl RequestObject {
    /// Signed with this key, here or elsewhere.
    ///
    /// # Errors
    ///
    /// As [`Writer::new`].
    pub fn signed(key: SigningKey) -> Result<Self> {
        Ok(Self { writer: Some(Writer::new(Kind::RequestObject, key)?), encrypter: None })
    }

    /// Signed by nobody (`alg` is `none`), for a server of OpenID Connect where the client is registered so
    /// (`request_object_signing_alg`).
    ///
    /// # Security
    ///
    /// Anybody can make such an object: nothing is gained over parameters in the URL but their types.
    #[must_use]
    pub fn unsigned() -> Self {
        Self { writer: None, encrypter: None }
    }

    /// Names the key in the header (`kid`).
    #[must_use]
    pub fn with_kid(mut self, kid: &str) -> Self {
        self.writer = self.writer.map(|writer| writer.with_kid(kid));
        self
    }

    /// Encrypts the object for the server, too (RFC 9101 §6.1).
    #[must_use]
    pub fn with_encryption(mut self, encrypter: Encrypter) -> Self {
        self.encrypter = Some(encrypter);
        self
    }
}

impl fmt::Debug for RequestObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithm = self.writer.as_ref().map_or("none", |writer| writer.key().algorithm().name());
        f.debug_struct("RequestObject")
            .field("algorithm", &algorithm)
            .field("is_encrypted", &self.encrypter.is_some())
            .finish_non_exhaustive()
    }
}

/// A request object that the client itself hands out, to whoever knows where (`request_uri`, OpenID Connect Core §6.2).
///
/// ```
/// # use valetkey_proto::{
/// #     Env, Timestamp,
/// #     crypto::{CryptoProvider, SystemRandom},
/// #     oauth2::{authorization::{AuthorizationRequest, RequestObject}, client::ClientMetadata, server::{Issuer, ServerMetadata}},
/// # };
/// # let env = Env { now: Timestamp::from_secs(0), random: &SystemRandom::new(), crypto: &CryptoProvider::ring() };
/// # let server = ServerMetadata::new(Issuer::parse("https://as.example")?)
/// #     .with_authorization_endpoint("https://as.example/authorize")?;
/// # let client = ClientMetadata::new("my-app")?.with_redirect_uri("https://my-app.example/cb")?;
/// let request = AuthorizationRequest::new(&server, &client)?.with_request_object(RequestObject::unsigned());
/// let (url, pending, hosted) = request.start_hosted("https://my-app.example/requests/1", &env)?;
/// assert!(url.as_str().contains("&request_uri=https%3A%2F%2Fmy-app.example%2Frequests%2F1%23"));
/// // Serve `hosted.object()` there, as `application/oauth-authz-req+jwt`, until the browser comes back.
/// # let _ = (pending, hosted);
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone)]
pub struct HostedObject {
    uri: String,
    object: String,
}

impl HostedObject {
    /// The media type by which it is served (RFC 9101 §5.2.3).
    pub const MEDIA_TYPE: &'static str = "application/oauth-authz-req+jwt";

    /// Takes the place of an object and the object.
    ///
    /// # Errors
    ///
    /// As [`Endpoint::parse`]; `Config`: [`Reason::InvalidUrl`] if the whole is longer than 512 bytes.
    fn new(place: &str, object: String, env: &Env<'_>) -> Result<Self> {
        Endpoint::parse(place)?;
        // §6.2: who has fetched it before sees by the hash whether it is the same.
        let hash = env.crypto.hash.digest(HashAlgorithm::Sha256, object.as_bytes());
        let uri = [place, "#", &URL_SAFE_NO_PAD.encode(hash)].concat();
        if uri.len() > MAX_REQUEST_URI {
            return Err(Error::new(ErrorKind::Config, Reason::InvalidUrl).with_detail("request_uri"));
        }
        Ok(Self { uri, object })
    }

    /// Where the server fetches it: the place, and the hash of the object as the fragment.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// What is to be served there.
    #[must_use]
    pub fn object(&self) -> &str {
        &self.object
    }
}

impl fmt::Debug for HostedObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostedObject").field("len", &self.object.len()).finish_non_exhaustive()
    }
}

impl AuthorizationRequest {
    /// Begins one sign-in whose request object the client itself hands out at this URL, which is for this sign-in alone.
    /// Without [`with_request_object`](Self::with_request_object), the object is unsigned.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start) and [`Endpoint::parse`]; `Config`: [`Reason::InvalidUrl`] if the URL is too long: with
    /// the hash, it has 512 bytes at most.
    pub fn start_hosted(
        &self,
        place: &str,
        env: &Env<'_>,
    ) -> Result<(AuthorizationUrl, PendingAuthorization, HostedObject)> {
        let unsigned = RequestObject::unsigned();
        let drafted = self.draft_object(self.object.as_ref().unwrap_or(&unsigned), env)?;
        let (object, pending) = drafted.sign_here()?;
        let hosted = HostedObject::new(place, object, env)?;
        Ok((self.url_with("request_uri", &hosted.uri), pending, hosted))
    }

    /// The same sign-in as a flow, for a key that is elsewhere.
    #[must_use]
    pub fn starting(&self) -> AuthorizationStart {
        AuthorizationStart { request: self.clone(), waiting: None }
    }

    pub(super) fn start_with(
        &self,
        object: &RequestObject,
        env: &Env<'_>,
    ) -> Result<(AuthorizationUrl, PendingAuthorization)> {
        let (object, pending) = self.draft_object(object, env)?.sign_here()?;
        Ok((self.url_with("request", &object), pending))
    }

    /// The URL that brings an object. What OAuth 2.0 and OpenID Connect want to see is said beside it (RFC 9101 §5,
    /// OpenID Connect Core §6.1).
    fn url_with(&self, name: &str, value: &str) -> AuthorizationUrl {
        let mut form = Form::with_capacity(value.len() + 256);
        form.push("client_id", self.asked.client.as_str())
            .push("response_type", self.asked.awaited.response_type.as_str());
        if let Some(scope) = &self.asked.scope {
            form.push("scope", scope.as_str());
        }
        form.push(name, value);
        let endpoint = self.prefix.get(..self.joint).unwrap_or_default();
        AuthorizationUrl::of([endpoint, form.expose()].concat())
    }

    /// Puts all parameters into an object.
    fn draft_object(&self, how: &RequestObject, env: &Env<'_>) -> Result<Drafted> {
        let (query, pending) = self.complete(self.prefix.get(self.joint..).unwrap_or_default(), env)?;
        let mut claims = request_object(self.asked.client.as_str(), self.asked.issuer.as_str(), env)?;
        for (name, value) in Parameters::parse(&query)?.iter() {
            add(&mut claims, name, value)?;
        }
        self.add_requested(&mut claims)?;
        let input = match &how.writer {
            Some(writer) => writer.input(&claims),
            None => unsigned_request_object(&claims),
        };
        let key = how.writer.as_ref().map(|writer| writer.key().clone());
        let encryption = how.encrypter.as_ref().map(|encrypter| encrypter.begin(env)).transpose()?;
        Ok(Drafted { key, input, encryption, pending })
    }
}

/// A parameter by its type: some are no texts in JSON (OpenID Connect Core §6.1).
fn add(claims: &mut ClaimSet, name: &str, value: &str) -> Result<()> {
    match (name, value.parse::<i64>()) {
        ("max_age", Ok(seconds)) => claims.number(name, seconds),
        ("claims", _) => claims.json(name, value),
        _ => claims.text(name, value),
    }
    .map(drop)
}

/// An object that is still to be signed, and encrypted if it shall be.
struct Drafted {
    /// None if nobody signs it.
    key: Option<SigningKey>,
    input: String,
    encryption: Option<Encryption>,
    pending: PendingAuthorization,
}

impl Drafted {
    fn sign_here(self) -> Result<(String, PendingAuthorization)> {
        match &self.key {
            None => self.finish(None),
            Some(SigningKey::Local(signer)) => {
                let mut signature = Signature::new();
                signer.sign(self.input.as_bytes(), &mut signature)?;
                self.finish(Some(signature.as_ref()))
            }
            Some(SigningKey::Remote(_)) => {
                let error = Error::new(ErrorKind::Config, Reason::UnsupportedAlgorithm);
                Err(error.with_detail("a key that is elsewhere signs in AuthorizationStart"))
            }
        }
    }

    fn finish(self, signature: Option<&[u8]>) -> Result<(String, PendingAuthorization)> {
        let Self { mut input, encryption, pending, .. } = self;
        if let Some(signature) = signature {
            jws::append(&mut input, signature);
        }
        let object = match encryption {
            Some(encryption) => encryption.finish(&input)?,
            None => input,
        };
        Ok((object, pending))
    }
}

/// A sign-in that begins when its request object has been signed, by a key that may be elsewhere. It sends nothing.
pub struct AuthorizationStart {
    request: AuthorizationRequest,
    waiting: Option<Box<Waiting>>,
}

/// An object that is being signed elsewhere.
struct Waiting {
    signing: Signing,
    drafted: Drafted,
}

impl Flow for AuthorizationStart {
    type Output = (AuthorizationUrl, PendingAuthorization);

    fn step(&mut self, event: Event, env: &Env<'_>) -> Result<Step<Self::Output>> {
        match (event, self.waiting.take()) {
            (Event::Go, None) => self.begin(env),
            (Event::Go, Some(waiting)) => Ok(self.ask(waiting)),
            (Event::Signed(Ok(signature)), Some(waiting)) => {
                let (object, pending) = waiting.drafted.finish(Some(&signature))?;
                Ok(Step::Done((self.request.url_with("request", &object), pending)))
            }
            (Event::Signed(Err(_)), Some(_)) => Err(Error::new(ErrorKind::Config, Reason::SigningFailed)),
            (Event::Signed(_) | Event::Response(_) | Event::Failure(_), waiting) => {
                self.waiting = waiting;
                Err(Error::new(ErrorKind::Usage, Reason::OutOfTurn))
            }
        }
    }
}

impl AuthorizationStart {
    fn begin(&mut self, env: &Env<'_>) -> Result<Step<(AuthorizationUrl, PendingAuthorization)>> {
        let Some(object) = &self.request.object else { return self.request.start(env).map(Step::Done) };
        let drafted = self.request.draft_object(object, env)?;
        if let Some(SigningKey::Remote(key)) = &drafted.key {
            let signing = Signing::new(key, drafted.input.as_bytes());
            return Ok(self.ask(Box::new(Waiting { signing, drafted })));
        }
        let (object, pending) = drafted.sign_here()?;
        Ok(Step::Done((self.request.url_with("request", &object), pending)))
    }

    /// Has the object signed, and keeps it until it is.
    fn ask(&mut self, waiting: Box<Waiting>) -> Step<(AuthorizationUrl, PendingAuthorization)> {
        let signing = waiting.signing.clone();
        self.waiting = Some(waiting);
        Step::Sign(signing)
    }
}

impl fmt::Debug for AuthorizationStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationStart").field("request", &self.request).finish_non_exhaustive()
    }
}
