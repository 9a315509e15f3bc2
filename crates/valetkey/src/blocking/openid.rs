//! OpenID Connect without async.

use std::time::Duration;

use valetkey_http::{Request, block_on};
use valetkey_proto::{
    Result,
    oauth2::authorization::{
        AuthorizationUrl, Callback, HostedObject, PendingAuthorization, RequestObject, ResponseMode,
        ResponseType,
    },
    oidc::{
        ClaimSource, Claims, ClaimsRequest, IdToken, UserInfo,
        logout::{LogoutToken, PendingLogout},
    },
    secret::Secret,
};

use super::{Authorize, Client, Session};

impl Client {
    /// Ends a sign-in that asked for an ID token alone.
    ///
    /// # Errors
    ///
    /// As [`crate::Client::identify`].
    pub fn identify(&self, pending: PendingAuthorization, callback: impl Into<Callback>) -> Result<IdToken> {
        block_on(self.0.identify(pending, callback))
    }

    /// Claims that somebody else vouches for, verified as those of this issuer.
    ///
    /// # Errors
    ///
    /// As [`crate::Client::claims_of_others`].
    pub fn claims_of_others(&self, source: &ClaimSource, issuer: &str) -> Result<Claims> {
        block_on(self.0.claims_of_others(source, issuer))
    }

    /// Takes the request by which the server tells that a session has ended.
    ///
    /// # Errors
    ///
    /// As [`crate::Client::receive_logout`].
    pub fn receive_logout(&self, request: &Request) -> Result<LogoutToken> {
        block_on(self.0.receive_logout(request))
    }

    /// Begins to sign a user out at the server; what is asked for is said as to the
    /// [client with async](crate::Client::logout).
    ///
    /// # Errors
    ///
    /// As [`crate::Logout::start`].
    pub fn logout(
        &self,
        say: impl FnOnce(crate::Logout) -> crate::Logout,
    ) -> Result<(AuthorizationUrl, Option<PendingLogout>)> {
        block_on(say(self.0.logout()).start())
    }

    /// Seals a sign-out under way into a text for the browser's cookie.
    ///
    /// # Errors
    ///
    /// As [`crate::Client::seal_logout`].
    pub fn seal_logout(&self, pending: PendingLogout) -> Result<Secret> {
        self.0.seal_logout(pending)
    }

    /// Opens what [`seal_logout`](Self::seal_logout) sealed.
    ///
    /// # Errors
    ///
    /// As [`crate::Client::unseal_logout`].
    pub fn unseal_logout(&self, text: &str) -> Result<PendingLogout> {
        self.0.unseal_logout(text)
    }
}

impl Authorize {
    /// Begins, with the request object at this URL: put it there before the user is sent on.
    ///
    /// # Errors
    ///
    /// As [`crate::Authorize::start_hosted`].
    pub fn start_hosted(self, place: &str) -> Result<(AuthorizationUrl, PendingAuthorization, HostedObject)> {
        block_on(self.0.start_hosted(place))
    }

    /// Asks for something else than a code.
    ///
    /// # Security
    ///
    /// See [`ResponseType`].
    pub fn response_type(self, response_type: ResponseType) -> Self {
        Self(self.0.response_type(response_type))
    }

    /// Asks the browser to bring the answer in this way.
    pub fn response_mode(self, mode: ResponseMode) -> Self {
        Self(self.0.response_mode(mode))
    }

    /// Asks that the user was authenticated no longer ago than this.
    pub fn max_age(self, max_age: Duration) -> Self {
        Self(self.0.max_age(max_age))
    }

    /// Asks for claims one by one.
    pub fn claims(self, claims: ClaimsRequest) -> Self {
        Self(self.0.claims(claims))
    }

    /// Puts all of it into a request object.
    pub fn request_object(self, object: RequestObject) -> Self {
        Self(self.0.request_object(object))
    }
}

impl Session {
    /// Who signed in, verified; `None` if it was not asked for.
    ///
    /// ```
    /// # use valetkey_testkit::{OpenId, Provider};
    /// # let provider = Provider::builder().openid(OpenId::new()).build();
    /// # let builder = valetkey::Client::builder(provider.clone()).discover("https://issuer.test").id("app")
    /// #     .secret("app-secret").redirect_uri("https://client.test/cb");
    /// let client = valetkey::blocking::Client::build(builder)?;
    /// let (url, pending) = client.authorize().scope("openid").start()?;
    /// # let callback = provider.visit(&url).expect("the user approves");
    /// let session = client.redeem(pending, callback)?;
    /// assert_eq!(session.identity().expect("it was asked for").subject(), "alice");
    /// assert_eq!(session.user_info()?.claims().sub().as_deref(), Some("alice"));
    /// # Ok::<(), valetkey::Error>(())
    /// ```
    #[must_use]
    pub fn identity(&self) -> Option<IdToken> {
        self.0.identity()
    }

    /// Asks the server for more about the user.
    ///
    /// # Errors
    ///
    /// As [`crate::Session::user_info`].
    pub fn user_info(&self) -> Result<UserInfo> {
        block_on(self.0.user_info())
    }

    /// The same, with the access token in a posted form.
    ///
    /// # Errors
    ///
    /// As [`crate::Session::user_info_by_form`].
    pub fn user_info_by_form(&self) -> Result<UserInfo> {
        block_on(self.0.user_info_by_form())
    }
}
