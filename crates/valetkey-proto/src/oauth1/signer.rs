//! Signing requests (RFC 5849 §3).

use std::{
    fmt,
    sync::{Mutex, OnceLock},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri, header::AUTHORIZATION};
use valetkey_http::Request;

use super::{
    ClientCredentials, SignatureMethod, Stamp, TokenCredentials, Transmission,
    base_string::{Entity, Subject, invalid, split_authority},
    credentials::{TokenPair, check},
    scratch::Scratch,
    signature::{Ready, Secrets},
    transmission::{BodyMut, SCHEME, SignatureText, Target, Unfinished, header},
};
use crate::{
    crypto::{CryptoProvider, HashAlgorithm, RemoteKey, Signature},
    draft::Draft,
    endpoint::is_loopback,
    error::{Error, ErrorKind, Reason, Result},
    flow::Env,
    secret::{Secret, wiped},
};

/// Signs requests in the name of a client, and of a user if it has a token (RFC 5849 §3).
///
/// It signs a request as it will be sent: the query, the form in the body and the protocol parameters. Nothing else
/// of the request changes, and a body that is no form is not even looked at.
///
/// ```
/// use bytes::Bytes;
/// use valetkey_proto::{
///     Env, Timestamp,
///     crypto::{CryptoProvider, SystemRandom},
///     oauth1::{ClientCredentials, SignatureMethod, Signer, TokenCredentials},
/// };
///
/// let signer = Signer::new(ClientCredentials::new("dpf43f3p2l4k3l03", "kd94hf93k423kf44")?)
///     .token(TokenCredentials::new("nnch734d00sl2jdk", "pfkkdhi9sl3r4s00")?)
///     .method(SignatureMethod::HmacSha256);
///
/// let env = Env { now: Timestamp::from_secs(1_700_000_000), random: &SystemRandom::new(), crypto: &CryptoProvider::ring() };
/// let request = http::Request::get("https://photos.example.net/photos?file=vacation.jpg&size=original");
/// let request = signer.sign(request.body(Bytes::new()).expect("a request"), &env)?;
/// let header = request.headers()["authorization"].to_str().expect("ASCII");
/// assert!(header.starts_with("OAuth oauth_consumer_key=\"dpf43f3p2l4k3l03\", oauth_token=\"nnch734d00sl2jdk\", "));
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
///
/// # Security
///
/// A body that is no form is not signed (RFC 5849 §3.4.1.3.1): without TLS it can be changed on its way. Where the
/// server knows it, [`body_hash`](Self::body_hash) closes that.
pub struct Signer {
    client: ClientCredentials,
    token: Option<TokenPair>,
    method: SignatureMethod,
    transmission: Transmission,
    realm: Option<Box<str>>,
    body_hash: Option<HashAlgorithm>,
    host: Option<Box<str>>,
    has_version: bool,
    extras: Vec<(Box<str>, Secret)>,
    /// What is the same in all requests, written once.
    plan: Scratch,
    /// The buffers of the last signature. Who finds them taken uses others.
    scratch: Mutex<Scratch>,
    /// The key, once it was used.
    ready: OnceLock<Ready>,
}

/// What a request to a credential endpoint is signed with in place of the signer's own token.
pub(crate) struct Protocol {
    pub(super) token: Option<TokenPair>,
    pub(super) parameters: Vec<(&'static str, Secret)>,
}

/// The parameters that a signer sets itself.
const OWN: [&str; 9] = [
    "oauth_body_hash",
    "oauth_consumer_key",
    "oauth_nonce",
    "oauth_signature",
    "oauth_signature_method",
    "oauth_timestamp",
    "oauth_token",
    "oauth_token_secret",
    "oauth_version",
];

impl Signer {
    /// Signs by HMAC-SHA1 in the header, in the name of the client alone.
    #[must_use]
    pub fn new(client: ClientCredentials) -> Self {
        let signer = Self {
            client,
            token: None,
            method: SignatureMethod::HmacSha1,
            transmission: Transmission::Header,
            realm: None,
            body_hash: None,
            host: None,
            has_version: true,
            extras: Vec::new(),
            plan: Scratch::default(),
            scratch: Mutex::default(),
            ready: OnceLock::new(),
        };
        signer.planned()
    }

    /// Signs also in the name of a user.
    #[must_use]
    pub fn token(mut self, token: TokenCredentials) -> Self {
        self.token = Some(token.pair);
        self.planned()
    }

    /// Signs by this method.
    #[must_use]
    pub fn method(mut self, method: SignatureMethod) -> Self {
        self.method = method;
        self.planned()
    }

    /// Puts the protocol parameters there.
    #[must_use]
    pub fn transmission(mut self, transmission: Transmission) -> Self {
        self.transmission = transmission;
        self.planned()
    }

    /// Names a realm in the header; it is not signed (RFC 5849 §3.4.1.3.1).
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::InvalidValue`] if it has a control character or is not ASCII.
    pub fn realm(mut self, realm: &str) -> Result<Self> {
        if !realm.is_ascii() {
            return Err(invalid("realm"));
        }
        check(realm, "realm")?;
        self.realm = Some(realm.into());
        Ok(self.planned())
    }

    /// Signs a hash of every body that is no form (`oauth_body_hash`, an extension that some servers demand).
    #[must_use]
    pub fn body_hash(mut self, algorithm: HashAlgorithm) -> Self {
        self.body_hash = Some(algorithm);
        self.planned()
    }

    /// Signs for this host, and port, whatever the request says: for a server that sees another name behind a proxy.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::InvalidValue`] unless it is a host, or a host and a port.
    pub fn host(mut self, host: &str) -> Result<Self> {
        check(host, "host")?;
        split_authority(host).ok_or_else(|| invalid("host"))?;
        self.host = Some(host.into());
        Ok(self.planned())
    }

    /// Leaves `oauth_version` out, which is optional (RFC 5849 §3.1).
    #[must_use]
    pub fn without_version(mut self) -> Self {
        self.has_version = false;
        self.planned()
    }

    /// Adds a protocol parameter of an extension, such as `xoauth_requestor_id`, to every request.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::ReservedParameter`] for one that the signer sets itself or has already;
    /// [`Reason::InvalidValue`] if the name does not begin with `oauth_` or `xoauth_`, or either has a control
    /// character.
    pub fn parameter(mut self, name: &str, value: impl Into<Secret>) -> Result<Self> {
        let value = value.into();
        let is_set = OWN.contains(&name) && (name != "oauth_body_hash" || self.body_hash.is_some());
        if is_set || self.extras.iter().any(|(known, _)| **known == *name) {
            return Err(Error::new(ErrorKind::Usage, Reason::ReservedParameter));
        }
        if !name.starts_with("oauth_") && !name.starts_with("xoauth_") {
            return Err(invalid("name of a protocol parameter"));
        }
        check(name, "name of a protocol parameter")?;
        check(value.expose(), "protocol parameter")?;
        self.extras.push((name.into(), value));
        Ok(self.planned())
    }

    /// Signs a request, with a timestamp and nonce of its own.
    ///
    /// # Errors
    ///
    /// `Usage`, and nothing of the request is of use then: [`Reason::AlreadyAuthorized`] if it has an `Authorization`
    /// field or an `oauth_` parameter; [`Reason::InvalidUrl`] unless its URL is absolute `http` or `https`;
    /// [`Reason::InsecureUrl`] for PLAINTEXT over neither `https` nor loopback (RFC 5849 §3.4.4);
    /// [`Reason::InvalidValue`] if the body is said to be a form and is none, or the parameters should go into the
    /// body of a request that can have no form. `Config`: [`Reason::RandomFailed`], [`Reason::SigningFailed`], and
    /// [`Reason::UnsupportedAlgorithm`] for a remote key, which signs in a flow:
    /// [`Party::oauth1`](crate::Party::oauth1).
    pub fn sign(&self, request: Request, env: &Env<'_>) -> Result<Request> {
        self.sign_with(request, Stamp::fresh(env)?, env.crypto)
    }

    /// Signs a request with this timestamp and nonce: for tests, and to repeat a signature while looking for a
    /// mistake. A server takes a nonce once.
    ///
    /// # Errors
    ///
    /// As [`sign`](Self::sign).
    pub fn sign_with(&self, request: Request, stamp: Stamp, crypto: &CryptoProvider) -> Result<Request> {
        let (mut parts, mut body) = request.into_parts();
        refuse_authorized(&parts.headers)?;
        self.with_scratch(|scratch| {
            let subject = Subject::of(&parts.method, &parts.uri, &parts.headers, &body)?;
            self.write(&subject, &stamp, None, crypto, scratch)?.map_or(Ok(()), |_| Err(remote()))?;
            let body = BodyMut::Bytes(&mut body);
            let target = Target { uri: &mut parts.uri, headers: &mut parts.headers, body };
            target.put(self.transmission, &scratch.text)
        })?;
        Ok(Request::from_parts(parts, body))
    }

    /// The value of the `Authorization` field for a request of these parts, with at most one allocation: for
    /// programs that build requests of another kind.
    ///
    /// # Errors
    ///
    /// As [`sign`](Self::sign); `Usage`: [`Reason::InvalidValue`] if the parameters should go elsewhere.
    pub fn authorization(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: &[u8],
        env: &Env<'_>,
    ) -> Result<HeaderValue> {
        if self.transmission != Transmission::Header {
            return Err(invalid("transmission"));
        }
        refuse_authorized(headers)?;
        let stamp = Stamp::fresh(env)?;
        self.with_scratch(|scratch| {
            let subject = Subject::of(method, uri, headers, body)?;
            self.write(&subject, &stamp, None, env.crypto, scratch)?.map_or(Ok(()), |_| Err(remote()))?;
            // The copy is as long as it must be, and the one allocation; but secrets are worth being wiped.
            let is_secret = self.method.is_plaintext();
            header(if is_secret {
                wiped(scratch.text.to_vec())
            } else {
                Bytes::copy_from_slice(&scratch.text)
            })
        })
    }

    /// The signature of a base string, as `oauth_signature` has it, not encoded. With PLAINTEXT it is the secrets.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::SigningFailed`], and [`Reason::UnsupportedAlgorithm`] for a remote key.
    pub fn signature(&self, base_string: &str, crypto: &CryptoProvider) -> Result<Secret> {
        let text = match self.ready(crypto)? {
            Ready::Plaintext(key) => String::from_utf8_lossy(key).into_owned(),
            Ready::Remote(_) => return Err(remote()),
            Ready::Local(signer) => {
                let mut signature = Signature::new();
                signer.sign(base_string.as_bytes(), &mut signature)?;
                STANDARD.encode(signature.as_ref())
            }
        };
        Ok(Secret::new(text))
    }

    /// Signs a draft, last of all that is done to it; a remote key is asked by the call.
    pub(crate) fn sign_draft(&self, draft: &mut Draft, env: &Env<'_>) -> Result<()> {
        let stamp = Stamp::fresh(env)?;
        refuse_authorized(draft.headers())?;
        let protocol = draft.take_oauth1();
        self.with_scratch(|scratch| {
            let (form, bytes) = draft.body();
            let mut subject = Subject::of(draft.method(), draft.uri(), draft.headers(), bytes)?;
            if let Some(form) = form {
                subject.entity = Entity::Form(form.as_bytes());
            }
            match self.write(&subject, &stamp, protocol.as_ref(), env.crypto, scratch)? {
                None => draft.target().put(self.transmission, &scratch.text),
                Some(key) => {
                    let unfinished =
                        Unfinished { text: scratch.text.clone(), transmission: self.transmission };
                    draft.queue(&key, &scratch.message, unfinished);
                    Ok(())
                }
            }
        })
    }

    /// Writes the protocol parameters, signed, into `scratch.text`; or without a signature, if the key is elsewhere.
    fn write(
        &self,
        subject: &Subject<'_>,
        stamp: &Stamp,
        protocol: Option<&Protocol>,
        crypto: &CryptoProvider,
        scratch: &mut Scratch,
    ) -> Result<Option<RemoteKey>> {
        self.check(subject, stamp)?;
        let uri = subject.base_uri(self.host.as_deref())?;
        let brought;
        let (plan, ready) = match protocol {
            None => (&self.plan, self.ready(crypto)?),
            Some(protocol) => {
                let ready = self.method.ready(self.secrets(protocol.token.as_ref()), crypto)?;
                brought = (self.plan(protocol.token.as_ref(), &protocol.parameters), ready);
                (&brought.0, &brought.1)
            }
        };
        scratch.add_all(plan);
        scratch.text.extend_from_slice(&plan.text);
        self.write_stamp(subject, stamp, crypto, scratch);
        let (query, form) = (scratch.take(subject.query()), scratch.take(subject.form()));
        if query.has_protocol || form.has_protocol {
            let place = if query.has_protocol { "query" } else { "form" };
            return Err(Error::new(ErrorKind::Usage, Reason::AlreadyAuthorized).with_detail(place));
        }
        if form.has_broken_escape {
            return Err(invalid("form body"));
        }
        match ready {
            Ready::Plaintext(key) => self.transmission.write_signature(&mut scratch.text, key),
            Ready::Local(signer) => {
                scratch.write_message(subject.method, &uri);
                let mut signature = Signature::new();
                signer.sign(&scratch.message, &mut signature)?;
                let signature = SignatureText::of(signature.as_ref())?;
                self.transmission.write_signature(&mut scratch.text, signature.as_bytes());
            }
            Ready::Remote(key) => {
                scratch.write_message(subject.method, &uri);
                return Ok(Some(key.clone()));
            }
        }
        Ok(None)
    }

    /// Refuses what must not, or cannot, be signed like this.
    fn check(&self, subject: &Subject<'_>, stamp: &Stamp) -> Result<()> {
        if self.method.is_plaintext() && !is_private(subject.uri) {
            return Err(Error::new(ErrorKind::Usage, Reason::InsecureUrl).with_detail("PLAINTEXT"));
        }
        if !self.method.is_plaintext() && stamp.is_none() {
            return Err(invalid("timestamp and nonce"));
        }
        if self.transmission == Transmission::Body {
            let has_body = !matches!(*subject.method, Method::GET | Method::HEAD);
            if !has_body || matches!(subject.entity, Entity::Other(_)) {
                return Err(invalid("transmission in the body of what is no form"));
            }
        }
        Ok(())
    }

    /// Writes the parameters that differ from request to request.
    fn write_stamp(
        &self,
        subject: &Subject<'_>,
        stamp: &Stamp,
        crypto: &CryptoProvider,
        scratch: &mut Scratch,
    ) {
        let mut put = |name: &str, value: &[u8]| {
            scratch.add(name.as_bytes(), value);
            self.transmission.write(&mut scratch.text, name.as_bytes(), value);
        };
        if let Some((timestamp, nonce)) = stamp.parts() {
            put("oauth_timestamp", timestamp);
            put("oauth_nonce", nonce);
        }
        // Never for forms, whose parameters are signed themselves.
        let entity = match subject.entity {
            Entity::Form(_) => None,
            Entity::None => Some(&b""[..]),
            Entity::Other(body) => Some(body),
        };
        if let (Some(algorithm), Some(entity)) = (self.body_hash, entity) {
            let hash = STANDARD.encode(crypto.hash.digest(algorithm, entity));
            put("oauth_body_hash", hash.as_bytes());
        }
    }

    /// Writes anew what is the same in all requests.
    fn planned(mut self) -> Self {
        self.plan = self.plan(self.token.as_ref(), &[]);
        self.ready = OnceLock::new();
        self
    }

    fn plan(&self, token: Option<&TokenPair>, parameters: &[(&'static str, Secret)]) -> Scratch {
        let mut plan = Scratch::default();
        if self.transmission == Transmission::Header {
            plan.text.extend_from_slice(SCHEME);
            if let Some(realm) = &self.realm {
                Transmission::write_realm(&mut plan.text, realm);
            }
        }
        let mut put = |name: &str, value: &str| {
            plan.add(name.as_bytes(), value.as_bytes());
            self.transmission.write(&mut plan.text, name.as_bytes(), value.as_bytes());
        };
        put("oauth_consumer_key", self.client.identifier());
        if let Some(token) = token {
            put("oauth_token", token.identifier.expose());
        }
        put("oauth_signature_method", self.method.name());
        if self.has_version {
            put("oauth_version", "1.0");
        }
        // What a request for credentials brings goes before what all requests have.
        let is_brought = |name: &str| parameters.iter().any(|(known, _)| *known == name);
        let own = self.extras.iter().filter(|(name, _)| !is_brought(name));
        own.for_each(|(name, value)| put(name, value.expose()));
        parameters.iter().for_each(|(name, value)| put(name, value.expose()));
        plan
    }

    pub(super) fn secrets<'a>(&'a self, token: Option<&'a TokenPair>) -> Secrets<'a> {
        Secrets {
            client: self.client.shared_secret().expose(),
            token: token.map_or("", |token| token.shared_secret.expose()),
        }
    }

    pub(super) fn own_secrets(&self) -> Secrets<'_> {
        self.secrets(self.token.as_ref())
    }

    pub(super) fn own_host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The key, made when it is first needed.
    fn ready(&self, crypto: &CryptoProvider) -> Result<&Ready> {
        if let Some(ready) = self.ready.get() {
            return Ok(ready);
        }
        let ready = self.method.ready(self.own_secrets(), crypto)?;
        Ok(self.ready.get_or_init(|| ready))
    }

    /// Lends the buffers, or others while they are taken.
    pub(super) fn with_scratch<T>(&self, work: impl FnOnce(&mut Scratch) -> T) -> T {
        match self.scratch.try_lock() {
            Ok(mut scratch) => {
                scratch.clear();
                work(&mut scratch)
            }
            Err(_) => work(&mut Scratch::default()),
        }
    }
}

/// One method a request (RFC 5849 §3.5).
fn refuse_authorized(headers: &HeaderMap) -> Result<()> {
    if headers.contains_key(AUTHORIZATION) {
        return Err(Error::new(ErrorKind::Usage, Reason::AlreadyAuthorized).with_detail("Authorization"));
    }
    Ok(())
}

/// Whether nobody on the way sees what is sent.
fn is_private(uri: &Uri) -> bool {
    uri.scheme_str() == Some("https") || uri.host().is_some_and(is_loopback)
}

fn remote() -> Error {
    Error::new(ErrorKind::Config, Reason::UnsupportedAlgorithm)
        .with_detail("a remote key signs in a flow: Call and Party::oauth1")
}

impl Clone for Signer {
    fn clone(&self) -> Self {
        let signer = Self {
            client: self.client.clone(),
            token: self.token.clone(),
            method: self.method.clone(),
            transmission: self.transmission,
            realm: self.realm.clone(),
            body_hash: self.body_hash,
            host: self.host.clone(),
            has_version: self.has_version,
            extras: self.extras.clone(),
            plan: Scratch::default(),
            scratch: Mutex::default(),
            ready: OnceLock::new(),
        };
        signer.planned()
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("client", &self.client)
            .field("has_token", &self.token.is_some())
            .field("method", &self.method.name())
            .field("transmission", &self.transmission)
            .finish_non_exhaustive()
    }
}
