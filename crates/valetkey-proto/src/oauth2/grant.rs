//! The grants: what is exchanged for tokens at the token endpoint (RFC 6749 §4).

mod authorization_code;
mod client_credentials;
mod device_code;
mod extension;
mod jwt_bearer;
pub mod legacy;
mod probe;
mod refresh_token;
mod saml_bearer;
mod token_exchange;

pub use authorization_code::AuthorizationCodeGrant;
pub use client_credentials::ClientCredentialsGrant;
pub use device_code::{
    DeviceAuthorizationRequest, DeviceAuthorizationResponse, DeviceCodeGrant, DevicePolling,
};
pub use extension::ExtensionGrant;
pub use jwt_bearer::JwtBearerGrant;
pub use probe::AuthenticationProbe;
pub use refresh_token::RefreshTokenGrant;
pub use saml_bearer::SamlBearerGrant;
pub use token_exchange::{
    GitHubActionsTokenRequest, TokenExchangeGrant, TokenExchangeResponse, TokenTypeIdentifier, TypedToken,
};

use std::sync::Arc;

use valetkey_http::Response;

use legacy::PasswordGrant;

use crate::{
    draft::Draft,
    endpoint::Endpoint,
    error::{Error, ErrorKind, Reason, Result},
    form::Form,
    oauth2::{
        AuthorizationDetails, Requested, ResourceIndicator, Scope, details,
        profile::{Policies, RequestKind},
        server::ServerMetadata,
        token::{Strictness, TokenResponse},
    },
    time::Timestamp,
};

/// What all grants share: where they go, how the answer is read, and parameters beyond the standard's.
#[derive(Clone, Debug)]
struct TokenRequest {
    endpoint: Endpoint,
    strictness: Strictness,
    requested: Requested,
    extra: Form,
    policies: Option<Arc<Policies>>,
    kind: RequestKind,
}

/// Parameters that grants and client authentication set themselves.
const RESERVED: [&str; 17] = [
    "actor_token",
    "actor_token_type",
    "assertion",
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_secret",
    "code",
    "code_verifier",
    "device_code",
    "grant_type",
    "redirect_uri",
    "refresh_token",
    "requested_token_type",
    "scope",
    "subject_token",
    "subject_token_type",
];

/// Room for the parameters of most token requests.
const CAPACITY: usize = 512;

impl TokenRequest {
    fn new(server: &ServerMetadata) -> Result<Self> {
        Ok(Self::to(server, server.token_endpoint()?.clone(), RequestKind::Token))
    }

    fn to(server: &ServerMetadata, endpoint: Endpoint, kind: RequestKind) -> Self {
        let (strictness, policies) = (Strictness::default(), server.policies().cloned());
        Self { endpoint, strictness, requested: Requested::new(), extra: Form::new(), policies, kind }
    }

    /// A request for new tokens, which some providers take elsewhere.
    fn renewal(server: &ServerMetadata) -> Result<Self> {
        let elsewhere = server.policies().and_then(|policies| policies.refresh_endpoint.clone());
        let endpoint = elsewhere.map_or_else(|| server.token_endpoint().cloned(), Ok)?;
        Ok(Self::to(server, endpoint, RequestKind::Refresh))
    }

    fn add(&mut self, name: &str, value: &str) -> Result<()> {
        self.add_unless(&RESERVED, name, value)
    }

    fn add_unless(&mut self, reserved: &[&str], name: &str, value: &str) -> Result<()> {
        match name {
            "resource" => return self.add_resource(ResourceIndicator::parse(value)?),
            details::NAME => return self.add_details(AuthorizationDetails::parse(value)?),
            _ => {}
        }
        // Each parameter once (RFC 6749 §3.2), but for the one of which there may be several (RFC 8707 §2).
        if reserved.contains(&name) || self.extra.contains(name) {
            return Err(Error::new(ErrorKind::Usage, Reason::ReservedParameter));
        }
        if name.is_empty() {
            return Err(Error::new(ErrorKind::Usage, Reason::InvalidValue).with_detail("parameter name"));
        }
        self.extra.push(name, value);
        Ok(())
    }

    fn add_resource(&mut self, resource: ResourceIndicator) -> Result<()> {
        self.requested = std::mem::take(&mut self.requested).with_resource(resource)?;
        Ok(())
    }

    fn add_details(&mut self, all: AuthorizationDetails) -> Result<()> {
        self.requested = std::mem::take(&mut self.requested).with_first_details(all)?;
        Ok(())
    }

    /// The beginning of every token request's form (RFC 6749 §4).
    fn form(&self, grant_type: &str) -> Form {
        let mut form = Form::with_capacity(CAPACITY);
        form.push("grant_type", grant_type);
        form
    }

    /// The request with this form, which is complete but for what the program added.
    fn draft(&self, mut form: Form) -> Draft {
        for (name, value) in self.requested.parameters() {
            form.push(name, &value);
        }
        form.extend(&self.extra);
        Draft::post(&self.endpoint, form).for_provider(self.policies.as_ref(), self.kind)
    }

    /// Reads the answer to a request that was handed out at `asked`.
    fn read(&self, response: &Response, asked: Timestamp) -> Result<TokenResponse> {
        match &self.policies {
            None => TokenResponse::parse(response, asked, self.strictness),
            Some(policies) => policies.read_tokens(self.kind, response, asked, self.strictness),
        }
    }
}

/// What a program may add to every grant.
macro_rules! parameters {
    ($($grant:ident),*) => {$(
        impl $grant {
            /// Adds a parameter that the standard does not have, such as `audience`.
            ///
            /// # Errors
            ///
            /// `Usage`: [`Reason::ReservedParameter`] for one that the grant sets itself or that is set already,
            /// [`Reason::InvalidValue`] for an empty name. For a name that has a function of its own as that.
            pub fn with_parameter(mut self, name: &str, value: &str) -> Result<Self> {
                self.request.add(name, value)?;
                Ok(self)
            }
        }
    )*};
}

/// For what a program may ask that tokens are good.
macro_rules! targets {
    ($($grant:ident),*) => {$(
        impl $grant {
            /// Asks for tokens for this API (RFC 8707 §2.2): one of those that were granted, where something was granted
            /// before. May be said several times.
            ///
            /// # Errors
            ///
            /// As [`Requested::with_resource`].
            pub fn with_resource(mut self, resource: ResourceIndicator) -> Result<Self> {
                self.request.add_resource(resource)?;
                Ok(self)
            }

            /// Asks for tokens that are good for this (RFC 9396 §6): some of what was granted, where something was granted
            /// before.
            ///
            /// # Errors
            ///
            /// `Usage`: [`Reason::ReservedParameter`] if it was said before.
            pub fn with_authorization_details(mut self, all: AuthorizationDetails) -> Result<Self> {
                self.request.add_details(all)?;
                Ok(self)
            }
        }
    )*};
}

parameters!(
    AuthorizationCodeGrant,
    ClientCredentialsGrant,
    DeviceAuthorizationRequest,
    DeviceCodeGrant,
    JwtBearerGrant,
    RefreshTokenGrant,
    SamlBearerGrant,
    TokenExchangeGrant
);

targets!(
    AuthorizationCodeGrant,
    ClientCredentialsGrant,
    DeviceAuthorizationRequest,
    DeviceCodeGrant,
    ExtensionGrant,
    JwtBearerGrant,
    PasswordGrant,
    RefreshTokenGrant,
    SamlBearerGrant,
    TokenExchangeGrant
);

/// How every grant's answer is read.
macro_rules! strictness {
    ($($grant:ident),*) => {$(
        impl $grant {
            /// Says how the answer is read.
            #[must_use]
            pub fn with_strictness(mut self, strictness: Strictness) -> Self {
                self.request.strictness = strictness;
                self
            }
        }
    )*};
}

strictness!(
    AuthorizationCodeGrant,
    ClientCredentialsGrant,
    DeviceCodeGrant,
    ExtensionGrant,
    JwtBearerGrant,
    PasswordGrant,
    RefreshTokenGrant,
    SamlBearerGrant,
    TokenExchangeGrant
);

/// What is asked for without a browser in between.
macro_rules! scope {
    ($($grant:ident),*) => {$(
        impl $grant {
            /// Asks for this scope. Some providers read it in an assertion instead.
            ///
            /// # Errors
            ///
            /// As [`Scope::parse`].
            pub fn with_scope(mut self, scope: &str) -> Result<Self> {
                self.scope = Some(Scope::parse(scope)?);
                Ok(self)
            }

            /// The scope that is asked for.
            #[must_use]
            pub fn scope(&self) -> Option<&Scope> {
                self.scope.as_ref()
            }
        }
    )*};
}

scope!(
    ClientCredentialsGrant,
    DeviceAuthorizationRequest,
    ExtensionGrant,
    JwtBearerGrant,
    PasswordGrant,
    SamlBearerGrant,
    TokenExchangeGrant
);
