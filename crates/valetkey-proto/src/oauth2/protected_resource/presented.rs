//! How an access token was shown to an API (RFC 6750 §2.1, RFC 9449 §7.1, RFC 8705 §3).

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http::{HeaderMap, Method, Uri, header::AUTHORIZATION};

use super::Refusal;
use crate::{
    error::{Error, ErrorKind, Reason, Result},
    flow::Env,
    jose::jwt::{ProofOf, ReplayGuard, Validator},
    oauth2::binding::DPOP,
    response::{
        members::{members, read},
        value::Text,
    },
    secret::same,
};

/// How long a proof is remembered: longer than any is taken.
const REMEMBERED: Duration = Duration::from_secs(180);

/// A token, and all that was shown with it.
///
/// ```
/// use http::{HeaderMap, HeaderValue, Method, Uri};
/// use valetkey_proto::oauth2::protected_resource::PresentedToken;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("authorization", HeaderValue::from_static("Bearer mF_9.B5f-4.1JqM"));
/// let uri = Uri::from_static("https://api.example/me");
/// let shown = PresentedToken::read(&Method::GET, &uri, &headers)?.expect("there is a token");
/// # let _ = shown;
/// # Ok::<(), valetkey_proto::oauth2::protected_resource::Refusal>(())
/// ```
#[derive(Clone, Copy)]
pub struct PresentedToken<'a> {
    token: &'a str,
    proof: Option<Proof<'a>>,
    certificate: Option<&'a str>,
}

/// A DPoP proof, and the request that it came with.
#[derive(Clone, Copy)]
struct Proof<'a> {
    text: &'a str,
    method: &'a Method,
    uri: &'a Uri,
}

impl<'a> PresentedToken<'a> {
    /// A token that was shown by itself.
    #[must_use]
    pub fn bearer(token: &'a str) -> Self {
        Self { token, proof: None, certificate: None }
    }

    /// A token that was shown with a DPoP proof, in a request to this absolute URI, as the client has it.
    #[must_use]
    pub fn dpop(token: &'a str, proof: &'a str, method: &'a Method, uri: &'a Uri) -> Self {
        Self { token, proof: Some(Proof { text: proof, method, uri }), certificate: None }
    }

    /// The client has proved, in the TLS handshake, that it has the certificate of this thumbprint
    /// ([`certificate_thumbprint`](crate::jose::certificate_thumbprint)).
    ///
    /// # Security
    ///
    /// Behind a proxy that ends TLS it is the proxy's word, which nobody else may be able to send.
    #[must_use]
    pub fn with_certificate(mut self, thumbprint: &'a str) -> Self {
        self.certificate = Some(thumbprint);
        self
    }

    /// What a request shows in its header, to an absolute URI as the client has it; `None` if it shows no token, or
    /// credentials of another scheme. Tokens in the form or in the query are not looked for (RFC 9700 §4.3.2).
    ///
    /// # Errors
    ///
    /// A [`Refusal`] of 400 if there is more than one token, or one that is none; of 401 if it should have come with one
    /// proof and did not.
    pub fn read(
        method: &'a Method,
        uri: &'a Uri,
        headers: &'a HeaderMap,
    ) -> std::result::Result<Option<Self>, Refusal> {
        let request = |reason| Refusal::request(Error::new(ErrorKind::Protocol, reason));
        let mut fields = headers.get_all(AUTHORIZATION).iter();
        let Some(field) = fields.next() else { return Ok(None) };
        if fields.next().is_some() {
            return Err(request(Reason::DuplicateParameter));
        }
        let text = field.to_str().map_err(|_| request(Reason::Malformed))?;
        let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
        let is_dpop = scheme.eq_ignore_ascii_case("DPoP");
        if !is_dpop && !scheme.eq_ignore_ascii_case("Bearer") {
            return Ok(None);
        }
        let token = token.trim_matches(' ');
        // `b64token` (RFC 6750 §2.1).
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        if token.is_empty() || !token.bytes().all(is_token) {
            return Err(request(Reason::Malformed));
        }
        if !is_dpop {
            return Ok(Some(Self::bearer(token)));
        }
        let proof = |reason| Refusal::proof(Error::new(ErrorKind::Protocol, reason).with_detail("DPoP"));
        let mut proofs = headers.get_all(DPOP).iter();
        let text = proofs.next().ok_or_else(|| proof(Reason::MissingParameter))?;
        if proofs.next().is_some() {
            return Err(proof(Reason::DuplicateParameter));
        }
        let text = text.to_str().map_err(|_| proof(Reason::Malformed))?;
        Ok(Some(Self::dpop(token, text, method, uri)))
    }

    pub(super) fn token(&self) -> &'a str {
        self.token
    }

    /// Whether it came with a proof, so that it is answered in the same scheme.
    pub(super) fn is_dpop(&self) -> bool {
        self.proof.is_some()
    }

    /// Whether all was shown that a token is bound to, by its confirmation (RFC 7800 §3.1); and no proof for a token that
    /// is bound to no key.
    pub(super) fn check(
        &self,
        confirmation: Option<&Confirmation>,
        seen: &Mutex<ReplayGuard>,
        env: &Env<'_>,
    ) -> std::result::Result<(), Refusal> {
        let key = confirmation.and_then(Confirmation::key);
        match (key, &self.proof) {
            (None, None) => {}
            (Some(key), Some(proof)) => proof.check(self.token, key, seen, env)?,
            (Some(_), None) | (None, Some(_)) => return Err(Refusal::token(unbound("jkt"), true)),
        }
        let certificate = confirmation.and_then(Confirmation::certificate);
        if let Some(bound) = certificate
            && !self.certificate.is_some_and(|shown| same(shown.as_bytes(), bound.as_bytes()))
        {
            return Err(Refusal::token(unbound("x5t#S256"), self.is_dpop()));
        }
        if confirmation.is_some() && key.is_none() && certificate.is_none() {
            // It is bound to something that is not known here.
            return Err(Refusal::token(unbound("cnf"), self.is_dpop()));
        }
        Ok(())
    }
}

impl Proof<'_> {
    fn check(
        &self,
        token: &str,
        key: &str,
        seen: &Mutex<ReplayGuard>,
        env: &Env<'_>,
    ) -> std::result::Result<(), Refusal> {
        let request = ProofOf::new(self.method, self.uri).access_token(token);
        let (jwt, jwk) =
            Validator::dpop_proof().validate_proof(self.text, &request, env).map_err(Refusal::proof)?;
        // Another's key: the proof is right, and the token is not theirs.
        if !same(jwk.thumbprint(env.crypto).as_bytes(), key.as_bytes()) {
            return Err(Refusal::token(unbound("jkt"), true));
        }
        let until = env.now + REMEMBERED;
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.admit(key, jwt.id().unwrap_or_default(), until, env.now, env.crypto).map_err(Refusal::proof)
    }
}

fn unbound(name: &'static str) -> Error {
    Error::new(ErrorKind::Untrusted, Reason::BindingMismatch).with_detail(name)
}

members! {
    strict struct Wire {
        jkt: Text<'de>,
        certificate = "x5t#S256": Text<'de>,
    }
}

/// What a token is bound to (`cnf`, RFC 7800 §3.1).
#[derive(Clone, PartialEq, Eq)]
pub struct Confirmation {
    key: Option<Box<str>>,
    certificate: Option<Box<str>>,
}

impl Confirmation {
    pub(super) fn parse(json: &str) -> Result<Self> {
        let wire: Wire<'_> = read(json)?;
        let owned = |text: Option<Text<'_>>| text.map(|text| Box::from(&*text));
        Ok(Self { key: owned(wire.jkt), certificate: owned(wire.certificate) })
    }

    /// The thumbprint of the key that proofs are signed by (`jkt`, RFC 9449 §6.1).
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// The thumbprint of the client's certificate (`x5t#S256`, RFC 8705 §3.1).
    #[must_use]
    pub fn certificate(&self) -> Option<&str> {
        self.certificate.as_deref()
    }
}

impl fmt::Debug for Confirmation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Confirmation")
            .field("key", &self.key)
            .field("certificate", &self.certificate)
            .finish()
    }
}

/// It shows nothing of the token.
impl fmt::Debug for PresentedToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresentedToken").field("is_dpop", &self.is_dpop()).finish_non_exhaustive()
    }
}
