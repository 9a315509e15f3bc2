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

targets!(Authorize, ClientCredentials, Device, JwtBearer);

impl Session {
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
