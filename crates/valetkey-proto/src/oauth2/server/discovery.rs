//! Finding the metadata of an issuer.
//!
//! ```text
//!   next candidate ──▶ Call ──▶ document of this issuer: done
//!        ▲              │
//!        └── 4xx ───────┴─────▶ anything else: the error
//! ```

use valetkey_http::Response;

use super::{Issuer, IssuerTemplate, MetadataSigner, ServerMetadata, WellKnown};
use crate::{
    call::{Call, Exchange, Retry},
    draft::Draft,
    endpoint::Endpoint,
    error::{Error, ErrorKind, Reason, Result},
    flow::{Env, Event, Flow, Step},
    response::{document::Document, json},
    time::Timestamp,
};

/// Fetches one metadata document (RFC 8414 §3.1).
#[derive(Clone, Debug)]
pub struct MetadataRequest {
    issuer: Issuer,
    template: Option<IssuerTemplate>,
    signer: Option<MetadataSigner>,
    url: Endpoint,
}

impl MetadataRequest {
    /// The document of this kind about this issuer.
    ///
    /// # Errors
    ///
    /// As [`Issuer::metadata_url`].
    pub fn new(issuer: &Issuer, document: &WellKnown) -> Result<Self> {
        Ok(Self { issuer: issuer.clone(), template: None, signer: None, url: issuer.metadata_url(document)? })
    }

    /// The document stands for the issuers of this template.
    #[must_use]
    pub fn with_template(mut self, template: IssuerTemplate) -> Self {
        self.template = Some(template);
        self
    }

    /// Demands that the metadata is signed by somebody who is trusted.
    #[must_use]
    pub fn signed_by(mut self, signer: &MetadataSigner) -> Self {
        self.signer = Some(signer.clone());
        self
    }
}

impl Exchange for MetadataRequest {
    type Output = ServerMetadata;

    fn retry(&self) -> Retry {
        Retry::IDEMPOTENT
    }

    fn request(&self, _: &Env<'_>) -> Result<Draft> {
        Ok(Draft::get(&self.url))
    }

    fn response(&self, response: Response, _: Timestamp, env: &Env<'_>) -> Result<ServerMetadata> {
        json(&response)?;
        let mut document = Document::new(response.body());
        if let Some(signer) = &self.signer {
            document = signer.verified(&document, "issuer", env)?;
        }
        ServerMetadata::read(&self.issuer, self.template.as_ref(), document)
    }
}

/// Finds the metadata of an issuer: first as OpenID Connect Discovery has it, then as RFC 8414 has it.
///
/// Only an answer of 4xx leads to the next candidate; a document that cannot be trusted ends the search.
#[derive(Debug)]
pub struct Discovery {
    /// What is asked now; `None` at the beginning.
    call: Option<Call<MetadataRequest>>,
    rest: std::vec::IntoIter<MetadataRequest>,
    first: Option<Error>,
}

impl Discovery {
    /// Looks in the usual places.
    ///
    /// # Errors
    ///
    /// As [`Issuer::metadata_url`].
    pub fn new(issuer: &Issuer) -> Result<Self> {
        Self::of(issuer, None)
    }

    /// Looks for a document that stands for the issuers of this template.
    ///
    /// # Errors
    ///
    /// As [`Issuer::metadata_url`].
    pub fn of_template(issuer: &Issuer, template: &IssuerTemplate) -> Result<Self> {
        Self::of(issuer, Some(template))
    }

    /// Demands that the metadata is signed by somebody who is trusted, wherever it is found. To be said before the first
    /// step.
    #[must_use]
    pub fn signed_by(self, signer: &MetadataSigner) -> Self {
        let signed: Vec<_> = self.rest.map(|request| request.signed_by(signer)).collect();
        Self { rest: signed.into_iter(), ..self }
    }

    fn of(issuer: &Issuer, template: Option<&IssuerTemplate>) -> Result<Self> {
        let request = |document| -> Result<MetadataRequest> {
            let request = MetadataRequest::new(issuer, &document)?;
            Ok(match template {
                Some(template) => request.with_template(template.clone()),
                None => request,
            })
        };
        let rest = vec![request(WellKnown::OpenId)?, request(WellKnown::AuthorizationServer)?];
        Ok(Self { call: None, rest: rest.into_iter(), first: None })
    }
}

impl Flow for Discovery {
    type Output = ServerMetadata;

    fn step(&mut self, event: Event, env: &Env<'_>) -> Result<Step<ServerMetadata>> {
        let mut event = event;
        loop {
            let call = match &mut self.call {
                Some(call) => call,
                first @ None => {
                    let out_of_turn = || Error::new(ErrorKind::Usage, Reason::OutOfTurn);
                    first.insert(Call::anonymous(self.rest.next().ok_or_else(out_of_turn)?))
                }
            };
            let error = match call.step(event, env) {
                Ok(step) => return Ok(step),
                Err(error) => error,
            };
            let absent = error.status().is_some_and(|status| status.is_client_error());
            let next = if absent { self.rest.next() } else { None };
            let Some(next) = next else {
                return Err(if absent { self.first.take().unwrap_or(error) } else { error });
            };
            self.first.get_or_insert(error);
            self.call = Some(Call::anonymous(next));
            event = Event::Go;
        }
    }
}
