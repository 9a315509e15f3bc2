//! A logout that the server tells of (OpenID Connect Back-Channel Logout 1.0 §2.5 to §2.8).

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Method, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use valetkey_http::{Request, Response};

use super::ReplayGuard;
use crate::{
    error::{Error, ErrorKind, Reason, Result},
    flow::Env,
    form::{Parameters, is_form},
    jose::{
        VerifyingKeys,
        jwe::Decrypter,
        jwt::{Expected, Jwt, Kind, Validator},
    },
    oauth2::{client::ClientId, server::Issuer},
    time::Timestamp,
};

/// The longest body that is read: a token of the longest kind, its name, and something beside it.
const MAX_BODY: usize = 96 << 10;
/// How long a token can be shown again at most: what was made longer ago is refused as too old (a day), and clocks
/// differ by a minute at most.
const LONGEST: Duration = Duration::from_secs(24 * 3600 + 60);
/// How much clocks may differ at most.
const LEEWAY: Duration = Duration::from_secs(60);

/// Takes the requests by which a server tells a client that a session has ended.
///
/// ```
/// # use valetkey_proto::{
/// #     Env, Timestamp,
/// #     crypto::{CryptoProvider, SignatureAlgorithm, SigningKey, SystemRandom, VerifyingKey},
/// #     jose::jwt::{ClaimSet, Kind, Writer},
/// # };
/// use valetkey_proto::{
///     oauth2::{client::ClientId, server::Issuer},
///     oidc::logout::{BackChannel, ReplayGuard},
/// };
///
/// # let env = Env { now: Timestamp::from_secs(1_700_000_000), random: &SystemRandom::new(), crypto: &CryptoProvider::ring() };
/// # let key = SigningKey::secret(SignatureAlgorithm::Hs256, &[7; 32], env.crypto)?;
/// # let keys = VerifyingKey::secret(SignatureAlgorithm::Hs256, &[7; 32], env.crypto)?.into();
/// # let mut claims = ClaimSet::new();
/// # claims.text("iss", "https://op.example")?.text("aud", "my-app")?.text("sub", "248289761001")?;
/// # claims.json("events", r#"{"http://schemas.openid.net/event/backchannel-logout":{}}"#)?;
/// # claims.fresh(Some(std::time::Duration::from_secs(120)), &env)?;
/// # let token = Writer::new(Kind::LogoutToken, key)?.sign(&claims)?;
/// let back_channel = BackChannel::new(&Issuer::parse("https://op.example")?, &ClientId::parse("my-app")?);
/// let mut seen = ReplayGuard::new(10_000);
///
/// let request = http::Request::post("/backchannel-logout")
///     .header("content-type", "application/x-www-form-urlencoded")
///     .body(bytes::Bytes::from(format!("logout_token={token}")))
///     .expect("a request");
/// let outcome = back_channel.receive(&request, &keys, &mut seen, &env);
/// if let Ok(token) = &outcome {
///     assert!(token.ends("248289761001", Some("any session")));
///     // Delete the sessions of which this is said, and only then answer.
/// }
/// assert_eq!(BackChannel::response(&outcome).status(), 200);
///
/// let again = back_channel.receive(&request, &keys, &mut seen, &env);
/// assert_eq!(BackChannel::response(&again).status(), 400);
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct BackChannel {
    issuer: Issuer,
    validator: Validator,
    decrypter: Option<Decrypter>,
}

impl BackChannel {
    /// Takes what this server tells this client.
    #[must_use]
    pub fn new(issuer: &Issuer, client: &ClientId) -> Self {
        let validator = Validator::new(Kind::LogoutToken, issuer.as_str(), client.as_str());
        Self { issuer: issuer.clone(), validator, decrypter: None }
    }

    /// Lets clocks differ by this much in place of 30 seconds; more than a minute is a minute.
    #[must_use]
    pub fn with_leeway(mut self, leeway: Duration) -> Self {
        self.validator = self.validator.with_leeway(leeway);
        self
    }

    /// Decrypts what is encrypted for this client, as its ID tokens are (§2.4). What is only signed is taken, too.
    #[must_use]
    pub fn with_decrypter(mut self, decrypter: Decrypter) -> Self {
        self.decrypter = Some(decrypter);
        self
    }

    /// Reads a request, and validates the logout token in it by the server's keys.
    ///
    /// [`Reason::KeyNotFound`] means that the server may have new keys: fetch them, and call again. A token counts as
    /// shown only when it was taken.
    ///
    /// # Errors
    ///
    /// `Protocol`: [`Reason::Malformed`] unless it is a `POST`, [`Reason::UnexpectedMediaType`] unless it is of a form,
    /// [`Reason::TooLarge`], [`Reason::DuplicateParameter`], [`Reason::MissingParameter`]. `Untrusted`:
    /// [`Reason::Replayed`]. Whatever else is wrong with the token, as [`Validator::validate`] has it.
    pub fn receive(
        &self,
        request: &Request,
        keys: &VerifyingKeys,
        seen: &mut ReplayGuard,
        env: &Env<'_>,
    ) -> Result<LogoutToken> {
        let parameters = form_of(request)?;
        let missing =
            || Error::new(ErrorKind::Protocol, Reason::MissingParameter).with_detail("logout_token");
        let text = parameters.get("logout_token").ok_or_else(missing)?;
        let decrypted = match &self.decrypter {
            Some(decrypter) if is_encrypted(text) => Some(decrypter.decrypt(text, env.crypto)?),
            Some(_) | None => None,
        };
        let text = decrypted.as_deref().unwrap_or(text);
        let jwt = self.validator.validate(text, keys, &Expected::new(), env)?;
        let token = LogoutToken::of(&self.issuer, &jwt).ok_or_else(missing)?;
        let until = (token.expires_at + LEEWAY).min(env.now + LONGEST);
        seen.admit(self.issuer.as_str(), &token.id, until, env.now, env.crypto)?;
        Ok(token)
    }

    /// What to answer: 200 when the sessions have been ended, or 400, and in no case anything that is kept (§2.8).
    #[must_use]
    pub fn response<T>(outcome: &Result<T>) -> Response {
        let (status, body) = match outcome {
            Ok(_) => (StatusCode::OK, ""),
            Err(_) => (StatusCode::BAD_REQUEST, r#"{"error":"invalid_request"}"#),
        };
        let mut response = Response::new(Bytes::from_static(body.as_bytes()));
        *response.status_mut() = status;
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if !body.is_empty() {
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        response
    }
}

/// Whether a token has the parts of an encrypted one (RFC 7516 §9).
fn is_encrypted(token: &str) -> bool {
    token.bytes().filter(|&byte| byte == b'.').count() == 4
}

/// The form of a request.
fn form_of(request: &Request) -> Result<Parameters> {
    let error = |reason| Error::new(ErrorKind::Protocol, reason).with_detail("logout request");
    if request.method() != Method::POST {
        return Err(error(Reason::Malformed));
    }
    if !is_form(request.headers()) {
        return Err(error(Reason::UnexpectedMediaType));
    }
    if request.body().len() > MAX_BODY {
        return Err(error(Reason::TooLarge));
    }
    Parameters::parse(std::str::from_utf8(request.body()).map_err(|_| error(Reason::Malformed))?)
}

/// A logout token that was validated: whose session has ended (§2.4).
#[derive(Clone, PartialEq, Eq)]
pub struct LogoutToken {
    issuer: Issuer,
    subject: Option<Box<str>>,
    session: Option<Box<str>>,
    id: Box<str>,
    expires_at: Timestamp,
}

impl LogoutToken {
    /// The validator has seen to it that what must be there is.
    fn of(issuer: &Issuer, jwt: &Jwt) -> Option<Self> {
        Some(Self {
            issuer: issuer.clone(),
            subject: jwt.subject().map(Into::into),
            session: jwt.session().map(Into::into),
            id: jwt.id()?.into(),
            expires_at: jwt.expires_at()?,
        })
    }

    /// Who says so (`iss`).
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Whose session it is (`sub`).
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// Which session it is (`sid`). Without one, it is all of the user's.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// The token's own name (`jti`).
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// When it expires (`exp`).
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Whether a session of this user, with this `sid` in its ID token, is one that has ended.
    #[must_use]
    pub fn ends(&self, subject: &str, session: Option<&str>) -> bool {
        let is_users = self.subject.as_deref().is_none_or(|own| own == subject);
        is_users && self.session.as_deref().is_none_or(|own| session == Some(own))
    }
}

impl fmt::Debug for LogoutToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogoutToken").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
