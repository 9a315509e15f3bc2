//! A layer that puts access tokens into requests.

use std::{
    future::poll_fn,
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use http::request::Parts;
use tower_layer::Layer;
use tower_service::Service;
use valetkey::{Attached, NoReplay, Session, Verdict};
use valetkey_http::BoxError;

/// Puts the access token of a session into each request (RFC 6750 §2.1), renewed first if it is about to expire.
///
/// If the API refuses the token with 401, it is renewed. The request is then sent once more if its body can be
/// repeated: [`repeating`](Self::repeating) says how. Otherwise, and if the request is marked
/// [`NoReplay`], the refusal is the answer, and the next request has the new token.
///
/// The session's client says to which APIs a token may go; a request to elsewhere ends with `OriginNotAllowed`, and one
/// that has an `Authorization` header with `AlreadyAuthorized`, before the service is called. Errors of the session are
/// [`valetkey::Error`] in the box, and all others the service's.
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::{BodyExt, Full};
/// use tower::{Layer, ServiceExt};
/// use valetkey_tower::AuthorizeLayer;
/// # use valetkey_testkit::Provider;
/// # use valetkey_http::{Backend, Limits};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// # let provider = Provider::new();
/// # let service = tower::service_fn({
/// #     let provider = provider.clone();
/// #     move |request: http::Request<Full<Bytes>>| {
/// #         let provider = provider.clone();
/// #         async move {
/// #             let (parts, body) = request.into_parts();
/// #             let request = http::Request::from_parts(parts, body.collect().await.unwrap().to_bytes());
/// #             provider.send(request, Limits::default()).await.map(|response| response.map(Full::new))
/// #         }
/// #     }
/// # });
/// # let client = valetkey::Client::builder(provider).discover("https://issuer.test").id("service");
/// # let client = client.secret("service-secret").api("https://issuer.test/").build().await?;
/// // `service` sends requests to the API.
/// let session = client.client_credentials().scope("read").session()?;
/// let layer = AuthorizeLayer::new(session).repeating(|body: &Full<Bytes>| Some(body.clone()));
/// let service = layer.layer(service);
///
/// let request = http::Request::get("https://issuer.test/api/me").body(Full::default())?;
/// assert_eq!(service.oneshot(request).await?.status(), 200);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct AuthorizeLayer<R = Once> {
    session: Session,
    repeat: R,
}

impl AuthorizeLayer {
    /// Authorises requests with any body, each of which is sent once.
    #[must_use]
    pub fn new(session: Session) -> Self {
        Self { session, repeat: Once }
    }

    /// Sends a request once more if the API refused its token and there is another one, with the body that `repeat`
    /// makes of the first one before that is sent. `None` is a body that cannot be repeated.
    #[must_use]
    pub fn repeating<B, F: Fn(&B) -> Option<B>>(self, repeat: F) -> AuthorizeLayer<F> {
        AuthorizeLayer { session: self.session, repeat }
    }
}

/// Whether and how a body can be sent a second time.
pub trait Repeat<B> {
    /// The same body again.
    fn repeat(&self, body: &B) -> Option<B>;
}

/// No body is sent a second time.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Once;

impl<B> Repeat<B> for Once {
    fn repeat(&self, _: &B) -> Option<B> {
        None
    }
}

impl<B, F: Fn(&B) -> Option<B>> Repeat<B> for F {
    fn repeat(&self, body: &B) -> Option<B> {
        self(body)
    }
}

impl<S, R: Clone> Layer<S> for AuthorizeLayer<R> {
    type Service = Authorize<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Authorize { inner, session: self.session.clone(), repeat: self.repeat.clone() }
    }
}

/// The service that [`AuthorizeLayer`] makes.
#[derive(Clone, Debug)]
pub struct Authorize<S, R = Once> {
    inner: S,
    session: Session,
    repeat: R,
}

impl<S, R, B, A> Service<http::Request<B>> for Authorize<S, R>
where
    S: Service<http::Request<B>, Response = http::Response<A>, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + 'static,
    R: Repeat<B>,
    B: Send + 'static,
    A: Send + 'static,
{
    type Response = http::Response<A>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        // The one that is ready is used, and its clone gets ready for the next call.
        let clone = self.inner.clone();
        let inner = mem::replace(&mut self.inner, clone);
        let may_replay = request.extensions().get::<NoReplay>().is_none();
        let again = may_replay.then(|| self.repeat.repeat(request.body())).flatten();
        let session = self.session.clone();
        Box::pin(async move {
            let (method, uri) = (request.method().clone(), request.uri().clone());
            let mut response = send(inner, session.clone(), request, again).await?;
            session.note(&method, &uri, &mut response).await;
            Ok(response)
        })
    }
}

async fn send<S, B, A>(
    mut inner: S,
    session: Session,
    mut request: http::Request<B>,
    again: Option<B>,
) -> Result<http::Response<A>, BoxError>
where
    S: Service<http::Request<B>, Response = http::Response<A>, Error: Into<BoxError>>,
{
    let attached = session.attach(&mut request).await?;
    let (parts, body) = request.into_parts();
    let again: Option<(Parts, B)> = again.map(|body| (parts.clone(), body));
    let request = http::Request::from_parts(parts, body);
    let response = inner.call(request).await.map_err(Into::into)?;
    let (verdict, response) = learn(&session, &attached, response).await;
    let (Verdict::Again, Some((parts, body))) = (verdict?, again) else { return Ok(response) };
    // The refusal is let go of before there is a second request: it may hold a connection.
    drop(response);
    let mut request = http::Request::from_parts(parts, body);
    let attached = session.attach(&mut request).await?;
    poll_fn(|context| inner.poll_ready(context)).await.map_err(Into::into)?;
    let response = inner.call(request).await.map_err(Into::into)?;
    // Whatever it is, it is the answer; the session learns that the new token works, or does not.
    Ok(learn(&session, &attached, response).await.1)
}

/// The session looks at the head alone: the body need not be such that it can be shared meanwhile.
async fn learn<A>(
    session: &Session,
    attached: &Attached,
    response: http::Response<A>,
) -> (valetkey::Result<Verdict>, http::Response<A>) {
    let (parts, body) = response.into_parts();
    let head = http::Response::from_parts(parts, ());
    let verdict = session.learn(attached, &head).await;
    (verdict, head.map(|()| body))
}
