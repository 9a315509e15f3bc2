//! What is kept while the user is away (RFC 5849 §2.2).

use std::fmt;

use super::{
    AuthorizationRequest, Callback, ClientCredentials, Problem, TemporaryCredentials,
    base_string::invalid,
    credentials::{TokenPair, check_identifier},
    temporary::Way,
};
use crate::{
    endpoint::RedirectUri,
    error::{Error, ErrorCode, ErrorKind, ErrorResponse, Reason, Result},
    flow::Env,
    form::Parameters,
    oauth2::authorization::{ResponseMode, check_age},
    record,
    response::{
        from_parts,
        members::{members, read},
        value::Text,
    },
    seal::{Label, SealingKeys},
    secret::{Secret, Wiped},
    time::Timestamp,
};

/// A sign-in whose user is away at the server.
///
/// It is consumed by [`receive`](Self::receive) and cannot be cloned, so that a verifier is used once. Keep it in
/// memory, or [`seal`](Self::seal) it into a cookie of the browser that began the sign-in.
///
/// # Security
///
/// Whoever holds the callback must not be able to choose the pending authorization that it is matched with: bind it
/// to the browser, by a cookie or by a store that is asked with the browser's secret. Otherwise a link that somebody
/// else began signs the user in to that one's account.
pub struct PendingAuthorization {
    server: Box<str>,
    pair: TokenPair,
    way: Way,
    created: Timestamp,
}

/// What sealed texts of this kind are for.
const PURPOSE: &str = "oauth1-authorization";

impl PendingAuthorization {
    pub(super) fn new(server: &str, credentials: TemporaryCredentials) -> Self {
        let TemporaryCredentials { pair, way, created, .. } = credentials;
        Self { server: server.into(), pair, way, created }
    }

    /// When the temporary credentials were asked for.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// Whether a callback names the temporary credentials of this sign-in, compared in constant time.
    ///
    /// A listener asks this first, so that a forged callback does not cost the user the login. It says nothing of the
    /// rest, which [`receive`](Self::receive) checks. Servers that leave the credentials out when the user refuses
    /// do not match.
    #[must_use]
    pub fn matches(&self, callback: &Callback) -> bool {
        callback.parameters(ResponseMode::Query).is_ok_and(|parameters| self.names_ours(&parameters))
    }

    fn names_ours(&self, parameters: &Parameters) -> bool {
        let ours = self.pair.identifier.expose().as_bytes();
        parameters.is("oauth_token", ours) || parameters.is("denied", ours)
    }

    /// Takes what the browser brought back, and ends the sign-in, whatever it is.
    ///
    /// In this order: where and how it arrived, that nothing occurs twice, whose it is, whether the user refused,
    /// the verifier.
    ///
    /// # Errors
    ///
    /// `Untrusted`: [`Reason::RedirectUriMismatch`], also if the user was to come back with a PIN;
    /// [`Reason::UnexpectedToken`]; [`Reason::StateMismatch`] if it names other credentials, or none. `Protocol`:
    /// [`Reason::ResponseModeMismatch`], [`Reason::DuplicateParameter`], [`Reason::TooLarge`], [`Reason::Malformed`],
    /// [`Reason::MissingParameter`] without a verifier. `Denied`: [`Reason::AuthorizationDenied`].
    pub fn receive(self, callback: impl Into<Callback>) -> Result<AuthorizationResponse> {
        let callback = callback.into();
        match &self.way {
            Way::Redirect(uri) | Way::Legacy(Some(uri)) => callback.check(ResponseMode::Query, uri)?,
            Way::Legacy(None) => {}
            Way::OutOfBand => return Err(Error::new(ErrorKind::Untrusted, Reason::RedirectUriMismatch)),
        }
        let parameters = callback.parameters(ResponseMode::Query)?;
        let mismatch = Err(Error::new(ErrorKind::Untrusted, Reason::StateMismatch));
        let names_others = parameters.contains("oauth_token") || parameters.contains("denied");
        if names_others && !self.names_ours(&parameters) {
            return mismatch;
        }
        if let Some(refused) = denial(&parameters) {
            return Err(Error::new(ErrorKind::Denied, Reason::AuthorizationDenied).with_response(refused));
        }
        if !names_others {
            return mismatch;
        }
        let verifier = match (parameters.get("oauth_verifier"), &self.way) {
            (Some(verifier), _) => Some(Verifier::of_server(verifier)?),
            (None, Way::Legacy(_)) => None,
            (None, Way::Redirect(_) | Way::OutOfBand) => {
                let error = Error::new(ErrorKind::Protocol, Reason::MissingParameter);
                return Err(error.with_detail("oauth_verifier"));
            }
        };
        Ok(AuthorizationResponse { pair: self.pair, verifier })
    }

    /// Takes the PIN that the user typed.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::OutOfTurn`] if the user was to come back by a redirect.
    pub fn receive_pin(self, pin: Verifier) -> Result<AuthorizationResponse> {
        match self.way {
            Way::OutOfBand => Ok(AuthorizationResponse { pair: self.pair, verifier: Some(pin) }),
            Way::Redirect(_) | Way::Legacy(_) => {
                Err(Error::new(ErrorKind::Usage, Reason::OutOfTurn).with_detail("PIN"))
            }
        }
    }

    /// Seals it into a text for a cookie. It can be opened for ten minutes.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::RandomFailed`].
    ///
    /// # Security
    ///
    /// A sealed text can be opened again and again until it expires; the server then refuses the verifier. Set the
    /// cookie `Secure`, `HttpOnly`, `SameSite=Lax`, and clear it at the callback.
    pub fn seal(self, client: &ClientCredentials, keys: &SealingKeys, env: &Env<'_>) -> Result<Secret> {
        let record = Wiped::new(self.record());
        keys.seal(&label(&self.server, client), &record, env)
    }

    /// Opens a sealed text of a sign-in that this request started, for the same client.
    ///
    /// # Errors
    ///
    /// `Untrusted`: [`Reason::SealBroken`] if it was changed, or sealed by another key or for another purpose,
    /// endpoint or client. `Expired`: [`Reason::PendingExpired`] after ten minutes.
    pub fn open(
        text: &str,
        request: &AuthorizationRequest,
        client: &ClientCredentials,
        keys: &SealingKeys,
        env: &Env<'_>,
    ) -> Result<Self> {
        let record = keys.open(&label(request.server(), client), text, env)?;
        let broken = || Error::new(ErrorKind::Untrusted, Reason::SealBroken);
        let pending = Self::of_record(&record, request.server()).ok_or_else(broken)?;
        check_age(pending.created, env.now)?;
        Ok(pending)
    }

    /// Version 1 of the record; server and client are in the seal's label.
    fn record(&self) -> String {
        let (way, redirect_uri) = match &self.way {
            Way::Redirect(uri) => ("redirect", Some(uri)),
            Way::OutOfBand => ("oob", None),
            Way::Legacy(uri) => ("legacy", uri.as_ref()),
        };
        record::write(serde_json::json!({
            "v": "1",
            "identifier": self.pair.identifier.expose(),
            "shared_secret": self.pair.shared_secret.expose(),
            "way": way,
            "redirect_uri": redirect_uri.map(RedirectUri::as_str),
            "created": self.created.as_millis(),
        }))
    }

    fn of_record(record: &str, server: &str) -> Option<Self> {
        let record: Record<'_> = read(record).ok()?;
        if *record.v? != *"1" {
            return None;
        }
        let redirect_uri = match record.redirect_uri {
            Some(uri) => Some(RedirectUri::parse(&uri).ok()?),
            None => None,
        };
        let way = match (&*record.way?, redirect_uri) {
            ("redirect", Some(uri)) => Way::Redirect(uri),
            ("oob", None) => Way::OutOfBand,
            ("legacy", uri) => Way::Legacy(uri),
            _ => return None,
        };
        let pair = TokenPair::new(&*record.identifier?, &*record.shared_secret?).ok()?;
        Some(Self { server: server.into(), pair, way, created: Timestamp::from_millis(record.created?) })
    }
}

members! {
    struct Record {
        v: Text<'de>,
        identifier: Text<'de>,
        shared_secret: Text<'de>,
        way: Text<'de>,
        redirect_uri: Text<'de>,
        created: i64,
    }
}

fn label<'a>(server: &'a str, client: &'a ClientCredentials) -> Label<'a> {
    Label { purpose: PURPOSE, server, client: client.identifier() }
}

/// The user's or the server's no, in one of the words that servers have for it: RFC 5849 has none.
fn denial(parameters: &Parameters) -> Option<ErrorResponse> {
    if let Some(problem) = Problem::of_parameters(parameters) {
        return Some(problem.to_response());
    }
    let part = |name| parameters.get(name);
    from_parts(part("error"), part("error_description"), part("error_uri"))
        .or_else(|| parameters.contains("denied").then(|| ErrorResponse::new(ErrorCode::AccessDenied)))
}

/// What proves that the user came back who agreed (`oauth_verifier`, RFC 5849 §2.2).
///
/// ```
/// use valetkey_proto::oauth1::Verifier;
///
/// let pin = Verifier::parse(" 7582415\r\n")?;
/// assert_eq!(pin.expose(), "7582415");
/// assert!(Verifier::parse(" ").is_err());
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier(Secret);

/// The longest text that is taken for a PIN, blanks and all.
const MAX_PIN: usize = 1 << 10;

impl Verifier {
    /// A PIN as the user typed or pasted it, without the blanks around it.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::InvalidValue`] if it is empty, longer than 1 KiB, or has a control character.
    pub fn parse(pin: &str) -> Result<Self> {
        if pin.len() > MAX_PIN {
            return Err(invalid("verifier"));
        }
        let pin = pin.trim();
        check_identifier(pin, "verifier")?;
        Ok(Self(Secret::new(pin)))
    }

    fn of_server(text: &str) -> Result<Self> {
        let malformed = |_| Error::new(ErrorKind::Protocol, Reason::Malformed).with_detail("oauth_verifier");
        check_identifier(text, "oauth_verifier").map_err(malformed)?;
        Ok(Self(Secret::new(text)))
    }

    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier([redacted])")
    }
}

/// A response that was received and found to be ours: authorized temporary credentials.
///
/// It cannot be cloned: a verifier is used once.
pub struct AuthorizationResponse {
    pub(super) pair: TokenPair,
    pub(super) verifier: Option<Verifier>,
}

impl fmt::Debug for AuthorizationResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationResponse").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}

impl fmt::Debug for PendingAuthorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingAuthorization")
            .field("server", &self.server)
            .field("way", &self.way)
            .field("created", &self.created)
            .finish_non_exhaustive()
    }
}
