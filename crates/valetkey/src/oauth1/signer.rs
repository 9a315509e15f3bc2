//! A signer alone: for the requests of any HTTP client.

use std::{fmt, time::SystemTime};

use http::{HeaderMap, HeaderValue, Method, Uri};
use valetkey_http::Request;
use valetkey_proto::{
    Env, Result,
    crypto::{CryptoProvider, SystemRandom},
    oauth1::{self, ClientCredentials, SignatureMethod, TokenCredentials, Transmission},
};

use super::nonces::Nonces;

/// Signs requests that somebody else sends, with the clock and the randomness of the system.
///
/// It reads the query and the form body from the request itself, whatever the method, and changes nothing else.
///
/// ```
/// use bytes::Bytes;
/// use valetkey::oauth1::{ClientCredentials, Signer, TokenCredentials};
///
/// let signer = Signer::new(ClientCredentials::new("dpf43f3p2l4k3l03", "kd94hf93k423kf44")?)
///     .token(TokenCredentials::new("nnch734d00sl2jdk", "pfkkdhi9sl3r4s00")?);
/// let request = http::Request::get("http://photos.example.net/photos?size=original").body(Bytes::new()).expect("a request");
/// let request = signer.sign(request)?;
/// assert!(request.headers()["authorization"].to_str().expect("ASCII").starts_with("OAuth "));
/// # Ok::<(), valetkey::Error>(())
/// ```
pub struct Signer {
    signer: oauth1::Signer,
    nonces: Nonces<SystemRandom>,
    crypto: CryptoProvider,
}

impl Signer {
    /// Signs by HMAC-SHA1 in the header, in the name of the client alone.
    #[must_use]
    pub fn new(client: ClientCredentials) -> Self {
        oauth1::Signer::new(client).into()
    }

    /// Signs also in the name of a user.
    #[must_use]
    pub fn token(self, token: TokenCredentials) -> Self {
        Self { signer: self.signer.token(token), ..self }
    }

    /// Signs by this method.
    #[must_use]
    pub fn method(self, method: SignatureMethod) -> Self {
        Self { signer: self.signer.method(method), ..self }
    }

    /// Puts the protocol parameters there.
    #[must_use]
    pub fn transmission(self, transmission: Transmission) -> Self {
        Self { signer: self.signer.transmission(transmission), ..self }
    }

    /// Signs a request, with a timestamp and nonce of its own.
    ///
    /// # Errors
    ///
    /// As [`valetkey_proto::oauth1::Signer::sign`].
    pub fn sign(&self, request: Request) -> Result<Request> {
        self.now(|env| self.signer.sign(request, env))
    }

    /// The value of the `Authorization` field for a request of these parts: for the requests of a client that has
    /// types of its own. It takes one allocation, the value's.
    ///
    /// ```
    /// use valetkey::oauth1::{ClientCredentials, Signer};
    ///
    /// let signer = Signer::new(ClientCredentials::new("dpf43f3p2l4k3l03", "kd94hf93k423kf44")?);
    /// let uri = http::Uri::from_static("https://photos.example.net/photos?size=original");
    /// let value = signer.authorization(&http::Method::GET, &uri, &http::HeaderMap::new(), b"")?;
    /// assert!(value.is_sensitive());
    /// # Ok::<(), valetkey::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`valetkey_proto::oauth1::Signer::authorization`].
    pub fn authorization(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<HeaderValue> {
        self.now(|env| self.signer.authorization(method, uri, headers, body, env))
    }

    fn now<T>(&self, work: impl FnOnce(&Env<'_>) -> T) -> T {
        #[expect(
            clippy::disallowed_methods,
            reason = "a signer alone has no backend whose clock it could ask"
        )]
        let now = SystemTime::now();
        work(&Env { now: now.into(), random: &self.nonces.at(now), crypto: &self.crypto })
    }
}

/// For what a signer can beyond this: a realm, a body hash, another host, parameters of extensions.
impl From<oauth1::Signer> for Signer {
    fn from(signer: oauth1::Signer) -> Self {
        Self { signer, nonces: Nonces::new(SystemRandom::new()), crypto: CryptoProvider::ring() }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("signer", &self.signer).finish_non_exhaustive()
    }
}
