//! Requests with a session's token: sent, or attached for who sends them, and what an answer says of the token.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use http::{HeaderName, StatusCode, Uri, header::AUTHORIZATION};
use valetkey_http::{Request, Response};
use valetkey_proto::{
    Call, Error, ErrorCode, ErrorKind, Reason, Result,
    header::Challenge,
    oauth2::{
        binding::{Dpop, Proof},
        resource::ResourceRequest,
    },
    secret::AccessToken,
};

use super::{Anomaly, Session, SessionEvent, live::InUse};
use crate::run::run;

/// Marks, as an extension of a request, that it must not be sent a second time, even if an API answers that it has
/// not acted on it.
///
/// ```
/// use bytes::Bytes;
///
/// let request = http::Request::post("https://api.example/pay").extension(valetkey::NoReplay).body(Bytes::new());
/// # let _ = request;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a mark")]
pub struct NoReplay;

/// What to do with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "an answer is either final or not")]
pub enum Verdict {
    /// The access token was refused, and there is another one; or the API wants a nonce in the proof, and named it: attach
    /// anew, and send once more.
    Again,
    /// The answer is the answer.
    Final,
}

/// Which token a request went out with: [`Session::attach`] gives it, and [`Session::learn`] takes it.
#[derive(Clone)]
pub struct Attached {
    used: InUse,
    proven: Option<Proven>,
}

/// Marks a request that carries a token of ours, which may be replaced; with its URL as it was before, if the token stands in
/// that.
#[derive(Clone)]
struct Ours(Option<Uri>);

/// Marks a request that carries a proof of ours: whose nonces are learned from the answer, and whether a demand for one
/// has been answered.
#[derive(Clone)]
struct Proven {
    uri: Uri,
    challenged: Arc<AtomicBool>,
}

impl Session {
    /// Sends a request to an API with the access token (RFC 6750 §2.1), which is renewed first if it is about to
    /// expire. If the API refuses it with 401, it is renewed and the request sent once more, unless it is marked
    /// [`NoReplay`]. The answer is returned whatever its status; a redirect is an answer, and is not followed.
    ///
    /// At most as much of an answer is taken as the client allows
    /// ([`ClientBuilder::max_api_body`](crate::ClientBuilder::max_api_body), 16 MiB).
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::OriginNotAllowed`] unless the request goes to an API of the client
    /// ([`ClientBuilder::api`](crate::ClientBuilder::api)), [`Reason::AlreadyAuthorized`] if it has an
    /// `Authorization` header; nothing has then been sent. `Denied`: [`Reason::RefreshDenied`],
    /// [`Reason::RotationLost`]; `Expired`: [`Reason::TokenExpired`]; sign in again. `Denied`:
    /// [`Reason::NotReplayed`] for a request that the API refused and that must not be sent again; the token has been
    /// renewed. `Transport`, `Timeout`: it did not get through. `Protocol`: [`Reason::TooLarge`]. Otherwise whatever
    /// renewing ends with.
    pub fn send(&self, request: Request) -> impl Future<Output = Result<Response>> + Send + '_ {
        // In a box, so that the futures of callers do not carry the whole exchange.
        Box::pin(self.exchange(request))
    }

    async fn exchange(&self, request: Request) -> Result<Response> {
        let may_replay = request.extensions().get::<NoReplay>().is_none();
        let mut request = ResourceRequest::new(request).with_max_body(self.grant.client.max_api_body());
        if !may_replay {
            request = request.sent_once();
        }
        let mut response = self.answer(&request, may_replay).await?;
        self.note(request.method(), request.uri(), &mut response).await;
        Ok(response)
    }

    async fn answer(&self, request: &ResourceRequest, may_replay: bool) -> Result<Response> {
        let runtime = self.grant.client.runtime();
        let used = self.usable().await?;
        let call =
            |used: &InUse| Call::new(request, Arc::clone(&used.party)).with_dpop(used.live.dpop.clone());
        let response = run(call(&used), runtime).await?;
        if self.judge(&used, &response).await? == Verdict::Final {
            return Ok(response);
        }
        if !may_replay {
            let challenges = Challenge::parse_all(response.headers()).unwrap_or_default();
            let error = Error::new(ErrorKind::Denied, Reason::NotReplayed);
            return Err(error.with_status(response.status()).with_challenges(challenges));
        }
        let used = self.usable().await?;
        let response = run(call(&used), runtime).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            used.accept();
        } else if !used.may_be_refused(runtime.now()) {
            self.grant.client.observer().event(&SessionEvent::Anomaly(Anomaly::NewTokenRefused));
        }
        Ok(response)
    }

    /// Puts the access token into a request that you send yourself, renewed if it is about to expire. Give what it
    /// returns to [`learn`](Self::learn) with the answer.
    ///
    /// ```
    /// use valetkey::{Verdict, Session};
    /// # use bytes::Bytes;
    /// # async fn send(_: http::Request<Bytes>) -> http::Response<Bytes> { http::Response::new(Bytes::new()) }
    ///
    /// async fn call(session: &Session, mut request: http::Request<Bytes>) -> valetkey::Result<http::Response<Bytes>> {
    ///     loop {
    ///         let attached = session.attach(&mut request).await?;
    ///         let response = send(request.clone()).await;
    ///         match session.learn(&attached, &response).await? {
    ///             Verdict::Again => {}
    ///             Verdict::Final => return Ok(response),
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send) before it sends.
    pub async fn attach<B>(&self, request: &mut http::Request<B>) -> Result<Attached> {
        if !self.grant.client.origins().iter().any(|origin| origin.is_of(request.uri())) {
            return Err(Error::new(ErrorKind::Usage, Reason::OriginNotAllowed));
        }
        let ours = request.extensions().get::<Ours>().cloned();
        if request.headers().contains_key(AUTHORIZATION) && ours.is_none() {
            return Err(Error::new(ErrorKind::Usage, Reason::AlreadyAuthorized));
        }
        if let Some(Ours(Some(uri))) = ours {
            *request.uri_mut() = uri;
        }
        let used = self.usable().await?;
        if !used.origins.iter().any(|origin| origin.is_of(request.uri())) {
            return Err(Error::new(ErrorKind::Usage, Reason::OriginNotAllowed));
        }
        let token = used.tokens().access_token();
        let proven = match &used.live.dpop {
            Some(dpop) if token.is_bound() => Some(self.prove(dpop, token, request).await?),
            Some(_) | None => None,
        };
        let ours = if used.party.placement().is_some() {
            let uri = request.uri().clone();
            request.headers_mut().remove(AUTHORIZATION);
            used.party.attach(request)?;
            Ours(Some(uri))
        } else {
            request.headers_mut().insert(AUTHORIZATION, token.header().clone());
            Ours(None)
        };
        request.extensions_mut().insert(ours);
        Ok(Attached { used, proven })
    }

    /// Puts a proof into a request (RFC 9449 §7.1), in place of one of ours.
    async fn prove<B>(
        &self,
        dpop: &Dpop,
        token: &AccessToken,
        request: &mut http::Request<B>,
    ) -> Result<Proven> {
        let known = request.extensions().get::<Proven>().cloned();
        if request.headers().contains_key(DPOP) && known.is_none() {
            return Err(Error::new(ErrorKind::Usage, Reason::AlreadyAuthorized));
        }
        let uri = request.uri().clone();
        let proof = Proof::new(dpop, request.method().clone(), uri.clone(), token.clone());
        let proof = run(proof, self.grant.client.runtime()).await?;
        let proven = Proven { uri, challenged: known.map(|known| known.challenged).unwrap_or_default() };
        request.headers_mut().insert(DPOP, proof);
        request.extensions_mut().insert(proven.clone());
        Ok(proven)
    }

    /// Learns from the answer to a request with an attached token: whether it is final, or the API refused the token
    /// and there is another one now, or wants a nonce in the proof. It says [`Verdict::Again`] at most once for every
    /// token, and once more for a nonce, so that a loop which attaches to the same request ends.
    ///
    /// # Errors
    ///
    /// Whatever renewing ends with. `Denied`: [`Reason::NonceDemanded`] if the API demands a nonce again, or names none.
    pub async fn learn<B>(&self, attached: &Attached, response: &http::Response<B>) -> Result<Verdict> {
        if let (Some(dpop), Some(proven)) = (&attached.used.live.dpop, &attached.proven) {
            let has_nonce = dpop.learn(&proven.uri, response.headers());
            let is_demanded = response.status() == StatusCode::UNAUTHORIZED && demands_nonce(response);
            let again = proven.challenged.swap(is_demanded, Ordering::Relaxed);
            if is_demanded && (again || !has_nonce) {
                let challenges = Challenge::parse_all(response.headers()).unwrap_or_default();
                let error = Error::new(ErrorKind::Denied, Reason::NonceDemanded);
                return Err(error.with_status(response.status()).with_challenges(challenges));
            }
        }
        self.judge(&attached.used, response).await
    }

    async fn judge<B>(&self, used: &InUse, response: &http::Response<B>) -> Result<Verdict> {
        if response.status() != StatusCode::UNAUTHORIZED {
            used.accept();
            return Ok(Verdict::Final);
        }
        let is_bound = used.tokens().access_token().is_bound();
        if is_bound && demands_nonce(response) {
            return Ok(Verdict::Again);
        }
        if !refuses_token(response, is_bound) {
            return Ok(Verdict::Final);
        }
        // Somebody has renewed meanwhile: it was the old token that was refused.
        let is_current = self.present().is_some_and(|present| present.is_same(used));
        if !is_current {
            return Ok(Verdict::Again);
        }
        // One that has expired under way is refused for that.
        let now = self.now();
        if used.is_usable(now) && !used.may_be_refused(now.into()) {
            self.grant.client.observer().event(&SessionEvent::Anomaly(Anomaly::NewTokenRefused));
            return Ok(Verdict::Final);
        }
        match self.renew(Some(used), true).await {
            Ok(_) => Ok(Verdict::Again),
            // Nothing can be done about it: the refusal is the answer.
            Err(error) if error.reason() == Reason::MissingRefreshToken => Ok(Verdict::Final),
            Err(error) => Err(error),
        }
    }
}

const DPOP: HeaderName = HeaderName::from_static("dpop");

fn demands_nonce<B>(response: &http::Response<B>) -> bool {
    Challenge::parse_all(response.headers())
        .is_ok_and(|challenges| challenges.iter().any(Challenge::demands_nonce))
}

/// Whether a 401 is about the access token (RFC 6750 §3, RFC 9449 §7.1): it has a `Bearer` challenge, or for a token that
/// is bound to a key a `DPoP` challenge, that does not name another error, or no challenge at all, as many APIs have it.
fn refuses_token<B>(response: &http::Response<B>, is_bound: bool) -> bool {
    let Ok(challenges) = Challenge::parse_all(response.headers()) else { return true };
    let is_ours = |challenge: &&Challenge| challenge.is("bearer") || (is_bound && challenge.is("dpop"));
    let mut ours = challenges.iter().filter(is_ours).peekable();
    challenges.is_empty()
        || (ours.peek().is_some()
            && ours.all(|challenge| matches!(challenge.error(), None | Some(ErrorCode::InvalidToken))))
}

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attached([redacted])")
    }
}
