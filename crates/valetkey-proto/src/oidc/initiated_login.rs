//! A sign-in that somebody else begins (OpenID Connect Core §4).

use std::fmt;

use http::{Method, Uri};
use valetkey_http::Request;

use crate::{
    endpoint::{Endpoint, Origin},
    error::{Error, ErrorKind, Reason, Result},
    form::{Parameters, is_form},
    oauth2::{authorization::AuthorizationRequest, server::Issuer},
};

/// The longest request that is read, in bytes.
const MAX_REQUEST: usize = 16 << 10;

/// A request to a client's `initiate_login_uri`: sign the user in at this server, and go on there.
///
/// ```
/// use valetkey_proto::{endpoint::Origin, oauth2::server::Issuer, oidc::initiated_login::InitiatedLogin};
///
/// let issuers = [Issuer::parse("https://op.example")?];
/// let own = [Origin::parse("https://my-app.example")?];
/// let uri = "/login?iss=https%3A%2F%2Fop.example&login_hint=joe&target_link_uri=https%3A%2F%2Fmy-app.example%2Finbox";
/// let request = http::Request::get(uri).body(bytes::Bytes::new()).expect("a request");
///
/// let login = InitiatedLogin::parse(&request, &issuers, &own)?;
/// assert_eq!((login.issuer(), login.login_hint()), (&issuers[0], Some("joe")));
/// assert_eq!(login.target().map(|target| target.as_str()), Some("https://my-app.example/inbox"));
///
/// let request = http::Request::get("/login?iss=https%3A%2F%2Fevil.example").body(bytes::Bytes::new()).expect("a request");
/// assert!(InitiatedLogin::parse(&request, &issuers, &own).is_err());
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
///
/// # Security
///
/// Anybody can make such a request. It names a server that is configured, and is never a reason to ask another; the
/// sign-in that it begins has a state of its own, so that its callback is no forgery; and the user is sent on only to
/// origins of the client's own, when signed in. Answer so that no frame shows it (`X-Frame-Options: DENY`).
#[derive(Clone)]
pub struct InitiatedLogin {
    issuer: Issuer,
    login_hint: Option<Box<str>>,
    target: Option<Endpoint>,
}

impl InitiatedLogin {
    /// Reads a `GET` or a `POST` of a form. The issuer is one of these, byte for byte, and the target is on one of these
    /// origins.
    ///
    /// # Errors
    ///
    /// `Untrusted`: [`Reason::IssuerMismatch`], [`Reason::RedirectUriMismatch`] for a target that is somewhere else.
    /// `Protocol`: [`Reason::Malformed`] for another method, [`Reason::UnexpectedMediaType`],
    /// [`Reason::MissingParameter`] without `iss`, [`Reason::DuplicateParameter`], [`Reason::TooLarge`].
    pub fn parse(request: &Request, issuers: &[Issuer], origins: &[Origin]) -> Result<Self> {
        let parameters = parameters_of(request)?;
        let missing = || Error::new(ErrorKind::Protocol, Reason::MissingParameter).with_detail("iss");
        let named = parameters.get("iss").ok_or_else(missing)?;
        let issuer = issuers
            .iter()
            .find(|issuer| issuer.as_str() == named)
            .ok_or_else(|| Error::new(ErrorKind::Untrusted, Reason::IssuerMismatch))?;
        let target = parameters.get("target_link_uri").map(|uri| target_of(uri, origins)).transpose()?;
        let login_hint = parameters.get("login_hint").map(Into::into);
        Ok(Self { issuer: issuer.clone(), login_hint, target })
    }

    /// Where the user is to sign in.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// What the user may be called there.
    #[must_use]
    pub fn login_hint(&self) -> Option<&str> {
        self.login_hint.as_deref()
    }

    /// Where the user goes on when signed in: on one of the client's own origins.
    #[must_use]
    pub fn target(&self) -> Option<&Endpoint> {
        self.target.as_ref()
    }

    /// The sign-in that was asked for: a request to the named server, with the hint.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::IssuerMismatch`] if the request is to another server. As
    /// [`AuthorizationRequest::with_parameter`].
    pub fn apply(&self, request: AuthorizationRequest) -> Result<AuthorizationRequest> {
        if *request.issuer() != self.issuer {
            return Err(Error::new(ErrorKind::Usage, Reason::IssuerMismatch));
        }
        match &self.login_hint {
            Some(hint) => request.with_login_hint(hint),
            None => Ok(request),
        }
    }
}

fn parameters_of(request: &Request) -> Result<Parameters> {
    let error = |reason| Error::new(ErrorKind::Protocol, reason).with_detail("login request");
    let text = match *request.method() {
        Method::GET => request.uri().query().unwrap_or_default(),
        Method::POST if !is_form(request.headers()) => return Err(error(Reason::UnexpectedMediaType)),
        Method::POST => std::str::from_utf8(request.body()).map_err(|_| error(Reason::Malformed))?,
        _ => return Err(error(Reason::Malformed)),
    };
    if text.len() > MAX_REQUEST {
        return Err(error(Reason::TooLarge));
    }
    Parameters::parse(text)
}

/// A target on one of these origins (§4: not to be an open redirector).
fn target_of(uri: &str, origins: &[Origin]) -> Result<Endpoint> {
    let foreign =
        || Error::new(ErrorKind::Untrusted, Reason::RedirectUriMismatch).with_detail("target_link_uri");
    let endpoint = Endpoint::parse(uri).map_err(|_| foreign())?;
    let is_own = |uri: &Uri| origins.iter().any(|origin| origin.is_of(uri));
    if is_own(endpoint.uri()) { Ok(endpoint) } else { Err(foreign()) }
}

impl fmt::Debug for InitiatedLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InitiatedLogin").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
