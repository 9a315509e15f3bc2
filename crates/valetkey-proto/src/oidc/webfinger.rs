//! From what a user types to the server that knows the user (OpenID Connect Discovery §2, RFC 7033).

use std::{fmt, net::Ipv4Addr};

use serde_json::value::RawValue;
use valetkey_http::{Addresses, Response, is_public_host};

use crate::{
    call::{Exchange, Retry},
    draft::Draft,
    endpoint::Endpoint,
    error::{Error, ErrorKind, Reason, Result},
    flow::Env,
    form,
    oauth2::server::Issuer,
    response::{
        json,
        members::{members, read},
        value::Text,
    },
    time::Timestamp,
};

/// The one relation that is read (§2).
const ISSUER: &str = "http://openid.net/specs/connect/1.0/issuer";
/// The longest identifier.
const MAX_IDENTIFIER: usize = 2048;
/// The most links of a document that are looked at.
const MAX_LINKS: usize = 100;

/// What a user typed, normalised (§2.1): the resource that is asked about, and the host that is asked.
///
/// ```
/// use valetkey_proto::oidc::webfinger::Identifier;
///
/// for (typed, resource, host) in [
///     ("joe@example.com", "acct:joe@example.com", "example.com"),
///     ("example.com:8080", "https://example.com:8080/", "example.com:8080"),
///     ("https://example.com/joe#top", "https://example.com/joe", "example.com"),
///     ("acct:juliet%40capulet.example@shopping.example.com", "acct:juliet%40capulet.example@shopping.example.com",
///         "shopping.example.com"),
/// ] {
///     let identifier = Identifier::parse(typed)?;
///     assert_eq!((identifier.resource(), identifier.host()), (resource, host));
/// }
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Identifier {
    resource: Box<str>,
    scheme: &'static str,
    host: Box<str>,
}

impl Identifier {
    /// Takes an e-mail address or `acct:` URI, an `https` URL, or a host with or without a port and a path; `http` on
    /// loopback alone.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::InvalidUrl`] for anything else, XRIs among it; [`Reason::InsecureUrl`] for `http`.
    pub fn parse(typed: &str) -> Result<Self> {
        let text = typed.trim();
        let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        // §2.1.1: what begins so is an XRI, which nobody resolves any more.
        let is_xri = text.starts_with(['=', '@', '!', '$', '+', '(']) || starts_with(text, "xri:");
        if text.is_empty() || text.len() > MAX_IDENTIFIER || !is_visible || is_xri {
            return Err(invalid());
        }
        // §2.1.2: a fragment says nothing here.
        let (text, _) = text.split_once('#').unwrap_or((text, ""));
        if starts_with(text, "acct:") {
            return Self::account(text.get("acct:".len()..).unwrap_or_default());
        }
        if text.contains("://") {
            return Self::url(text);
        }
        let is_bare = !text.contains(['/', '?', ':']);
        if is_bare && text.contains('@') {
            Self::account(text)
        } else {
            Self::url(&format!("https://{text}"))
        }
    }

    /// `user@host`: the host is what is behind the last `@` (RFC 7565 §4).
    fn account(text: &str) -> Result<Self> {
        let (user, host) = text.rsplit_once('@').ok_or_else(invalid)?;
        let is_user = |byte: u8| form::is_unreserved(byte) || b"!$&'()*+,;=%".contains(&byte);
        if user.is_empty() || !user.bytes().all(is_user) || host.contains(':') {
            return Err(invalid());
        }
        let url = endpoint(&format!("https://{host}/"))?;
        // Nothing but a host came of it.
        if url.uri().path() != "/" || url.uri().query().is_some() {
            return Err(invalid());
        }
        Ok(Self { resource: format!("acct:{text}").into(), scheme: "https", host: host.into() })
    }

    fn url(text: &str) -> Result<Self> {
        let url = endpoint(text)?;
        let (authority, path) = (url.uri().authority(), url.uri().path_and_query());
        let authority = authority.ok_or_else(invalid)?.as_str();
        let scheme = if url.uri().scheme_str() == Some("http") { "http" } else { "https" };
        // §2.2.3: a host alone is a URL whose path is the root.
        let path = path.map_or("/", |path| path.as_str());
        let slash = if path.starts_with('/') { "" } else { "/" };
        let resource = format!("{scheme}://{authority}{slash}{path}").into();
        Ok(Self { resource, scheme, host: authority.into() })
    }

    /// What is asked about.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// Who is asked: a host, with a port if there is one.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether the host is a name that could be anybody's: with a dot in it, no address, and of no domain that is
    /// only known inside a network (RFC 6761, RFC 6762, RFC 8375, `internal`). The policy that most programs want.
    ///
    /// ```
    /// use valetkey_proto::oidc::webfinger::Identifier;
    ///
    /// assert!(Identifier::parse("joe@example.com")?.has_public_name());
    /// assert!(!Identifier::parse("joe@127.0.0.1")?.has_public_name());
    /// assert!(!Identifier::parse("joe@metadata.google.internal")?.has_public_name());
    /// # Ok::<(), valetkey_proto::Error>(())
    /// ```
    ///
    /// # Security
    ///
    /// A public name may have a private address. The backend sees the addresses; this sees the name.
    #[must_use]
    pub fn has_public_name(&self) -> bool {
        let name = self.host.split(':').next().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
        let last = name.rsplit('.').next().unwrap_or_default();
        // A number at the end makes an address of it, however it is written.
        let is_number = last.starts_with(|first: char| first.is_ascii_digit());
        let is_address = self.host.starts_with('[') || is_number || name.parse::<Ipv4Addr>().is_ok();
        let is_private =
            ["localhost", "local", "internal", "intranet", "lan", "home", "test", "invalid", "onion"]
                .contains(&last)
                || name.ends_with(".home.arpa");
        name.contains('.') && !is_address && !is_private
    }
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn endpoint(url: &str) -> Result<Endpoint> {
    Endpoint::parse(url).map_err(|error| error.restated_by(ErrorKind::Usage).with_detail("identifier"))
}

fn invalid() -> Error {
    Error::new(ErrorKind::Usage, Reason::InvalidUrl).with_detail("identifier")
}

impl fmt::Debug for Identifier {
    /// Shows the host: the rest is a user's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identifier").field("host", &self.host).finish_non_exhaustive()
    }
}

/// Asks a host which server knows a user (§2.2). It is called by nobody in particular:
/// [`Call::anonymous`](crate::Call::anonymous).
///
/// ```
/// use valetkey_proto::{Call, oidc::webfinger::{Identifier, WebFingerRequest}};
///
/// let identifier = Identifier::parse("joe@example.com")?;
/// let call = Call::anonymous(WebFingerRequest::new(&identifier, Identifier::has_public_name)?);
/// # let _ = call;
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
///
/// # Security
///
/// The host is of the user's choice. What comes of it is an issuer that the same user has chosen: it is to be trusted
/// with signing in that user and nobody else, and users are told apart by issuer and subject together.
///
/// To a host and of an issuer that are not on this machine or at a private address by their own words, requests go to
/// public addresses alone ([`Issuer::with_addresses`]), whatever their names lead to.
#[derive(Clone)]
pub struct WebFingerRequest {
    identifier: Identifier,
    url: Endpoint,
}

impl WebFingerRequest {
    /// Asks about this identifier, if the program says that its host may be asked.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::OriginNotAllowed`] if it may not.
    pub fn new(identifier: &Identifier, may_ask: impl FnOnce(&Identifier) -> bool) -> Result<Self> {
        if !may_ask(identifier) {
            return Err(Error::new(ErrorKind::Usage, Reason::OriginNotAllowed));
        }
        let mut url = format!("{}://{}/.well-known/webfinger?resource=", identifier.scheme, identifier.host);
        form::encode(&mut url, &identifier.resource);
        url.push_str("&rel=");
        form::encode(&mut url, ISSUER);
        let url = endpoint(&url)?;
        // Whoever is inside by its own words was let by the program.
        let addresses = if is_public_host(url.host()) { Addresses::Public } else { Addresses::Any };
        Ok(Self { identifier: identifier.clone(), url: url.with_addresses(addresses) })
    }
}

members! {
    struct Document {
        subject: Text<'de>,
        links: Vec<&'de RawValue>,
    }
}

members! {
    struct Link {
        rel: Text<'de>,
        href: Text<'de>,
    }
}

impl Exchange for WebFingerRequest {
    type Output = Issuer;

    fn retry(&self) -> Retry {
        Retry::IDEMPOTENT
    }

    fn request(&self, _: &Env<'_>) -> Result<Draft> {
        Ok(Draft::get(&self.url))
    }

    fn response(&self, response: Response, _: Timestamp, _: &Env<'_>) -> Result<Issuer> {
        let document: Document<'_> = read(json(&response)?)?;
        if document.subject.is_some_and(|subject| *subject != *self.identifier.resource) {
            return Err(Error::new(ErrorKind::Untrusted, Reason::SubjectMismatch));
        }
        let links = document.links.unwrap_or_default();
        // RFC 7033 §4.4.4: the first of several is the best.
        for link in links.iter().take(MAX_LINKS) {
            let link: Link<'_> = read(link.get())?;
            if link.rel.as_deref() == Some(ISSUER) {
                return Issuer::told_by(&self.url, link.href.as_deref().unwrap_or_default());
            }
        }
        Err(Error::new(ErrorKind::Protocol, Reason::MissingParameter).with_detail("issuer"))
    }
}

impl fmt::Debug for WebFingerRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebFingerRequest").field("identifier", &self.identifier).finish_non_exhaustive()
    }
}
