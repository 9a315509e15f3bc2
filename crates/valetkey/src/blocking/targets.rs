//! APIs, details and step-ups without async.

use http::{Method, Uri};
use valetkey_http::block_on;
use valetkey_proto::{Result, oauth2::AuthorizationDetails};

use super::{Authorize, ClientCredentials, Device, JwtBearer, Session};

/// Wraps what all that ask for tokens have.
macro_rules! targets {
    ($($name:ident),*) => {$(
        impl $name {
            /// Asks for tokens for this API; may be said several times.
            pub fn resource(self, resource: impl Into<String>) -> Self {
                Self(self.0.resource(resource))
            }

            /// Asks for tokens that are good for this.
            pub fn authorization_details(self, details: AuthorizationDetails) -> Self {
                Self(self.0.authorization_details(details))
            }
        }
    )*};
}

targets!(Authorize, ClientCredentials, Device, JwtBearer, Narrow);

/// What a session is to be for; see [`crate::Narrow`].
#[must_use]
#[derive(Clone, Debug)]
pub struct Narrow(crate::Narrow);

impl Narrow {
    /// Of this scope.
    pub fn scope(self, scope: impl Into<String>) -> Self {
        Self(self.0.scope(scope))
    }

    /// The session.
    ///
    /// # Errors
    ///
    /// As [`crate::Narrow::session`].
    pub fn session(self) -> Result<Session> {
        self.0.session().map(Session)
    }
}

impl Session {
    /// A session for a part of what was granted, by the same refresh token; see [`crate::Session::narrow`].
    ///
    /// ```
    /// # use valetkey::blocking::Client;
    /// # use valetkey_testkit::Provider;
    /// # let provider = Provider::new();
    /// # let client = valetkey::Client::builder(provider.clone()).discover("https://issuer.test").id("app").secret("app-secret");
    /// # let client = Client::build(client.redirect_uri("https://client.test/cb"))?;
    /// # let sign_in = client.authorize().resource("https://mail.example/").resource("https://files.example/");
    /// # let (url, pending) = sign_in.start()?;
    /// # let session = client.redeem(pending, provider.visit(&url).expect("the user approves"))?;
    /// let mail = session.narrow().resource("https://mail.example/").session()?;
    /// assert_ne!(mail.tokens()?.access_token(), session.tokens()?.access_token());
    /// # Ok::<(), valetkey::Error>(())
    /// ```
    pub fn narrow(&self) -> Narrow {
        Narrow(self.0.narrow())
    }

    /// The sign-in that an API wants, if an answer says that the token does not suffice.
    ///
    /// # Errors
    ///
    /// As [`crate::Session::step_up`].
    pub fn step_up<B>(&self, response: &http::Response<B>) -> Result<Option<Authorize>> {
        Ok(self.0.step_up(response)?.map(Authorize))
    }

    /// Takes note of the answer to a request that you sent yourself.
    pub fn note<B>(&self, method: &Method, uri: &Uri, response: &mut http::Response<B>) {
        block_on(self.0.note(method, uri, response));
    }
}
