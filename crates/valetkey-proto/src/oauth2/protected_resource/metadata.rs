//! What an API says about itself (RFC 9728 §2).

use std::fmt;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::ResourceIdentifier;
use crate::{
    endpoint::Endpoint,
    error::{Error, ErrorKind, Reason, Result},
    oauth2::server::Issuer,
    response::{
        document::Document,
        members::{members, read},
        value::{Text, Texts},
    },
};

/// The most servers of one API.
const MAX_SERVERS: usize = 32;

/// What an API says about itself: whose tokens it takes, and how they are shown to it.
///
/// ```
/// use valetkey_proto::oauth2::protected_resource::{ResourceIdentifier, ResourceMetadata};
///
/// let resource = ResourceIdentifier::parse("https://api.example/v1")?;
/// let document = r#"{"resource":"https://api.example/v1","authorization_servers":["https://as.example"],
///     "scopes_supported":["read","write"],"dpop_bound_access_tokens_required":true}"#;
/// let metadata = ResourceMetadata::parse(&resource, &document.into())?;
/// assert_eq!(metadata.authorization_servers()[0].as_str(), "https://as.example");
/// assert!(metadata.demands_dpop() && metadata.scopes().eq(["read", "write"]));
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
///
/// # Security
///
/// An API can name any server, and an evil one names its own, to have users sign in there. Which server users of the
/// program may be sent to is for the program to say, or for the user to see (RFC 9728 §7.6, §7.8).
#[doc(alias = "RFC 9728")]
#[derive(Clone)]
pub struct ResourceMetadata {
    resource: ResourceIdentifier,
    /// Who has told all of this.
    teller: Endpoint,
    authorization_servers: Vec<Issuer>,
    scopes: Option<Vec<Box<str>>>,
    bearer_methods: Option<Vec<Box<str>>>,
    signing_algorithms: Option<Vec<Box<str>>>,
    dpop_algorithms: Option<Vec<Box<str>>>,
    details_types: Option<Vec<Box<str>>>,
    name: Option<Box<str>>,
    binds_to_certificates: bool,
    demands_dpop: bool,
    document: Document,
}

members! {
    struct Wire {
        resource: Text<'de>,
        authorization_servers: Texts,
        scopes_supported: Texts,
        bearer_methods_supported: Texts,
        resource_signing_alg_values_supported: Texts,
        resource_name: Text<'de>,
        tls_client_certificate_bound_access_tokens: bool,
        authorization_details_types_supported: Texts,
        dpop_signing_alg_values_supported: Texts,
        dpop_bound_access_tokens_required: bool,
    }
}

impl ResourceMetadata {
    /// Reads the metadata document of this API.
    ///
    /// # Errors
    ///
    /// `Untrusted`: [`Reason::IssuerMismatch`] if the document is about another API, byte for byte (RFC 9728 §3.3);
    /// [`Reason::AddressNotAllowed`] if a server is where only those inside may send requests. `Protocol`:
    /// [`Reason::Malformed`], which names a member of a wrong type, [`Reason::DuplicateParameter`],
    /// [`Reason::MissingParameter`] without `resource`, [`Reason::InvalidUrl`] or [`Reason::InsecureUrl`] if a server is
    /// none that could be, [`Reason::TooLarge`] if there are more than 32.
    pub fn parse(resource: &ResourceIdentifier, document: &Bytes) -> Result<Self> {
        Self::read(resource, resource.endpoint(), Document::new(document))
    }

    pub(super) fn read(resource: &ResourceIdentifier, teller: &Endpoint, document: Document) -> Result<Self> {
        let error = |reason| Error::new(ErrorKind::Protocol, reason);
        let wire: Wire<'_> = read(document.text()?)?;
        let named = wire.resource.ok_or_else(|| error(Reason::MissingParameter).with_detail("resource"))?;
        if *named != *resource.as_str() {
            return Err(Error::new(ErrorKind::Untrusted, Reason::IssuerMismatch).with_detail("resource"));
        }
        let servers = wire.authorization_servers.map(|Texts(list)| list).unwrap_or_default();
        if servers.len() > MAX_SERVERS {
            return Err(error(Reason::TooLarge).with_detail("authorization_servers"));
        }
        let server = |text: &str| {
            Issuer::told_by(teller, text).map_err(|error| error.with_detail("authorization_servers"))
        };
        let list = |texts: Option<Texts>| texts.map(|Texts(list)| list);
        Ok(Self {
            resource: resource.clone(),
            teller: teller.clone(),
            authorization_servers: servers.iter().map(|text| server(text)).collect::<Result<_>>()?,
            scopes: list(wire.scopes_supported),
            bearer_methods: list(wire.bearer_methods_supported),
            signing_algorithms: list(wire.resource_signing_alg_values_supported),
            dpop_algorithms: list(wire.dpop_signing_alg_values_supported),
            details_types: list(wire.authorization_details_types_supported),
            name: wire.resource_name.map(|name| Box::from(&*name)),
            binds_to_certificates: wire.tls_client_certificate_bound_access_tokens.unwrap_or(false),
            demands_dpop: wire.dpop_bound_access_tokens_required.unwrap_or(false),
            document,
        })
    }

    /// The API.
    #[must_use]
    pub fn resource(&self) -> &ResourceIdentifier {
        &self.resource
    }

    /// The servers whose tokens it takes (`authorization_servers`), in the API's order; none if it does not say. Requests to
    /// those on other hosts than the API's go to public addresses alone.
    #[must_use]
    pub fn authorization_servers(&self) -> &[Issuer] {
        &self.authorization_servers
    }

    /// The one server whose tokens it takes, or the one of this identifier among several.
    ///
    /// ```
    /// # use valetkey_proto::oauth2::protected_resource::{ResourceIdentifier, ResourceMetadata};
    /// # let resource = ResourceIdentifier::parse("https://api.example")?;
    /// let document = r#"{"resource":"https://api.example","authorization_servers":["https://a.example","https://b.example"]}"#;
    /// let metadata = ResourceMetadata::parse(&resource, &document.into())?;
    /// assert!(metadata.server(None).is_err(), "the program picks");
    /// assert_eq!(metadata.server(Some("https://b.example"))?.as_str(), "https://b.example");
    /// assert!(metadata.server(Some("https://c.example")).is_err());
    /// # Ok::<(), valetkey_proto::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::MissingEndpoint`] if the API names none. `Usage`: [`Reason::InvalidValue`] if there are several
    /// and it is not said which. `Untrusted`: [`Reason::IssuerMismatch`] if the one that is said is not among them.
    pub fn server(&self, issuer: Option<&str>) -> Result<&Issuer> {
        let error = |kind, reason| Error::new(kind, reason).with_detail("authorization_servers");
        match (&*self.authorization_servers, issuer) {
            ([], _) => Err(error(ErrorKind::Config, Reason::MissingEndpoint)),
            (servers, Some(issuer)) => servers
                .iter()
                .find(|known| known.as_str() == issuer)
                .ok_or_else(|| error(ErrorKind::Untrusted, Reason::IssuerMismatch)),
            ([server], None) => Ok(server),
            (_, None) => Err(error(ErrorKind::Usage, Reason::InvalidValue)),
        }
    }

    /// A URL by its name: `jwks_uri`, `resource_documentation`, `resource_policy_uri`, `resource_tos_uri`; checked when it is
    /// asked for.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::MissingEndpoint`] if there is none. `Protocol`: [`Reason::InvalidUrl`] or
    /// [`Reason::InsecureUrl`] if it is not `https`, [`Reason::Malformed`] if it is no text. `Untrusted`:
    /// [`Reason::AddressNotAllowed`] as [`Endpoint::learned`].
    pub fn endpoint(&self, name: &'static str) -> Result<Endpoint> {
        let missing = || Error::new(ErrorKind::Config, Reason::MissingEndpoint).with_detail(name);
        let url = self.document.url(name)?.ok_or_else(missing)?;
        Endpoint::told_by(&self.teller, &url).map_err(|error| error.with_detail(name))
    }

    /// The scopes that requests to the API take (`scopes_supported`), as far as it lists them.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().flatten().map(|scope| &**scope)
    }

    /// Whether a token may be shown in this way: `header`, `body`, `query` (`bearer_methods_supported`, RFC 6750 §2);
    /// `None` if it does not say.
    #[must_use]
    pub fn supports_bearer_method(&self, method: &str) -> Option<bool> {
        has(self.bearer_methods.as_deref(), method)
    }

    /// Whether it signs what it answers by the algorithm of this registered name
    /// (`resource_signing_alg_values_supported`); `None` if it does not say.
    #[must_use]
    pub fn supports_signing(&self, algorithm: &str) -> Option<bool> {
        has(self.signing_algorithms.as_deref(), algorithm)
    }

    /// Whether it takes DPoP proofs that are signed by the algorithm of this registered name
    /// (`dpop_signing_alg_values_supported`); `None` if it does not say.
    #[must_use]
    pub fn supports_dpop(&self, algorithm: &str) -> Option<bool> {
        has(self.dpop_algorithms.as_deref(), algorithm)
    }

    /// Whether it takes tokens alone that are bound to a key by DPoP (`dpop_bound_access_tokens_required`).
    #[must_use]
    pub fn demands_dpop(&self) -> bool {
        self.demands_dpop
    }

    /// Whether it knows tokens that are bound to a certificate (`tls_client_certificate_bound_access_tokens`, RFC 8705).
    #[must_use]
    pub fn binds_to_certificates(&self) -> bool {
        self.binds_to_certificates
    }

    /// The types of `authorization_details` that it knows (RFC 9396), as far as it lists them.
    pub fn authorization_details_types(&self) -> impl Iterator<Item = &str> {
        self.details_types.iter().flatten().map(|name| &**name)
    }

    /// What it is called by people (`resource_name`). Another language's is an [`extra`](Self::extra), as
    /// `resource_name#fr`.
    ///
    /// # Security
    ///
    /// Anybody can call an API anything.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Another member of the document, read anew at every call; `None` if it is absent, `null` or of another type than `T`.
    ///
    /// # Security
    ///
    /// A URL read in this way has not been checked: use [`endpoint`](Self::endpoint).
    #[must_use]
    pub fn extra<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.document.member(name)
    }
}

/// Whether a list has this, if there is a list.
fn has(list: Option<&[Box<str>]>, name: &str) -> Option<bool> {
    list.map(|list| list.iter().any(|known| **known == *name))
}

impl fmt::Debug for ResourceMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceMetadata")
            .field("resource", &self.resource)
            .field("authorization_servers", &self.authorization_servers)
            .finish_non_exhaustive()
    }
}
