//! Beginning to sign a user in.

use std::time::Duration;

use valetkey_proto::{
    Result,
    oauth2::{
        AuthorizationDetails, ResourceIndicator,
        authorization::{
            AuthorizationRequest, AuthorizationUrl, HostedObject, PendingAuthorization, RequestObject,
            ResponseMode, ResponseType,
        },
        step_up::StepUp,
    },
    oidc::ClaimsRequest,
};

use super::Client;
use crate::run::run;

/// What is asked of the user's server. [`start`](Self::start) makes a URL of it.
#[derive(Clone, Debug)]
#[must_use]
pub struct Authorize {
    client: Client,
    scope: Option<String>,
    response_type: ResponseType,
    response_mode: Option<ResponseMode>,
    max_age: Option<Duration>,
    claims: ClaimsRequest,
    object: Option<RequestObject>,
    resources: Vec<String>,
    details: Option<AuthorizationDetails>,
    step_up: Option<StepUp>,
    parameters: Vec<(String, String)>,
}

impl Authorize {
    pub(super) fn new(client: Client) -> Self {
        Self {
            resources: client.resources(),
            client,
            scope: None,
            response_type: ResponseType::Code,
            response_mode: None,
            max_age: None,
            claims: ClaimsRequest::new(),
            object: None,
            details: None,
            step_up: None,
            parameters: Vec::new(),
        }
    }

    /// What an API demanded; it takes the place of the scope.
    pub(crate) fn after(client: Client, step_up: StepUp) -> Self {
        Self { step_up: Some(step_up), ..Self::new(client) }
    }

    /// Asks for this scope, in place of one said before.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Asks for something else than a code.
    ///
    /// # Security
    ///
    /// See [`ResponseType`].
    pub fn response_type(mut self, response_type: ResponseType) -> Self {
        self.response_type = response_type;
        self
    }

    /// Asks the browser to bring the answer in this way, such as a posted form, and takes it in no other.
    pub fn response_mode(mut self, mode: ResponseMode) -> Self {
        self.response_mode = Some(mode);
        self
    }

    /// Asks that the user was authenticated no longer ago than this; the ID token must say so.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }

    /// Asks for claims one by one. If `acr` is essential and has values, the ID token must have one of them.
    pub fn claims(mut self, claims: ClaimsRequest) -> Self {
        self.claims = claims;
        self
    }

    /// Puts all of it into a request object (RFC 9101), so that nobody on the way can change it.
    pub fn request_object(mut self, object: RequestObject) -> Self {
        self.object = Some(object);
        self
    }

    /// Asks for tokens for this API (RFC 8707): an absolute URI without a fragment. May be said several times. The code is
    /// exchanged for tokens for the same APIs, and so are they when they are renewed.
    ///
    /// # Security
    ///
    /// A session whose resources are all at origins that [`ClientBuilder::api`](crate::ClientBuilder::api) named sends its
    /// token there, and not to the client's other APIs. A resource that is none of their addresses is a mere name, and the
    /// token goes to all of them. It never goes anywhere because a resource says so: resources may come from the network.
    pub fn resource(mut self, resource: impl Into<String>) -> Self {
        self.resources.push(resource.into());
        self
    }

    /// Asks for tokens that are good for this (RFC 9396), in place of what was said before. What was granted is in
    /// [`TokenSet::authorization_details`](crate::oauth2::token::TokenSet::authorization_details).
    pub fn authorization_details(mut self, details: AuthorizationDetails) -> Self {
        self.details = Some(details);
        self
    }

    /// Adds a parameter, such as `prompt` or `login_hint`.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// Begins: the URL for the browser, and what to keep until the browser comes back.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::MissingRedirectUri`](crate::Reason::MissingRedirectUri),
    /// [`Reason::MissingEndpoint`](crate::Reason::MissingEndpoint),
    /// [`Reason::PkceUnsupported`](crate::Reason::PkceUnsupported),
    /// [`Reason::InvalidValue`](crate::Reason::InvalidValue) in the scope, [`Reason::InvalidUrl`](crate::Reason::InvalidUrl)
    /// in a resource. `Usage`: [`Reason::ReservedParameter`](crate::Reason::ReservedParameter) for what is said twice, and
    /// for the scope and `max_age` of a [step-up](crate::Session::step_up), which the API has said. Otherwise what discovery
    /// ends with, if the metadata is too old.
    pub fn start(self) -> impl Future<Output = Result<(AuthorizationUrl, PendingAuthorization)>> + Send {
        // In a box, so that the futures of callers do not carry all of it.
        Box::pin(self.begin())
    }

    async fn begin(self) -> Result<(AuthorizationUrl, PendingAuthorization)> {
        let request = self.request().await?;
        // A request object may be signed by a key that is elsewhere.
        run(request.starting(), self.client.runtime()).await
    }

    /// The same, with the request object at this URL (OpenID Connect Core §6.2): put it there before the user is sent on,
    /// for as long as the sign-in may take. Without [`request_object`](Self::request_object) it is unsigned.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start), and as [`AuthorizationRequest::start_hosted`].
    pub async fn start_hosted(
        self,
        place: &str,
    ) -> Result<(AuthorizationUrl, PendingAuthorization, HostedObject)> {
        self.request().await?.start_hosted(place, &self.client.runtime().env())
    }

    async fn request(&self) -> Result<AuthorizationRequest> {
        let relation = self.client.relation().await?;
        let mut request = relation.authorization()?;
        if let Some(dpop) = self.client.new_key(relation.server())? {
            request = request.with_dpop(&dpop)?;
        }
        let scope_of = |step_up: &StepUp| step_up.scope().map(|scope| scope.as_str().to_owned());
        let scopes =
            self.scope.clone().or_else(|| self.step_up.as_ref().and_then(scope_of)).unwrap_or_default();
        if self.response_type.has_id_token() || scopes.split(' ').any(|scope| scope == "openid") {
            // Nobody is sent on a trip whose end could not be verified.
            relation.reading().check(relation.server())?;
        }
        if let Some(step_up) = &self.step_up {
            request = step_up.put(request)?;
        }
        if let Some(scope) = &self.scope {
            request = request.with_scope(scope)?;
        }
        if self.response_type != ResponseType::Code {
            request = request.with_response_type(self.response_type)?;
        }
        if let Some(mode) = self.response_mode {
            request = request.with_response_mode(mode)?;
        }
        if let Some(max_age) = self.max_age {
            request = request.with_max_age(max_age)?;
        }
        for resource in &self.resources {
            request = request.with_resource(ResourceIndicator::parse(resource)?)?;
        }
        if let Some(details) = &self.details {
            request = request.with_authorization_details(details.clone())?;
        }
        for (name, value) in &self.parameters {
            request = request.with_parameter(name, value)?;
        }
        request = request.with_claims(&self.claims)?;
        Ok(match &self.object {
            Some(object) => request.with_request_object(object.clone()),
            None => request,
        })
    }
}
