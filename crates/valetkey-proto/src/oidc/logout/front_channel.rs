//! A logout that the browser tells of (OpenID Connect Front-Channel Logout 1.0 §2, §3).

use crate::{
    error::{Error, ErrorKind, Reason, Result},
    oauth2::{
        authorization::{Callback, ResponseMode},
        server::Issuer,
    },
    secret::same,
};

/// Takes the requests by which a server has the browser tell a client that its session has ended.
///
/// ```
/// use valetkey_proto::{oauth2::server::Issuer, oidc::logout::FrontChannel};
///
/// let front_channel = FrontChannel::new(&Issuer::parse("https://op.example")?);
/// // The session of the browser that asks is the one whose ID token had `sid` s1.
/// front_channel.check("/logout?iss=https%3A%2F%2Fop.example&sid=s1", Some("s1"))?;
/// assert!(front_channel.check("/logout?iss=https%3A%2F%2Fop.example&sid=s2", Some("s1")).is_err());
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
///
/// # Security
///
/// The server's page loads this URL in a frame, so that anybody's page can: register with
/// `frontchannel_logout_session_required`, and call [`with_session_required`](Self::with_session_required), and nobody
/// who does not know the session can end it. Answer with `Cache-Control: no-store`.
#[derive(Clone, Debug)]
pub struct FrontChannel {
    issuer: Issuer,
    is_required: bool,
}

impl FrontChannel {
    /// Takes what this server tells.
    #[must_use]
    pub fn new(issuer: &Issuer) -> Self {
        Self { issuer: issuer.clone(), is_required: false }
    }

    /// Refuses requests that do not say which session has ended.
    #[must_use]
    pub fn with_session_required(mut self) -> Self {
        self.is_required = true;
        self
    }

    /// Whether a request ends the session of this `sid`, which is that of the browser's session. What the request says
    /// must fit; both parts are said, or neither (§2).
    ///
    /// # Errors
    ///
    /// `Untrusted`: [`Reason::IssuerMismatch`], [`Reason::SessionMismatch`]. `Protocol`: [`Reason::MissingParameter`],
    /// [`Reason::DuplicateParameter`], [`Reason::TooLarge`], [`Reason::Malformed`].
    pub fn check(&self, request_uri: &str, session: Option<&str>) -> Result<()> {
        let parameters = Callback::uri(request_uri).parameters(ResponseMode::Query)?;
        let missing = |name| Error::new(ErrorKind::Protocol, Reason::MissingParameter).with_detail(name);
        let is_said = parameters.contains("iss") || parameters.contains("sid");
        if !is_said && !self.is_required {
            return Ok(());
        }
        let issuer = parameters.get("iss").ok_or_else(|| missing("iss"))?;
        let sid = parameters.get("sid").ok_or_else(|| missing("sid"))?;
        if issuer != self.issuer.as_str() {
            return Err(Error::new(ErrorKind::Untrusted, Reason::IssuerMismatch));
        }
        if !session.is_some_and(|session| same(session.as_bytes(), sid.as_bytes())) {
            return Err(Error::new(ErrorKind::Untrusted, Reason::SessionMismatch).with_detail("sid"));
        }
        Ok(())
    }
}
