//! The same client and session without async: each call parks the thread until it is done.
//!
//! Any backend will do. One that needs a runtime, such as `valetkey-hyper`, needs one that runs on other threads.
//! Do not call these functions from async code: they would hold up the executor's thread.
//!
//! ```
//! use valetkey::blocking::Client;
//! use valetkey_testkit::Provider;
//!
//! let provider = Provider::new();
//! let client = Client::build(
//!     valetkey::Client::builder(provider.clone())
//!         .discover("https://issuer.test")
//!         .id("app")
//!         .secret("app-secret")
//!         .redirect_uri("https://client.test/cb")
//!         .api("https://issuer.test/"),
//! )?;
//!
//! let (url, pending) = client.authorize().scope("read").start()?;
//! let session = client.redeem(pending, provider.visit(&url)?)?;
//! let request = http::Request::get("https://issuer.test/api/me").body(bytes::Bytes::new())?;
//! assert_eq!(session.send(request)?.status(), 200);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod apis;
mod grants;
mod openid;
mod registration;
mod sessions;
mod targets;

use std::{sync::Arc, time::Duration};

use valetkey_http::{Request, Response};
use valetkey_proto::{
    Exchange, Result, Timestamp,
    oauth2::{
        assertion::{Assertion, ServiceAccount},
        authorization::{AuthorizationUrl, Callback, PendingAuthorization},
        endpoint::{ShownToken, introspection::IntrospectionResponse},
        server::ServerMetadata,
        token::{TokenRecord, TokenSet},
    },
    secret::Secret,
};

pub use apis::{ProtectedResource, ResourceServer};
pub use grants::{Legacy, PasswordLogin};
pub use registration::Registrar;
pub use sessions::Sessions;
pub use targets::Narrow;
pub use valetkey_http::block_on;

use crate::{Attached, Bearer, ClientBuilder, TokenKeeper, Verdict};

/// A client of one server; see [`crate::Client`].
#[derive(Clone, Debug)]
pub struct Client(crate::Client);

impl Client {
    /// Puts a client together; see [`ClientBuilder::build`].
    ///
    /// # Errors
    ///
    /// As [`ClientBuilder::build`].
    pub fn build(builder: ClientBuilder) -> Result<Self> {
        block_on(builder.build()).map(Self)
    }

    /// Begins to sign a user in.
    pub fn authorize(&self) -> Authorize {
        Authorize(self.0.authorize())
    }

    /// Ends a sign-in with what the browser brought back.
    ///
    /// # Errors
    ///
    /// As [`crate::Client::redeem`].
    pub fn redeem(&self, pending: PendingAuthorization, callback: impl Into<Callback>) -> Result<Session> {
        block_on(self.0.redeem(pending, callback)).map(Session)
    }

    /// A session of tokens that were kept.
    ///
    /// # Errors
    ///
    /// As [`crate::Client::restore`].
    pub fn restore(&self, record: TokenRecord) -> Result<Session> {
        self.0.restore(record).map(Session)
    }

    /// Begins to sign a user in by a browser elsewhere.
    pub fn device(&self) -> Device {
        Device(self.0.device())
    }

    /// Gets tokens in the client's own name.
    pub fn client_credentials(&self) -> ClientCredentials {
        ClientCredentials(self.0.client_credentials())
    }

    /// Gets tokens by an assertion that is signed anew each time.
    pub fn jwt_bearer(&self, assertion: Assertion) -> JwtBearer {
        JwtBearer(self.0.jwt_bearer(assertion))
    }

    /// A session whose tokens are signed here.
    #[must_use]
    pub fn self_signed(&self, assertion: Assertion) -> Session {
        Session(self.0.self_signed(assertion))
    }

    /// A session of the account that the client was set up with.
    ///
    /// # Errors
    ///
    /// As [`crate::Client::service_account`].
    pub fn service_account(&self, account: &ServiceAccount) -> Result<Session> {
        self.0.service_account(account).map(Session)
    }

    /// Seals a sign-in under way into a text for the browser's cookie.
    ///
    /// # Errors
    ///
    /// As [`crate::Client::seal`].
    pub fn seal(&self, pending: PendingAuthorization) -> Result<Secret> {
        self.0.seal(pending)
    }

    /// Opens what [`seal`](Self::seal) sealed.
    ///
    /// # Errors
    ///
    /// As [`crate::Client::unseal`].
    pub fn unseal(&self, text: &str) -> Result<PendingAuthorization> {
        self.0.unseal(text)
    }

    /// Has the server revoke a token.
    ///
    /// # Errors
    ///
    /// As [`crate::Client::revoke`].
    pub fn revoke(&self, token: impl Into<ShownToken>) -> Result<()> {
        block_on(self.0.revoke(token))
    }

    /// Asks the server what a token is.
    ///
    /// # Errors
    ///
    /// As [`crate::Client::introspect`].
    pub fn introspect(&self, token: impl Into<ShownToken>) -> Result<IntrospectionResponse> {
        block_on(self.0.introspect(token))
    }

    /// The server's metadata.
    ///
    /// # Errors
    ///
    /// As [`crate::Client::server`].
    pub fn server(&self) -> Result<ServerMetadata> {
        block_on(self.0.server())
    }

    /// Runs an exchange of one's own, authenticated as this client.
    ///
    /// # Errors
    ///
    /// Whatever the exchange ends with.
    pub fn call<E: Exchange>(&self, exchange: E) -> Result<E::Output> {
        block_on(self.0.call(exchange))
    }
}

impl From<crate::Client> for Client {
    fn from(client: crate::Client) -> Self {
        Self(client)
    }
}

/// What is asked of the user's server; see [`crate::Authorize`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Authorize(crate::Authorize);

impl Authorize {
    /// Asks for this scope.
    pub fn scope(self, scope: impl Into<String>) -> Self {
        Self(self.0.scope(scope))
    }

    /// Adds a parameter, such as `prompt` or `login_hint`.
    pub fn parameter(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        Self(self.0.parameter(name, value))
    }

    /// Begins: the URL for the browser, and what to keep until the browser comes back.
    ///
    /// # Errors
    ///
    /// As [`crate::Authorize::start`].
    pub fn start(self) -> Result<(AuthorizationUrl, PendingAuthorization)> {
        block_on(self.0.start())
    }
}

/// What is asked of a user elsewhere; see [`crate::Device`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Device(crate::Device);

impl Device {
    /// Asks for this scope.
    pub fn scope(self, scope: impl Into<String>) -> Self {
        Self(self.0.scope(scope))
    }

    /// Adds a parameter.
    pub fn parameter(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        Self(self.0.parameter(name, value))
    }

    /// Begins: what to show to the user.
    ///
    /// # Errors
    ///
    /// As [`crate::Device::start`].
    pub fn start(self) -> Result<DeviceLogin> {
        block_on(self.0.start()).map(DeviceLogin)
    }
}

/// A user is to sign in elsewhere; see [`crate::DeviceLogin`].
#[derive(Debug)]
pub struct DeviceLogin(crate::DeviceLogin);

impl DeviceLogin {
    /// What the user types.
    #[must_use]
    pub fn user_code(&self) -> &str {
        self.0.user_code()
    }

    /// Where the user types it.
    #[must_use]
    pub fn verification_uri(&self) -> &str {
        self.0.verification_uri()
    }

    /// The same with the code in it, if the server has that.
    #[must_use]
    pub fn verification_uri_complete(&self) -> Option<&str> {
        self.0.verification_uri_complete()
    }

    /// Until when the user may come.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.0.expires_at()
    }

    /// Waits until the user has decided.
    ///
    /// # Errors
    ///
    /// As [`crate::DeviceLogin::wait`].
    pub fn wait(self) -> Result<Session> {
        block_on(self.0.wait()).map(Session)
    }
}

/// Wraps what a program asks for in its own name.
macro_rules! own_name {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        #[must_use]
        pub struct $name(crate::$name);

        impl $name {
            /// Asks for this scope.
            pub fn scope(self, scope: impl Into<String>) -> Self {
                Self(self.0.scope(scope))
            }

            /// Adds a parameter, such as `audience`.
            pub fn parameter(self, name: impl Into<String>, value: impl Into<String>) -> Self {
                Self(self.0.parameter(name, value))
            }

            /// A session of it.
            ///
            /// # Errors
            ///
            /// As the session of the async one.
            pub fn session(self) -> Result<Session> {
                self.0.session().map(Session)
            }
        }
    )*};
}

own_name! {
    /// What a program asks for in its own name; see [`crate::ClientCredentials`].
    ClientCredentials;
    /// What a program asks for by an assertion; see [`crate::JwtBearer`].
    JwtBearer;
    /// What is asked for in exchange for a token; see [`crate::TokenExchange`].
    TokenExchange;
    /// What is asked for by a SAML assertion; see [`crate::SamlBearer`].
    SamlBearer;
    /// What is asked for by a grant of the program's own; see [`crate::Extension`].
    Extension;
}

/// The tokens of one grant, and the way to use them; see [`crate::Session`].
#[derive(Clone, Debug)]
pub struct Session(crate::Session);

impl Session {
    /// Sends a request to an API with the access token.
    ///
    /// # Errors
    ///
    /// As [`crate::Session::send`].
    pub fn send(&self, request: Request) -> Result<Response> {
        block_on(self.0.send(request))
    }

    /// Puts the access token into a request that you send yourself.
    ///
    /// # Errors
    ///
    /// As [`crate::Session::attach`].
    pub fn attach<B>(&self, request: &mut http::Request<B>) -> Result<Attached> {
        block_on(self.0.attach(request))
    }

    /// Learns from the answer to a request with an attached token.
    ///
    /// # Errors
    ///
    /// As [`crate::Session::learn`].
    pub fn learn<B>(&self, attached: &Attached, response: &http::Response<B>) -> Result<Verdict> {
        block_on(self.0.learn(attached, response))
    }

    /// The `Authorization` value, if there is an access token that need not be renewed.
    #[must_use]
    pub fn bearer(&self) -> Option<Bearer> {
        self.0.bearer()
    }

    /// Tokens that can be used now.
    ///
    /// # Errors
    ///
    /// As [`crate::Session::tokens`].
    pub fn tokens(&self) -> Result<Arc<TokenSet>> {
        block_on(self.0.tokens())
    }

    /// Tokens that can be used for this long from now, renewed if the present ones cannot.
    ///
    /// # Errors
    ///
    /// As [`crate::Session::tokens_for`].
    pub fn tokens_for(&self, time: Duration) -> Result<Arc<TokenSet>> {
        block_on(self.0.tokens_for(time))
    }

    /// Gets new tokens in place of the present ones.
    ///
    /// # Errors
    ///
    /// As [`crate::Session::refresh`].
    pub fn refresh(&self) -> Result<Arc<TokenSet>> {
        block_on(self.0.refresh())
    }

    /// The tokens as they can be kept.
    #[must_use]
    pub fn record(&self) -> Option<TokenRecord> {
        self.0.record()
    }

    /// Keeps the present tokens, and from now on every new ones before they are used.
    ///
    /// # Errors
    ///
    /// As [`crate::Session::keep`].
    pub fn keep(&self, keeper: impl TokenKeeper + 'static) -> Result<()> {
        block_on(self.0.keep(keeper))
    }

    /// Ends renewing, and keeps what could not be kept before.
    ///
    /// # Errors
    ///
    /// As [`crate::Session::close`].
    pub fn close(&self) -> Result<()> {
        block_on(self.0.close())
    }

    /// Has the server revoke the tokens, and forgets them.
    ///
    /// # Errors
    ///
    /// As [`crate::Session::revoke`].
    pub fn revoke(&self) -> Result<()> {
        block_on(self.0.revoke())
    }
}

impl From<crate::Session> for Session {
    fn from(session: crate::Session) -> Self {
        Self(session)
    }
}
