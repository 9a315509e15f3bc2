//! The metadata document (RFC 8414 §2).

use std::{fmt, sync::Arc};

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::{Issuer, IssuerTemplate};
use crate::{
    endpoint::Endpoint,
    error::{Error, ErrorKind, Reason, Result},
    oauth2::{
        profile::{Policies, ProviderProfile},
        resource::Placement,
    },
    response::{
        document::Document,
        members::{members, read},
        value::{Text, Texts},
    },
};

/// What a server says about itself: its endpoints, and what it supports.
///
/// It is learned by [`Discovery`](super::Discovery), or written down for servers without a document:
///
/// ```
/// use valetkey_proto::oauth2::server::{Issuer, ServerMetadata};
///
/// let server = ServerMetadata::new(Issuer::parse("https://as.example")?)
///     .with_authorization_endpoint("https://as.example/authorize")?
///     .with_token_endpoint("https://as.example/token")?;
/// assert_eq!(server.token_endpoint()?.as_str(), "https://as.example/token");
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone)]
pub struct ServerMetadata {
    issuer: Issuer,
    template: Option<IssuerTemplate>,
    authorization_endpoint: Option<Endpoint>,
    token_endpoint: Option<Endpoint>,
    names_issuer: bool,
    auth_methods: Option<Vec<Box<str>>>,
    auth_algorithms: Option<Vec<Box<str>>>,
    challenge_methods: Option<Vec<Box<str>>>,
    dpop_algorithms: Option<Vec<Box<str>>>,
    scopes: Option<Vec<Box<str>>>,
    /// Endpoints that were given, by their names.
    given: Vec<(&'static str, Endpoint)>,
    document: Document,
    policies: Option<Arc<Policies>>,
}

members! {
    /// The members that are read when the document arrives.
    struct Wire {
        issuer: Text<'de>,
        authorization_endpoint: Text<'de>,
        token_endpoint: Text<'de>,
        authorization_response_iss_parameter_supported: bool,
        token_endpoint_auth_methods_supported: Texts,
        token_endpoint_auth_signing_alg_values_supported: Texts,
        code_challenge_methods_supported: Texts,
        dpop_signing_alg_values_supported: Texts,
        scopes_supported: Texts,
    }
}

impl ServerMetadata {
    /// A server of which nothing is known yet.
    #[must_use]
    pub fn new(issuer: Issuer) -> Self {
        Self {
            issuer,
            template: None,
            authorization_endpoint: None,
            token_endpoint: None,
            names_issuer: false,
            auth_methods: None,
            auth_algorithms: None,
            challenge_methods: None,
            dpop_algorithms: None,
            scopes: None,
            given: Vec::new(),
            document: Document::default(),
            policies: None,
        }
    }

    /// Reads the metadata document of this issuer.
    ///
    /// # Errors
    ///
    /// `Untrusted`: [`Reason::IssuerMismatch`] if the document is another issuer's, byte for byte
    /// (RFC 8414 §3.3); [`Reason::AddressNotAllowed`] if an endpoint is where only those inside may send requests
    /// ([`Endpoint::learned`]). `Protocol`: [`Reason::Malformed`], [`Reason::DuplicateParameter`],
    /// [`Reason::MissingParameter`] without an issuer, [`Reason::InvalidUrl`] or [`Reason::InsecureUrl`] if an
    /// endpoint is not `https`.
    pub fn parse(issuer: &Issuer, document: &Bytes) -> Result<Self> {
        Self::read(issuer, None, Document::new(document))
    }

    /// Reads a document that stands for the issuers of this template, and names it in the place of an issuer.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn parse_for(issuer: &Issuer, template: &IssuerTemplate, document: &Bytes) -> Result<Self> {
        Self::read(issuer, Some(template), Document::new(document))
    }

    pub(super) fn read(
        issuer: &Issuer,
        template: Option<&IssuerTemplate>,
        document: Document,
    ) -> Result<Self> {
        let read: Wire<'_> = read(document.text()?)?;
        let named = read
            .issuer
            .ok_or_else(|| Error::new(ErrorKind::Protocol, Reason::MissingParameter).with_detail("issuer"))?;
        if *named != *template.map_or(issuer.as_str(), IssuerTemplate::as_str) {
            return Err(Error::new(ErrorKind::Untrusted, Reason::IssuerMismatch));
        }
        Ok(Self {
            issuer: issuer.clone(),
            template: template.cloned(),
            authorization_endpoint: learned(
                issuer,
                read.authorization_endpoint.as_deref(),
                "authorization_endpoint",
            )?,
            token_endpoint: learned(issuer, read.token_endpoint.as_deref(), "token_endpoint")?,
            names_issuer: read.authorization_response_iss_parameter_supported.unwrap_or(false),
            auth_methods: read.token_endpoint_auth_methods_supported.map(|Texts(list)| list),
            auth_algorithms: read.token_endpoint_auth_signing_alg_values_supported.map(|Texts(list)| list),
            challenge_methods: read.code_challenge_methods_supported.map(|Texts(list)| list),
            dpop_algorithms: read.dpop_signing_alg_values_supported.map(|Texts(list)| list),
            scopes: read.scopes_supported.map(|Texts(list)| list),
            given: Vec::new(),
            document,
            policies: None,
        })
    }

    /// Sets where users sign in.
    ///
    /// # Errors
    ///
    /// As [`Endpoint::parse`].
    pub fn with_authorization_endpoint(mut self, url: &str) -> Result<Self> {
        self.authorization_endpoint = Some(Endpoint::parse(url)?);
        Ok(self)
    }

    /// Sets where tokens are asked for.
    ///
    /// # Errors
    ///
    /// As [`Endpoint::parse`].
    pub fn with_token_endpoint(mut self, url: &str) -> Result<Self> {
        self.token_endpoint = Some(Endpoint::parse(url)?);
        Ok(self)
    }

    /// Sets another endpoint by the name that it has in documents, such as `jwks_uri`, in place of what the document says.
    ///
    /// # Errors
    ///
    /// As [`Endpoint::parse`].
    pub fn with_endpoint(mut self, name: &'static str, url: &str) -> Result<Self> {
        let endpoint = Endpoint::parse(url)?;
        self.given.retain(|(known, _)| *known != name);
        self.given.push((name, endpoint));
        Ok(self)
    }

    /// Says what the server does otherwise than the standards, and where it is, as far as the profile says so.
    ///
    /// # Errors
    ///
    /// As [`ProviderProfile::server`].
    pub fn with_profile(mut self, profile: &ProviderProfile) -> Result<Self> {
        for (name, url) in profile.endpoints()? {
            self = match name {
                "authorization_endpoint" => self.with_authorization_endpoint(&url)?,
                "token_endpoint" => self.with_token_endpoint(&url)?,
                name => self.with_endpoint(name, &url)?,
            };
        }
        if let Some(template) = profile.issuer_template()? {
            self = self.with_issuer_template(template);
        }
        self.policies = Some(profile.policies()?);
        Ok(self)
    }

    /// What it does otherwise, if anything.
    pub(crate) fn policies(&self) -> Option<&Arc<Policies>> {
        self.policies.as_ref()
    }

    /// Where access tokens stand in requests to its APIs, if that is not where RFC 6750 §2.1 has them.
    #[must_use]
    pub fn placement(&self) -> Option<Arc<Placement>> {
        self.policies.as_ref().and_then(|policies| policies.placement.clone())
    }

    /// Says that the server names itself in every authorization response (RFC 9207 §3).
    #[must_use]
    pub fn with_issuer_in_responses(mut self) -> Self {
        self.names_issuer = true;
        self
    }

    /// Says that the server has many tenants, whose issuers are of this template.
    #[must_use]
    pub fn with_issuer_template(mut self, template: IssuerTemplate) -> Self {
        self.template = Some(template);
        self
    }

    /// The template of the issuers of its tenants, if it has many.
    #[must_use]
    pub fn issuer_template(&self) -> Option<&IssuerTemplate> {
        self.template.as_ref()
    }

    /// Whether this server makes ID tokens by the name of this issuer.
    #[must_use]
    pub fn speaks_for(&self, issuer: &str) -> bool {
        match &self.template {
            Some(template) => template.tenant(issuer).is_some(),
            None => issuer == self.issuer.as_str(),
        }
    }

    /// The issuer.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Where users sign in (`authorization_endpoint`).
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::MissingEndpoint`] if the server has none.
    pub fn authorization_endpoint(&self) -> Result<&Endpoint> {
        self.authorization_endpoint.as_ref().ok_or_else(|| missing("authorization_endpoint"))
    }

    /// Where tokens are asked for (`token_endpoint`).
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::MissingEndpoint`] if the server has none.
    pub fn token_endpoint(&self) -> Result<&Endpoint> {
        self.token_endpoint.as_ref().ok_or_else(|| missing("token_endpoint"))
    }

    /// Another endpoint by its name, such as `jwks_uri` or `userinfo_endpoint`, checked when it is asked for: whoever does
    /// not need it is not hindered by a bad one.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::MissingEndpoint`] if the server has none. `Protocol`: [`Reason::InvalidUrl`] or
    /// [`Reason::InsecureUrl`] if the document names one that is not `https`, [`Reason::Malformed`] if it is no text.
    /// `Untrusted`: [`Reason::AddressNotAllowed`] as [`Endpoint::learned`].
    pub fn endpoint(&self, name: &'static str) -> Result<Endpoint> {
        if let Some((_, endpoint)) = self.given.iter().find(|(known, _)| *known == name) {
            return Ok(endpoint.clone());
        }
        learned(&self.issuer, self.document.url(name)?.as_deref(), name)?.ok_or_else(|| missing(name))
    }

    /// Whether the server names itself in every authorization response
    /// (`authorization_response_iss_parameter_supported`, RFC 9207 §3).
    #[must_use]
    pub fn names_issuer_in_responses(&self) -> bool {
        self.names_issuer
    }

    /// Whether a client may authenticate by this method (`token_endpoint_auth_methods_supported`); a server
    /// that does not say takes `client_secret_basic` (RFC 8414 §2).
    #[must_use]
    pub fn supports_auth(&self, method: &str) -> bool {
        match &self.auth_methods {
            Some(methods) => methods.iter().any(|known| **known == *method),
            None => method == "client_secret_basic",
        }
    }

    /// Whether the server takes assertions of clients that are signed by the algorithm of this registered name
    /// (`token_endpoint_auth_signing_alg_values_supported`); `None` if it does not say.
    #[must_use]
    pub fn supports_auth_algorithm(&self, algorithm: &str) -> Option<bool> {
        self.auth_algorithms.as_ref().map(|algorithms| algorithms.iter().any(|known| **known == *algorithm))
    }

    /// Whether the server takes code challenges by this method (`code_challenge_methods_supported`); `None`
    /// if it does not say.
    #[must_use]
    pub fn supports_challenge(&self, method: &str) -> Option<bool> {
        self.challenge_methods.as_ref().map(|methods| methods.iter().any(|known| **known == *method))
    }

    /// Whether the server takes DPoP proofs that are signed by the algorithm of this registered name
    /// (`dpop_signing_alg_values_supported`, RFC 9449 §5.1); `None` if it does not say.
    #[must_use]
    pub fn supports_dpop(&self, algorithm: &str) -> Option<bool> {
        self.dpop_algorithms.as_ref().map(|algorithms| algorithms.iter().any(|known| **known == *algorithm))
    }

    /// The scopes that the server lists (`scopes_supported`).
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().flatten().map(|scope| &**scope)
    }

    /// Another member of the document, read anew at every call; `None` if it is absent, `null` or of another
    /// type than `T`.
    ///
    /// # Security
    ///
    /// A URL read in this way has not been checked: hand it to [`Endpoint::learned`].
    #[must_use]
    pub fn extra<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.document.member(name)
    }
}

impl fmt::Debug for ServerMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerMetadata")
            .field("issuer", &self.issuer)
            .field("authorization_endpoint", &self.authorization_endpoint)
            .field("token_endpoint", &self.token_endpoint)
            .finish_non_exhaustive()
    }
}

/// A URL that the document names.
fn learned(issuer: &Issuer, url: Option<&str>, name: &'static str) -> Result<Option<Endpoint>> {
    url.map(|url| Endpoint::learned(issuer, url).map_err(|error| error.with_detail(name))).transpose()
}

fn missing(name: &'static str) -> Error {
    Error::new(ErrorKind::Config, Reason::MissingEndpoint).with_detail(name)
}
