//! What an API answers if it does not take a token (RFC 6750 §3, RFC 9449 §7.1, RFC 9728 §5.1).

use std::fmt;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, WWW_AUTHENTICATE},
};
use valetkey_http::Response;

use crate::{
    crypto::SignatureAlgorithm,
    endpoint::Endpoint,
    error::{Error, ErrorKind},
    oauth2::Scope,
};

/// Why a request to an API is refused, and how that is answered.
///
/// ```
/// use valetkey_proto::{endpoint::Endpoint, oauth2::protected_resource::Refusal};
///
/// let metadata = Endpoint::parse("https://api.example/.well-known/oauth-protected-resource")?;
/// let response = Refusal::no_token().with_resource_metadata(&metadata).response();
/// assert_eq!(response.status(), 401);
/// let challenges: Vec<_> = response.headers().get_all("www-authenticate").iter().collect();
/// assert_eq!(challenges[0], "Bearer resource_metadata=\"https://api.example/.well-known/oauth-protected-resource\"");
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
///
/// # Security
///
/// The answer says which of RFC 6750 §3.1's cases it is, and no more; [`error`](Self::error) is for the API's log.
#[derive(Clone)]
pub struct Refusal(Box<Inner>);

#[derive(Clone)]
struct Inner {
    case: Case,
    error: Option<Error>,
    /// Whether a proof was shown, or should have been.
    is_dpop: bool,
    scope: Option<Scope>,
    resource_metadata: Option<Endpoint>,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    NoToken,
    Request,
    Token,
    Proof,
    Scope,
    /// It cannot be known whether the token is good.
    Unknown,
}

/// The algorithms of proofs: those that every provider of cryptography has.
const PROOFS: [SignatureAlgorithm; 4] = [
    SignatureAlgorithm::Es256,
    SignatureAlgorithm::EdDsa,
    SignatureAlgorithm::Ps256,
    SignatureAlgorithm::Rs256,
];

impl Refusal {
    fn new(case: Case, error: Option<Error>, is_dpop: bool) -> Self {
        Self(Box::new(Inner { case, error, is_dpop, scope: None, resource_metadata: None }))
    }

    /// The request shows no token at all, and is told how to show one.
    #[must_use]
    pub fn no_token() -> Self {
        Self::new(Case::NoToken, None, false)
    }

    /// The token is good, and not for this (`insufficient_scope`); it takes this scope.
    #[must_use]
    pub fn insufficient_scope(needed: &Scope, is_bound: bool) -> Self {
        let mut refusal = Self::new(Case::Scope, None, is_bound);
        refusal.0.scope = Some(needed.clone());
        refusal
    }

    /// It cannot be known whether the token is good, because of this.
    #[must_use]
    pub fn unavailable(error: Error) -> Self {
        Self::new(Case::Unknown, Some(error), false)
    }

    pub(super) fn request(error: Error) -> Self {
        Self::new(Case::Request, Some(error), false)
    }

    pub(super) fn token(error: Error, is_dpop: bool) -> Self {
        // What the program did wrong is no fault of the client's.
        let is_ours = matches!(error.kind(), ErrorKind::Usage | ErrorKind::Config);
        Self::new(if is_ours { Case::Unknown } else { Case::Token }, Some(error), is_dpop)
    }

    pub(super) fn proof(error: Error) -> Self {
        Self::new(Case::Proof, Some(error), true)
    }

    /// Tells where the API's metadata is (RFC 9728 §5.1).
    #[must_use]
    pub fn with_resource_metadata(mut self, url: &Endpoint) -> Self {
        self.0.resource_metadata = Some(url.clone());
        self
    }

    /// What was wrong, if something was: for the API's log.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        self.0.error.as_ref()
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self.0.case {
            Case::NoToken | Case::Token | Case::Proof => StatusCode::UNAUTHORIZED,
            Case::Request => StatusCode::BAD_REQUEST,
            Case::Scope => StatusCode::FORBIDDEN,
            Case::Unknown => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The code of the answer, if it has one (RFC 6750 §3.1, RFC 9449 §7.1).
    #[must_use]
    pub fn code(&self) -> Option<&'static str> {
        match self.0.case {
            Case::NoToken | Case::Unknown => None,
            Case::Request => Some("invalid_request"),
            Case::Token => Some("invalid_token"),
            Case::Proof => Some("invalid_dpop_proof"),
            Case::Scope => Some("insufficient_scope"),
        }
    }

    /// The challenges of the answer: of both schemes if there was no token, otherwise of the token's. There is none if it
    /// was not the client's fault.
    #[must_use]
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let (bearer, dpop) = match self.0.case {
            Case::Unknown => (false, false),
            Case::NoToken => (true, true),
            Case::Request | Case::Token | Case::Proof | Case::Scope => (!self.0.is_dpop, self.0.is_dpop),
        };
        if bearer {
            self.challenge("Bearer", None, &mut headers);
        }
        if dpop {
            let names = PROOFS.map(SignatureAlgorithm::name).join(" ");
            self.challenge("DPoP", Some(("algs", &names)), &mut headers);
        }
        headers
    }

    fn challenge(&self, scheme: &str, first: Option<(&str, &str)>, headers: &mut HeaderMap) {
        let scope = self.0.scope.as_ref().map(Scope::as_str);
        let metadata = self.0.resource_metadata.as_ref().map(Endpoint::as_str);
        let parameters =
            [("error", self.code()), ("scope", scope), ("resource_metadata", metadata)].into_iter();
        let parameters = first.into_iter().chain(parameters.filter_map(|(name, value)| Some((name, value?))));
        // No scope and no URL has a quote or a backslash in it.
        let text =
            parameters.map(|(name, value)| format!("{name}=\"{value}\"")).collect::<Vec<_>>().join(", ");
        if let Ok(value) = HeaderValue::from_str(format!("{scheme} {text}").trim_end()) {
            headers.append(WWW_AUTHENTICATE, value);
        }
    }

    /// The answer, with an empty body.
    #[must_use]
    pub fn response(&self) -> Response {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = self.status();
        *response.headers_mut() = self.headers();
        response
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal")
            .field("case", &self.0.case)
            .field("error", &self.0.error)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.error {
            Some(error) => write!(f, "the token is not taken: {error}"),
            None if self.0.case == Case::NoToken => f.write_str("there is no token"),
            None => f.write_str("the token is not for this"),
        }
    }
}

impl std::error::Error for Refusal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.error.as_ref().map(|error| error as _)
    }
}
