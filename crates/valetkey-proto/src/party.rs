//! Who we are to a server: how requests are authenticated, and how many retries are left.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderValue, Uri, header::AUTHORIZATION};

use crate::{
    draft::Draft,
    endpoint::Origin,
    error::{Error, ErrorKind, Reason, Result},
    flow::Env,
    form::{self, Form},
    oauth1,
    oauth2::{
        client::{Asserted, ClientAuth, ClientId, Method, SAML_BEARER},
        profile::{Policies, RequestKind},
        resource::Placement,
        server::{Issuer, ServerMetadata},
    },
    secret::{AccessToken, ClientSecret, Secret, Wiped, wiped},
};

/// One side of a relation with one server, shared by all calls to it.
///
/// [`Call`](crate::Call) lets it authenticate every request, and takes every retry from its budget: 500
/// units, of which a retry costs 14, or 5 if the server asked for it, and an answer gives one back. A
/// server that is down so gets few retries from many callers.
pub struct Party {
    issuer: Option<Issuer>,
    auth: Auth,
    budget: AtomicU32,
    /// Where the access token stands, if that is not where RFC 6750 §2.1 has it.
    placement: Option<Arc<Placement>>,
    policies: Option<Arc<Policies>>,
}

enum Auth {
    None,
    /// `Authorization: Basic …`, made once.
    Basic(HeaderValue),
    /// The same, and the client's name in the form.
    BasicAndId(HeaderValue, ClientId),
    Post(ClientId, ClientSecret),
    /// A public client names itself (RFC 6749 §3.2.1).
    Public(ClientId),
    Assertion(Box<Asserted>),
    Saml(ClientId, Secret),
    Bearer(AccessToken, Arc<[Origin]>),
    OAuth1(Box<oauth1::Signer>),
}

impl Party {
    /// Nobody in particular: for metadata and other public documents.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::with(None, Auth::None)
    }

    /// A client of this server, which authenticates in this way (RFC 6749 §2.3).
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidValue`] if the id or the secret cannot be put into a header as they are
    /// (only with [`ClientAuth::secret_basic_raw`]); by assertion, [`Reason::InvalidKey`] for a secret that is too
    /// short, [`Reason::UnsupportedAlgorithm`], and [`Reason::IssuerMismatch`] for a key that is another server's alone.
    pub fn client(issuer: Issuer, id: &ClientId, auth: &ClientAuth) -> Result<Self> {
        let auth = match auth.method() {
            Method::Unnamed => Auth::None,
            Method::None => Auth::Public(id.clone()),
            Method::Assertion(key) => Auth::Assertion(Box::new(Asserted::new(&issuer, id, key)?)),
            Method::Saml(assertion) => Auth::Saml(id.clone(), assertion.clone()),
            Method::Post(secret) => Auth::Post(id.clone(), secret.clone()),
            Method::Basic(secret) => Auth::Basic(encoded(id, secret)?),
            Method::BasicAndId(secret) => Auth::BasicAndId(encoded(id, secret)?, id.clone()),
            Method::Bearer(secret) => {
                let text = Wiped::new(["Bearer ", secret.expose()].concat());
                Auth::BasicAndId(sensitive(text.as_bytes().to_vec())?, id.clone())
            }
            Method::BasicRaw(secret) => {
                // RFC 7617 §2: the first colon ends the user id.
                if id.as_str().contains(':') {
                    return Err(Error::new(ErrorKind::Config, Reason::InvalidValue).with_detail("client id"));
                }
                let text = Wiped::new([id.as_str(), ":", secret.expose()].concat());
                Auth::Basic(basic(&text)?)
            }
        };
        Ok(Self::with(Some(issuer), auth))
    }

    /// The bearer of an access token that may be shown to these origins and to nobody else. One that is bound to a key
    /// needs [`Call::with_dpop`](crate::Call::with_dpop).
    #[must_use]
    pub fn bearer(issuer: Issuer, token: AccessToken, origins: Arc<[Origin]>) -> Self {
        Self::with(Some(issuer), Auth::Bearer(token, origins))
    }

    /// Puts the access token elsewhere in requests than RFC 6750 §2.1 has it.
    #[must_use]
    pub fn with_placement(mut self, placement: Arc<Placement>) -> Self {
        self.placement = Some(placement);
        self
    }

    /// Uses APIs as the profile of this server says, if it has one: where tokens stand, and what the profile's hooks do.
    #[must_use]
    pub fn with_server(mut self, server: &ServerMetadata) -> Self {
        self.policies = server.policies().cloned();
        self.placement = server.placement();
        self
    }

    /// Where access tokens stand, if that is not where RFC 6750 §2.1 has them.
    #[must_use]
    pub fn placement(&self) -> Option<&Arc<Placement>> {
        self.placement.as_ref()
    }

    /// Puts the access token into a request that is sent by other means; nothing else of it is changed.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::OriginNotAllowed`] unless the request goes to one of the origins;
    /// [`Reason::AlreadyAuthorized`]; [`Reason::InvalidValue`] if the token stands in a form, which here is not to be
    /// seen, or this is the bearer of none.
    pub fn attach<B>(&self, request: &mut http::Request<B>) -> Result<()> {
        let Auth::Bearer(token, origins) = &self.auth else {
            return Err(Error::new(ErrorKind::Usage, Reason::InvalidValue).with_detail("no access token"));
        };
        check_origin(origins, request.uri())?;
        if request.headers().contains_key(AUTHORIZATION) {
            return Err(Error::new(ErrorKind::Usage, Reason::AlreadyAuthorized));
        }
        let Some(placement) = &self.placement else {
            request.headers_mut().insert(AUTHORIZATION, token.header().clone());
            return Ok(());
        };
        let mut uri = request.uri().clone();
        placement.put(token, &mut uri, request.headers_mut(), None)?;
        *request.uri_mut() = uri;
        Ok(())
    }

    /// Whoever this signer signs for (RFC 5849 §3), at a server of OAuth 1.0 and at its APIs.
    ///
    /// The requests for credentials bring their own token; for all else, the signer's is used. A key of the signer
    /// may be remote.
    #[must_use]
    pub fn oauth1(signer: oauth1::Signer) -> Self {
        Self::with(None, Auth::OAuth1(Box::new(signer)))
    }

    fn with(issuer: Option<Issuer>, auth: Auth) -> Self {
        Self { issuer, auth, budget: AtomicU32::new(BUDGET), placement: None, policies: None }
    }

    /// The issuer of the server, unless this is nobody in particular.
    #[must_use]
    pub fn issuer(&self) -> Option<&Issuer> {
        self.issuer.as_ref()
    }

    /// The access token that requests show.
    pub(crate) fn access_token(&self) -> Option<&AccessToken> {
        if let Auth::Bearer(token, _) = &self.auth { Some(token) } else { None }
    }

    /// Authenticates a request, anew at every attempt.
    ///
    /// A request that brings credentials of its own is refused: there is one method a request (RFC 6749 §2.3,
    /// RFC 6750 §2).
    pub(crate) fn authenticate(&self, draft: &mut Draft, env: &Env<'_>) -> Result<()> {
        match &self.auth {
            Auth::OAuth1(signer) => signer.sign_draft(draft, env)?,
            _ if draft.is_oauth1() => {
                let error = Error::new(ErrorKind::Config, Reason::MissingClientAuthentication);
                return Err(error.with_detail("Party::oauth1"));
            }
            Auth::None => {}
            Auth::Basic(header) => {
                // The id alone proves nothing, and some servers want it in the form as well.
                refuse_credentials(draft, &["client_secret", "client_assertion"])?;
                draft.headers_mut().insert(AUTHORIZATION, header.clone());
            }
            Auth::BasicAndId(header, id) => {
                refuse_credentials(draft, &["client_id", "client_secret", "client_assertion"])?;
                draft.headers_mut().insert(AUTHORIZATION, header.clone());
                draft.form_mut().ok_or_else(no_form)?.push("client_id", id.as_str());
            }
            Auth::Post(id, secret) => {
                refuse_credentials(draft, &["client_id", "client_secret", "client_assertion"])?;
                let form = draft.form_mut().ok_or_else(no_form)?;
                form.push("client_id", id.as_str()).push("client_secret", secret.expose());
            }
            Auth::Public(id) => {
                refuse_credentials(draft, &["client_id", "client_secret", "client_assertion"])?;
                draft.form_mut().ok_or_else(no_form)?.push("client_id", id.as_str());
            }
            Auth::Assertion(client) => {
                refuse_credentials(draft, &["client_secret", "client_assertion", "client_assertion_type"])?;
                client.append(draft, env)?;
            }
            Auth::Saml(id, assertion) => {
                refuse_credentials(draft, &["client_id", "client_secret", "client_assertion"])?;
                let form = draft.form_mut().ok_or_else(no_form)?;
                form.push("client_id", id.as_str())
                    .push("client_assertion_type", SAML_BEARER)
                    .push("client_assertion", assertion.expose());
            }
            Auth::Bearer(token, origins) => {
                check_origin(origins, draft.uri())?;
                refuse_credentials(draft, &[])?;
                match &self.placement {
                    None => drop(draft.headers_mut().insert(AUTHORIZATION, token.header().clone())),
                    Some(placement) => draft.place(token, placement)?,
                }
                draft.follow(self.policies.as_ref(), RequestKind::Resource);
            }
        }
        Ok(())
    }

    /// Pays for a retry; `false` if the budget does not reach.
    pub(crate) fn pay(&self, cost: u32) -> bool {
        self.budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(cost)).is_ok()
    }

    /// An answer came: the server is alive.
    pub(crate) fn earn(&self) {
        // While nothing was spent, which is nearly always, the shared line is read and not written.
        if self.budget.load(Ordering::Relaxed) < BUDGET {
            let earned = |left: u32| Some(left.saturating_add(1).min(BUDGET));
            let _ = self.budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, earned);
        }
    }
}

/// The units of a full budget.
const BUDGET: u32 = 500;

/// `Basic` credentials, form-encoded first (RFC 6749 §2.3.1).
fn encoded(id: &ClientId, secret: &ClientSecret) -> Result<HeaderValue> {
    let mut text = Wiped::new(String::with_capacity(3 * (id.as_str().len() + secret.expose().len()) + 1));
    form::encode(&mut text, id.as_str());
    text.push(':');
    form::encode(&mut text, secret.expose());
    basic(&text)
}

/// `Basic` credentials (RFC 7617 §2) as a header value that is wiped and marked sensitive.
fn basic(credentials: &str) -> Result<HeaderValue> {
    let mut text = "Basic ".to_owned();
    text.reserve_exact(credentials.len().div_ceil(3) * 4);
    STANDARD.encode_string(credentials, &mut text);
    sensitive(text.into_bytes())
}

/// A header value that is wiped and not shown.
fn sensitive(text: Vec<u8>) -> Result<HeaderValue> {
    let invalid = |_| Error::new(ErrorKind::Config, Reason::InvalidValue).with_detail("client credentials");
    let mut value = HeaderValue::from_maybe_shared(wiped(text)).map_err(invalid)?;
    value.set_sensitive(true);
    Ok(value)
}

/// A token goes to the APIs that it is for (RFC 6750 §5.2).
fn check_origin(origins: &[Origin], uri: &Uri) -> Result<()> {
    match origins.iter().any(|origin| origin.is_of(uri)) {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::Usage, Reason::OriginNotAllowed)),
    }
}

/// Refuses an `Authorization` header and these parameters of client authentication.
fn refuse_credentials(draft: &mut Draft, parameters: &[&str]) -> Result<()> {
    let has_header = draft.headers().contains_key(AUTHORIZATION);
    // All their names begin alike, and in most forms nothing does: one search for that is quicker than reading
    // the form by its pieces.
    let has = |form: &mut Form| form.expose().contains("client_") && form.contains_one_of(parameters);
    if has_header || draft.form_mut().is_some_and(has) {
        return Err(Error::new(ErrorKind::Usage, Reason::AlreadyAuthorized));
    }
    Ok(())
}

pub(crate) fn no_form() -> Error {
    Error::new(ErrorKind::Usage, Reason::InvalidValue).with_detail("client authentication needs a form")
}

impl fmt::Debug for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let auth = match self.auth {
            Auth::None => "none",
            Auth::Basic(_) => "basic",
            Auth::Post(..) => "post",
            Auth::Public(_) => "public",
            Auth::Assertion(_) => "assertion",
            Auth::Saml(..) => "saml",
            Auth::BasicAndId(..) => "basic",
            Auth::Bearer(..) => "bearer",
            Auth::OAuth1(_) => "oauth1",
        };
        f.debug_struct("Party").field("issuer", &self.issuer).field("auth", &auth).finish_non_exhaustive()
    }
}
