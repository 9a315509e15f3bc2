//! A request whose last piece may still want a signature.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Uri,
    header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE},
};
use valetkey_http::{Addresses, Request};

use crate::{
    crypto::{RemoteKey, Signature, SigningKey},
    endpoint::Endpoint,
    error::{Error, ErrorKind, Reason, Result},
    flow::Signing,
    form::{self, Form},
    jose::{jwe::Encryption, jws},
    oauth1,
    oauth2::{
        profile::{Policies, RequestKind},
        resource::Placement,
    },
    secret::{AccessToken, wiped},
};

/// Where a signed text goes. Every signature of OAuth is appended, so that nothing of what is already
/// written changes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// A form parameter of this name, last in the form: `client_assertion=…`.
    Form(&'static str),
    /// A header field: `DPoP: …`.
    Header(HeaderName),
}

/// A request that an [`Exchange`](crate::Exchange) has written and [`Call`](crate::Call) completes.
///
/// ```
/// use valetkey_proto::{Draft, endpoint::Endpoint, form::Form};
///
/// let mut form = Form::new();
/// form.push("token", "abc");
/// let draft = Draft::post(&Endpoint::parse("https://as.example/revoke")?, form);
/// assert_eq!(draft.method(), http::Method::POST);
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
pub struct Draft {
    method: Method,
    uri: Uri,
    addresses: Addresses,
    headers: HeaderMap,
    body: Body,
    oauth1: Option<oauth1::Protocol>,
    unsigned: Vec<Unsigned>,
    /// What the provider wants otherwise.
    policies: Option<(Arc<Policies>, RequestKind)>,
}

enum Body {
    Form(Form),
    Bytes(Bytes),
}

/// A text that waits for the signature of a key that is elsewhere.
struct Unsigned {
    signing: Signing,
    rest: Rest,
}

/// What is to be done with the signature.
enum Rest {
    /// It is appended to the text, which may then be encrypted, and goes into its place.
    Compact { input: String, place: Place, encryption: Option<Box<Encryption>> },
    /// It is one more of OAuth 1.0's parameters.
    OAuth1(oauth1::Unfinished),
}

impl Draft {
    /// A `POST` of a form, whose answer should be JSON (RFC 6749 §3.2).
    #[must_use]
    pub fn post(endpoint: &Endpoint, form: Form) -> Self {
        Self::to(Method::POST, endpoint, Body::Form(form))
    }

    /// A `GET`, whose answer should be JSON.
    #[must_use]
    pub fn get(endpoint: &Endpoint) -> Self {
        Self::to(Method::GET, endpoint, Body::Bytes(Bytes::new()))
    }

    /// A request with a body of JSON, or of none if it is empty, whose answer should be JSON.
    pub(crate) fn json(method: Method, endpoint: &Endpoint, body: Bytes) -> Self {
        let has_body = !body.is_empty();
        let mut draft = Self::to(method, endpoint, Body::Bytes(body));
        if has_body {
            draft.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        draft
    }

    fn to(method: Method, endpoint: &Endpoint, body: Body) -> Self {
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let (uri, addresses) = (endpoint.uri().clone(), endpoint.addresses());
        let (oauth1, unsigned, policies) = (None, Vec::new(), None);
        Self { method, uri, addresses, headers, body, oauth1, unsigned, policies }
    }

    /// Has it changed as this provider wants it when it is complete.
    pub(crate) fn for_provider(mut self, policies: Option<&Arc<Policies>>, kind: RequestKind) -> Self {
        self.follow(policies, kind);
        self
    }

    /// As [`for_provider`](Self::for_provider), for who does not own it.
    pub(crate) fn follow(&mut self, policies: Option<&Arc<Policies>>, kind: RequestKind) {
        if let Some(policies) = policies {
            if let Body::Form(_) = self.body {
                // Now, because a DPoP proof names it.
                self.method = policies.method(kind);
            }
            self.policies = Some((Arc::clone(policies), kind));
        }
    }

    /// Puts an access token into it.
    pub(crate) fn place(&mut self, token: &AccessToken, placement: &Placement) -> Result<()> {
        let body = match &mut self.body {
            Body::Bytes(bytes) => Some(bytes),
            Body::Form(_) => None,
        };
        placement.put(token, &mut self.uri, &mut self.headers, body)
    }

    /// A request of the user's, taken as it is.
    #[must_use]
    pub fn of(request: Request) -> Self {
        let (parts, body) = request.into_parts();
        let http::request::Parts { method, uri, headers, .. } = parts;
        let (addresses, body) = (Addresses::Any, Body::Bytes(body));
        let (oauth1, unsigned, policies) = (None, Vec::new(), None);
        Self { method, uri, addresses, headers, body, oauth1, unsigned, policies }
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Where it goes.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The addresses that it may go to: its [`Endpoint`] says so.
    pub(crate) fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// The header fields.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The header fields, to be changed.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.headers
    }

    /// The form, to be added to; `None` if the body is no form.
    pub fn form_mut(&mut self) -> Option<&mut Form> {
        match &mut self.body {
            Body::Form(form) => Some(form),
            Body::Bytes(_) => None,
        }
    }

    /// Signs `input` and puts `input.signature` in its place (RFC 7515 §3.1): at once with a key that is
    /// here, and with one that is elsewhere as soon as [`Step::Sign`](crate::Step::Sign) is answered.
    ///
    /// # Errors
    ///
    /// `Config`: what the key fails with. `Usage`: [`Reason::InvalidValue`] if the place does not exist in
    /// this request or cannot hold the text.
    pub fn sign(&mut self, key: &SigningKey, input: String, place: Place) -> Result<()> {
        self.sign_compact(key, input, place, None)
    }

    /// Signs `input` as [`sign`](Self::sign) does, encrypts the whole, and puts that in its place: the one signature
    /// that is wrapped rather than appended (RFC 9101 §6.1).
    ///
    /// # Errors
    ///
    /// As [`sign`](Self::sign).
    pub fn sign_encrypted(
        &mut self,
        key: &SigningKey,
        input: String,
        place: Place,
        encryption: Encryption,
    ) -> Result<()> {
        self.sign_compact(key, input, place, Some(Box::new(encryption)))
    }

    fn sign_compact(
        &mut self,
        key: &SigningKey,
        input: String,
        place: Place,
        encryption: Option<Box<Encryption>>,
    ) -> Result<()> {
        match key {
            SigningKey::Local(signer) => {
                let mut signature = Signature::new();
                signer.sign(input.as_bytes(), &mut signature)?;
                self.put(input, signature.as_ref(), &place, encryption)
            }
            SigningKey::Remote(key) => {
                let signing = Signing::new(key, input.as_bytes());
                self.unsigned.push(Unsigned { signing, rest: Rest::Compact { input, place, encryption } });
                Ok(())
            }
        }
    }

    /// The next message that waits for a signature.
    pub(crate) fn wants(&self) -> Option<&Signing> {
        self.unsigned.first().map(|unsigned| &unsigned.signing)
    }

    /// Puts the signature that was asked for into its place.
    pub(crate) fn signed(&mut self, signature: &[u8]) -> Result<()> {
        if self.unsigned.is_empty() {
            return Err(Error::new(ErrorKind::Usage, Reason::OutOfTurn));
        }
        match self.unsigned.remove(0).rest {
            Rest::Compact { input, place, encryption } => self.put(input, signature, &place, encryption),
            Rest::OAuth1(unfinished) => unfinished.finish(signature, self.target()),
        }
    }

    /// Says that this request is of OAuth 1.0, and what it is signed with.
    pub(crate) fn with_oauth1(mut self, protocol: oauth1::Protocol) -> Self {
        self.oauth1 = Some(protocol);
        self
    }

    /// Whether this request must be signed by OAuth 1.0.
    pub(crate) fn is_oauth1(&self) -> bool {
        self.oauth1.is_some()
    }

    pub(crate) fn take_oauth1(&mut self) -> Option<oauth1::Protocol> {
        self.oauth1.take()
    }

    /// The form, or the bytes of a body that is none.
    pub(crate) fn body(&self) -> (Option<&str>, &[u8]) {
        match &self.body {
            Body::Form(form) => (Some(form.expose()), b""),
            Body::Bytes(bytes) => (None, bytes),
        }
    }

    /// The parts that a signature may be put into.
    pub(crate) fn target(&mut self) -> oauth1::Target<'_> {
        let body = match &mut self.body {
            Body::Form(form) => oauth1::BodyMut::Form(form),
            Body::Bytes(bytes) => oauth1::BodyMut::Bytes(bytes),
        };
        oauth1::Target { uri: &mut self.uri, headers: &mut self.headers, body }
    }

    /// Has this message signed elsewhere, for OAuth 1.0.
    pub(crate) fn queue(&mut self, key: &RemoteKey, message: &[u8], rest: oauth1::Unfinished) {
        self.unsigned.push(Unsigned { signing: Signing::new(key, message), rest: Rest::OAuth1(rest) });
    }

    fn put(
        &mut self,
        mut signed: String,
        signature: &[u8],
        place: &Place,
        encryption: Option<Box<Encryption>>,
    ) -> Result<()> {
        let invalid =
            || Error::new(ErrorKind::Usage, Reason::InvalidValue).with_detail("place of a signature");
        jws::append(&mut signed, signature);
        if let Some(encryption) = encryption {
            signed = encryption.finish(&signed)?;
        }
        match (place, &mut self.body) {
            (Place::Form(name), Body::Form(form)) => drop(form.push(name, &signed)),
            (Place::Form(_), Body::Bytes(_)) => return Err(invalid()),
            (Place::Header(name), _) => {
                let value = HeaderValue::try_from(signed).map_err(|_| invalid())?;
                self.headers.insert(name, value);
            }
        }
        Ok(())
    }

    /// The request, complete.
    pub(crate) fn into_request(self) -> Result<Request> {
        let Self { method, uri, mut headers, body, policies, .. } = self;
        let mut form_for_provider = None;
        let body = match body {
            Body::Form(form) => {
                if policies.is_some() {
                    form_for_provider = Some(form.clone());
                }
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(form::MEDIA_TYPE));
                wiped(form.into_bytes())
            }
            Body::Bytes(bytes) => bytes,
        };
        // hyper and reqwest leave it out when there is no body, and some servers then answer 411.
        let may_lack_length = body.is_empty() && matches!(method, Method::POST | Method::PUT | Method::PATCH);
        if may_lack_length && !headers.contains_key(CONTENT_LENGTH) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let mut request = Request::new(body);
        (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (method, uri, headers);
        if let Some((policies, kind)) = policies {
            policies.write(kind, form_for_provider.as_ref(), &mut request)?;
        }
        Ok(request)
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft")
            .field("method", &self.method)
            .field("host", &self.uri.host())
            .field("unsigned", &self.unsigned.len())
            .finish_non_exhaustive()
    }
}
