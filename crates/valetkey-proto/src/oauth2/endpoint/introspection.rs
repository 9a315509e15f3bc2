//! Asking what a token is (RFC 7662), and having it signed and encrypted (RFC 9701).

mod response;

use std::{fmt, sync::Arc};

use http::{HeaderValue, header::ACCEPT};
use valetkey_http::Response;

pub use response::{ActiveToken, IntrospectionResponse};

use super::ShownToken;
use crate::{
    call::{Exchange, Retry},
    draft::Draft,
    endpoint::Endpoint,
    error::{Error, ErrorKind, Reason, Result},
    flow::Env,
    jose::{
        VerifyingKeys,
        jwe::Decrypter,
        jwt::{Expected, Kind, Validator},
    },
    oauth2::{
        client::ClientId,
        profile::{Policies, RequestKind},
        server::{Issuer, ServerMetadata},
    },
    response::{json, text},
    time::Timestamp,
};

/// Asks the server what a token is: for APIs whose tokens say nothing by themselves. Whoever asks authenticates, as a
/// client of the server (RFC 7662 §2.1).
///
/// ```
/// use valetkey_proto::{
///     oauth2::{endpoint::introspection::IntrospectionRequest, server::{Issuer, ServerMetadata}},
///     secret::AccessToken,
/// };
///
/// let server = ServerMetadata::new(Issuer::parse("https://as.example")?)
///     .with_endpoint("introspection_endpoint", "https://as.example/introspect")?;
/// let token = AccessToken::bearer("mF_9.B5f-4.1JqM").expect("visible ASCII");
/// let request = IntrospectionRequest::new(&server, &token)?;
/// # let _ = request;
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[doc(alias = "RFC 7662")]
pub struct IntrospectionRequest {
    endpoint: Endpoint,
    issuer: Issuer,
    token: ShownToken,
    signed: Option<(Validator, VerifyingKeys)>,
    decrypter: Option<Decrypter>,
    policies: Option<Arc<Policies>>,
}

impl IntrospectionRequest {
    /// Asks about this token, as this server has issued it.
    ///
    /// # Errors
    ///
    /// As [`ServerMetadata::endpoint`].
    pub fn new(server: &ServerMetadata, token: impl Into<ShownToken>) -> Result<Self> {
        let endpoint = server.endpoint("introspection_endpoint")?;
        let (issuer, policies) = (server.issuer().clone(), server.policies().cloned());
        Ok(Self { endpoint, issuer, token: token.into(), signed: None, decrypter: None, policies })
    }

    /// Asks for an answer that is signed for this client by one of these keys, and takes no other (RFC 9701): it can be
    /// kept as evidence, and is of one kind of JWT alone.
    #[doc(alias = "RFC 9701")]
    #[must_use]
    pub fn signed(mut self, client: &ClientId, keys: VerifyingKeys) -> Self {
        let validator = Validator::new(Kind::Introspection, self.issuer.as_str(), client.as_str());
        self.signed = Some((validator, keys));
        self
    }

    /// Takes answers that are encrypted for the client, and no others (`introspection_encrypted_response_alg`, RFC 9701
    /// §6). They are [signed](Self::signed) within, which must be said, too: anybody can encrypt.
    #[must_use]
    pub fn encrypted(mut self, decrypter: Decrypter) -> Self {
        self.decrypter = Some(decrypter);
        self
    }
}

impl Exchange for IntrospectionRequest {
    type Output = IntrospectionResponse;

    fn retry(&self) -> Retry {
        Retry::REPEATABLE
    }

    fn request(&self, _: &Env<'_>) -> Result<Draft> {
        if self.decrypter.is_some() && self.signed.is_none() {
            return Err(
                Error::new(ErrorKind::Usage, Reason::InvalidValue).with_detail("encrypted, not signed")
            );
        }
        let draft = Draft::post(&self.endpoint, self.token.form());
        let mut draft = draft.for_provider(self.policies.as_ref(), RequestKind::Introspection);
        if self.signed.is_some() {
            let jwt = HeaderValue::from_static("application/token-introspection+jwt");
            draft.headers_mut().insert(ACCEPT, jwt);
        }
        Ok(draft)
    }

    fn response(&self, response: Response, _: Timestamp, env: &Env<'_>) -> Result<IntrospectionResponse> {
        let Some((validator, keys)) = &self.signed else {
            return IntrospectionResponse::parse(json(&response)?, env.now)
                .map_err(|error| error.with_status(response.status()));
        };
        let text = text(&response)?.trim();
        if text.starts_with('{') {
            return Err(Error::new(ErrorKind::Untrusted, Reason::KindMismatch).with_detail("not signed"));
        }
        let decrypted = match &self.decrypter {
            Some(decrypter) => Some(decrypter.decrypt(text, env.crypto)?),
            None => None,
        };
        let text = decrypted.as_deref().unwrap_or(text);
        let jwt = validator.validate(text, keys, &Expected::new(), env)?;
        IntrospectionResponse::of_jwt(&jwt, env.now)
    }
}

impl fmt::Debug for IntrospectionRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectionRequest")
            .field("endpoint", &self.endpoint)
            .field("is_signed", &self.signed.is_some())
            .field("is_encrypted", &self.decrypter.is_some())
            .finish_non_exhaustive()
    }
}
