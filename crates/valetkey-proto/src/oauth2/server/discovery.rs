//! Finding the metadata of an issuer.
//!
//! ```text
//!   next candidate ──▶ Call ──▶ document of this issuer: done
//!        ▲              │
//!        └── 4xx ───────┴─────▶ anything else: the error
//! ```

use valetkey_http::Response;

use super::{Issuer, IssuerTemplate, ServerMetadata, WellKnown};
use crate::{
    call::{Call, Exchange, Retry},
    draft::Draft,
    endpoint::Endpoint,
    error::{Error, Result},
    flow::{Env, Event, Flow, Step},
    response::json,
    time::Timestamp,
};

/// Fetches one metadata document (RFC 8414 §3.1).
#[derive(Clone, Debug)]
pub struct MetadataRequest {
    issuer: Issuer,
    template: Option<IssuerTemplate>,
    url: Endpoint,
}

impl MetadataRequest {
    /// The document of this kind about this issuer.
    ///
    /// # Errors
    ///
    /// As [`Issuer::metadata_url`].
    pub fn new(issuer: &Issuer, document: &WellKnown) -> Result<Self> {
        Ok(Self { issuer: issuer.clone(), template: None, url: issuer.metadata_url(document)? })
    }

    /// The document stands for the issuers of this template.
    #[must_use]
    pub fn with_template(mut self, template: IssuerTemplate) -> Self {
        self.template = Some(template);
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

    fn response(&self, response: Response, _: Timestamp, _: &Env<'_>) -> Result<ServerMetadata> {
        json(&response)?;
        match &self.template {
            Some(template) => ServerMetadata::parse_for(&self.issuer, template, response.body()),
            None => ServerMetadata::parse(&self.issuer, response.body()),
        }
    }
}

/// Finds the metadata of an issuer: first as OpenID Connect Discovery has it, then as RFC 8414 has it.
///
/// Only an answer of 4xx leads to the next candidate; a document that cannot be trusted ends the search.
#[derive(Debug)]
pub struct Discovery {
    call: Call<MetadataRequest>,
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

    fn of(issuer: &Issuer, template: Option<&IssuerTemplate>) -> Result<Self> {
        let request = |document| -> Result<MetadataRequest> {
            let request = MetadataRequest::new(issuer, &document)?;
            Ok(match template {
                Some(template) => request.with_template(template.clone()),
                None => request,
            })
        };
        let call = Call::anonymous(request(WellKnown::OpenId)?);
        let rest = vec![request(WellKnown::AuthorizationServer)?];
        Ok(Self { call, rest: rest.into_iter(), first: None })
    }
}

impl Flow for Discovery {
    type Output = ServerMetadata;

    fn step(&mut self, event: Event, env: &Env<'_>) -> Result<Step<ServerMetadata>> {
        let mut event = event;
        loop {
            let error = match self.call.step(event, env) {
                Ok(step) => return Ok(step),
                Err(error) => error,
            };
            let absent = error.status().is_some_and(|status| status.is_client_error());
            let next = if absent { self.rest.next() } else { None };
            let Some(next) = next else {
                return Err(if absent { self.first.take().unwrap_or(error) } else { error });
            };
            self.first.get_or_insert(error);
            self.call = Call::anonymous(next);
            event = Event::Go;
        }
    }
}
