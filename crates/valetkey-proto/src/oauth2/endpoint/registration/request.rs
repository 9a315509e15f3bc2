//! The requests about a registration.

use bytes::Bytes;
use http::{Method, StatusCode, header::AUTHORIZATION};
use serde_json::{Map, Value};
use valetkey_http::Response;

use super::{Registration, RegistrationMetadata};
use crate::{
    call::{Exchange, Retry},
    draft::Draft,
    endpoint::Endpoint,
    error::{Advice, Error, ErrorKind, Reason, Result},
    flow::Env,
    oauth2::server::{Issuer, ServerMetadata},
    record,
    response::{json, success},
    secret::{AccessToken, wiped},
    time::Timestamp,
};

/// Registers a client (RFC 7591 §3.1). It is called by nobody in particular:
/// [`Call::anonymous`](crate::Call::anonymous).
///
/// ```
/// use valetkey_proto::oauth2::{
///     endpoint::registration::{RegistrationMetadata, RegistrationRequest},
///     server::{Issuer, ServerMetadata},
/// };
///
/// let issuer = Issuer::parse("https://as.example")?;
/// let document = r#"{"issuer":"https://as.example","registration_endpoint":"https://as.example/register"}"#;
/// let server = ServerMetadata::parse(&issuer, &document.into())?;
/// let metadata = RegistrationMetadata::new().with_redirect_uri("https://my-app.example/cb")?;
/// let request = RegistrationRequest::new(&server, metadata)?;
/// # let _ = request;
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RegistrationRequest {
    issuer: Issuer,
    endpoint: Endpoint,
    metadata: RegistrationMetadata,
    token: Option<AccessToken>,
}

impl RegistrationRequest {
    /// Registers with this server.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::MissingEndpoint`] if it registers nobody. `Protocol`: [`Reason::InvalidUrl`] or
    /// [`Reason::InsecureUrl`] if its metadata names no URL that can be used. `Untrusted`:
    /// [`Reason::AddressNotAllowed`] as [`Endpoint::learned`].
    pub fn new(server: &ServerMetadata, metadata: RegistrationMetadata) -> Result<Self> {
        let endpoint = server.endpoint("registration_endpoint")?;
        Ok(Self { issuer: server.issuer().clone(), endpoint, metadata, token: None })
    }

    /// Shows a token that the server gave beforehand to those who may register (RFC 7591 §1.2).
    #[must_use]
    pub fn with_initial_access_token(mut self, token: AccessToken) -> Self {
        self.token = Some(token);
        self
    }
}

impl Exchange for RegistrationRequest {
    type Output = Registration;

    fn retry(&self) -> Retry {
        // Sent twice, it makes two clients.
        Retry::ONE_TIME
    }

    fn unknown(&self, error: Error) -> Error {
        of_no_user(error)
    }

    fn request(&self, _: &Env<'_>) -> Result<Draft> {
        draft(Method::POST, &self.endpoint, self.token.as_ref(), Some(self.metadata.to_send()))
    }

    fn response(&self, response: Response, _: Timestamp, _: &Env<'_>) -> Result<Registration> {
        Registration::read(&self.issuer, &self.metadata, described(&response)?)
    }
}

/// Asks how a client is registered (RFC 7592 §2.1). The answer is what is to be kept from then on: the server may have
/// changed the token by which it is asked.
#[derive(Clone, Debug)]
pub struct ReadRequest {
    registration: Registration,
}

impl ReadRequest {
    /// Asks about this registration.
    ///
    /// # Errors
    ///
    /// As [`Registration::management`].
    pub fn new(registration: &Registration) -> Result<Self> {
        registration.management()?;
        Ok(Self { registration: registration.clone() })
    }
}

impl Exchange for ReadRequest {
    type Output = Registration;

    fn retry(&self) -> Retry {
        Retry::REPEATABLE
    }

    fn request(&self, _: &Env<'_>) -> Result<Draft> {
        let (endpoint, token) = self.registration.management()?;
        draft(Method::GET, &endpoint, Some(token), None)
    }

    fn response(&self, response: Response, _: Timestamp, _: &Env<'_>) -> Result<Registration> {
        self.registration.renewed(&RegistrationMetadata::new(), described(&response)?)
    }
}

/// Registers a client with other metadata (RFC 7592 §2.2): all of it, as what is left out is deleted.
#[derive(Clone, Debug)]
pub struct UpdateRequest {
    registration: Registration,
    metadata: RegistrationMetadata,
}

impl UpdateRequest {
    /// Changes this registration.
    ///
    /// # Errors
    ///
    /// As [`Registration::management`].
    pub fn new(registration: &Registration, metadata: RegistrationMetadata) -> Result<Self> {
        registration.management()?;
        Ok(Self { registration: registration.clone(), metadata })
    }
}

impl Exchange for UpdateRequest {
    type Output = Registration;

    fn retry(&self) -> Retry {
        Retry::REPEATABLE
    }

    fn request(&self, _: &Env<'_>) -> Result<Draft> {
        let (endpoint, token) = self.registration.management()?;
        let mut members = self.metadata.to_send();
        // RFC 7592 §2.2: which client it is, and the secret only as it is.
        members.insert("client_id".to_owned(), self.registration.id().as_str().into());
        if let Some(secret) = self.registration.secret() {
            members.insert("client_secret".to_owned(), secret.expose().into());
        }
        draft(Method::PUT, &endpoint, Some(token), Some(members))
    }

    fn response(&self, response: Response, _: Timestamp, _: &Env<'_>) -> Result<Registration> {
        self.registration.renewed(&self.metadata, described(&response)?)
    }
}

/// Ends a registration (RFC 7592 §2.3): the client, its secret and its tokens are worth nothing from then on.
#[derive(Clone, Debug)]
pub struct DeleteRequest {
    registration: Registration,
}

impl DeleteRequest {
    /// Ends this registration.
    ///
    /// # Errors
    ///
    /// As [`Registration::management`].
    pub fn new(registration: &Registration) -> Result<Self> {
        registration.management()?;
        Ok(Self { registration: registration.clone() })
    }
}

impl Exchange for DeleteRequest {
    type Output = ();

    fn retry(&self) -> Retry {
        // The second answer would be that there is no such client.
        Retry::ONE_TIME
    }

    fn unknown(&self, error: Error) -> Error {
        of_no_user(error)
    }

    fn request(&self, _: &Env<'_>) -> Result<Draft> {
        let (endpoint, token) = self.registration.management()?;
        draft(Method::DELETE, &endpoint, Some(token), None)
    }

    fn response(&self, response: Response, _: Timestamp, _: &Env<'_>) -> Result<()> {
        success(&response)
    }
}

/// A request with this token, and with these members if there are any.
fn draft(
    method: Method,
    endpoint: &Endpoint,
    token: Option<&AccessToken>,
    members: Option<Map<String, Value>>,
) -> Result<Draft> {
    let body = members.map(|members| record::write(Value::Object(members)).into_bytes());
    let mut draft = Draft::json(method, endpoint, body.map_or_else(Bytes::new, wiped));
    if let Some(token) = token {
        draft.headers_mut().insert(AUTHORIZATION, token.header().clone());
    }
    Ok(draft)
}

/// The text of an answer that describes a client: 201, or 200, which many servers say in its place.
fn described(response: &Response) -> Result<&str> {
    let text = json(response)?;
    match response.status() {
        StatusCode::OK | StatusCode::CREATED => Ok(text),
        status => Err(Error::new(ErrorKind::Protocol, Reason::UnexpectedStatus).with_status(status)),
    }
}

/// Nobody has signed in, and nobody has to sign in again.
fn of_no_user(error: Error) -> Error {
    error.with_reason(Reason::OutcomeUnknown).with_advice(Advice::GiveUp)
}
