//! What OpenID Connect lets a client ask for at a sign-in (OpenID Connect Core §3.1.2.1, §5.5).

use super::AuthorizationRequest;
use crate::{
    error::{Error, ErrorKind, Reason, Result},
    oauth2::server::Issuer,
    oidc::ClaimsRequest,
};

/// What the server is to ask of the user, if anything (OpenID Connect Core §3.1.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Prompt {
    /// Nothing: if something would have to be asked, it is an error. Not to be said with another.
    None,
    /// To sign in anew.
    Login,
    /// To consent anew.
    Consent,
    /// Which account it is to be.
    SelectAccount,
    /// To make an account (Initiating User Registration via OpenID Connect 1.0).
    Create,
}

impl Prompt {
    /// The registered name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Login => "login",
            Self::Consent => "consent",
            Self::SelectAccount => "select_account",
            Self::Create => "create",
        }
    }
}

/// How the server is to show its pages (OpenID Connect Core §3.1.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the standard has four")]
pub enum Display {
    /// As a whole page.
    Page,
    /// In a window of its own.
    Popup,
    /// For a device that is touched.
    Touch,
    /// For a feature phone.
    Wap,
}

impl Display {
    /// The registered name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Popup => "popup",
            Self::Touch => "touch",
            Self::Wap => "wap",
        }
    }
}

/// What OpenID Connect adds. Each can be said once.
///
/// ```
/// # use valetkey_proto::{
/// #     Env, Timestamp,
/// #     crypto::{CryptoProvider, SystemRandom},
/// #     oauth2::{authorization::{AuthorizationRequest, Prompt}, client::ClientMetadata, server::{Issuer, ServerMetadata}},
/// # };
/// # let server = ServerMetadata::new(Issuer::parse("https://op.example")?)
/// #     .with_authorization_endpoint("https://op.example/authorize")?;
/// # let client = ClientMetadata::new("my-app")?.with_redirect_uri("https://my-app.example/cb")?;
/// # let env = Env { now: Timestamp::from_secs(0), random: &SystemRandom::new(), crypto: &CryptoProvider::ring() };
/// let request = AuthorizationRequest::new(&server, &client)?
///     .with_scope("openid")?
///     .with_prompt(&[Prompt::Login, Prompt::Consent])?
///     .with_login_hint("joe@example.com")?;
/// let (url, _) = request.start(&env)?;
/// assert!(url.as_str().contains("&prompt=login+consent&login_hint=joe%40example.com&"));
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
///
/// # Errors
///
/// All of them as [`with_parameter`](AuthorizationRequest::with_parameter).
impl AuthorizationRequest {
    /// The server that is asked.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.asked.issuer
    }

    /// Says what the user is to be asked.
    ///
    /// # Errors
    ///
    /// As [`with_parameter`](Self::with_parameter); `Usage`: [`Reason::InvalidValue`] for
    /// [`Prompt::None`] with another.
    pub fn with_prompt(self, prompts: &[Prompt]) -> Result<Self> {
        if prompts.len() > 1 && prompts.contains(&Prompt::None) {
            return Err(Error::new(ErrorKind::Usage, Reason::InvalidValue).with_detail("prompt"));
        }
        let names: Vec<_> = prompts.iter().map(|prompt| prompt.as_str()).collect();
        self.with_parameter("prompt", &names.join(" "))
    }

    /// Says what the user may be called at the server.
    ///
    /// # Errors
    ///
    /// As [`with_parameter`](Self::with_parameter).
    pub fn with_login_hint(self, hint: &str) -> Result<Self> {
        self.with_parameter("login_hint", hint)
    }

    /// Says who the user should be, by an ID token of this server, be it expired.
    ///
    /// # Errors
    ///
    /// As [`with_parameter`](Self::with_parameter).
    pub fn with_id_token_hint(self, id_token: &str) -> Result<Self> {
        self.with_parameter("id_token_hint", id_token)
    }

    /// Says which languages the user reads, the best first (BCP 47).
    ///
    /// # Errors
    ///
    /// As [`with_parameter`](Self::with_parameter).
    pub fn with_ui_locales(self, locales: &[&str]) -> Result<Self> {
        self.with_parameter("ui_locales", &locales.join(" "))
    }

    /// Says how the user should be authenticated, the best first.
    ///
    /// # Errors
    ///
    /// As [`with_parameter`](Self::with_parameter).
    pub fn with_acr_values(self, values: &[&str]) -> Result<Self> {
        self.with_parameter("acr_values", &values.join(" "))
    }

    /// Says how the server is to show its pages.
    ///
    /// # Errors
    ///
    /// As [`with_parameter`](Self::with_parameter).
    pub fn with_display(self, display: Display) -> Result<Self> {
        self.with_parameter("display", display.as_str())
    }

    /// Asks for claims one by one. If `acr` is essential and has values, the ID token must have one of them.
    ///
    /// # Errors
    ///
    /// As [`with_parameter`](Self::with_parameter).
    pub fn with_claims(self, claims: &ClaimsRequest) -> Result<Self> {
        if claims.is_empty() {
            return Ok(self);
        }
        let mut request = self.with_parameter("claims", &claims.to_json())?;
        request.require_acr(claims.required_acr());
        Ok(request)
    }
}
