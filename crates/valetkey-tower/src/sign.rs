//! A layer that signs requests by OAuth 1.0a.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use tower_layer::Layer;
use tower_service::Service;
use valetkey::oauth1::Signer;
use valetkey_http::BoxError;

/// Signs each request by OAuth 1.0a (RFC 5849 §3), once, as it is sent.
///
/// Bodies are [`Bytes`], because the parameters of a form are part of what is signed: tower's `map_request` makes
/// another type of them for a service that wants it. A request that cannot be signed ends with a [`valetkey::Error`] in
/// the box.
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::Full;
/// use tower::{Layer, ServiceExt};
/// use valetkey::oauth1::{ClientCredentials, Signer, TokenCredentials};
/// use valetkey_tower::SignLayer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// # let service = tower::service_fn(|request: http::Request<Full<Bytes>>| async move {
/// #     assert!(request.headers()["authorization"].to_str().unwrap().starts_with("OAuth "));
/// #     Ok::<_, std::io::Error>(http::Response::new(Full::<Bytes>::default()))
/// # });
/// // `service` sends requests to the API.
/// let signer = Signer::new(ClientCredentials::new("dpf43f3p2l4k3l03", "kd94hf93k423kf44")?)
///     .token(TokenCredentials::new("nnch734d00sl2jdk", "pfkkdhi9sl3r4s00")?);
/// let service = SignLayer::new(signer).layer(service.map_request(|request: http::Request<Bytes>| request.map(Full::new)));
///
/// let request = http::Request::get("http://photos.example.net/photos?size=original").body(Bytes::new())?;
/// assert_eq!(service.oneshot(request).await?.status(), 200);
/// # Ok(())
/// # }
/// ```
///
/// # Security
///
/// Every request is signed, wherever it goes: use it for the client of one API. A layer inside of this one that changes
/// the URL or the body makes the signature invalid, and one that retries sends the same nonce twice.
#[derive(Clone, Debug)]
pub struct SignLayer(Arc<Signer>);

impl SignLayer {
    /// Signs with this.
    #[must_use]
    pub fn new(signer: impl Into<Arc<Signer>>) -> Self {
        Self(signer.into())
    }
}

impl<S> Layer<S> for SignLayer {
    type Service = Sign<S>;

    fn layer(&self, inner: S) -> Sign<S> {
        Sign { inner, signer: Arc::clone(&self.0) }
    }
}

/// The service that [`SignLayer`] makes.
#[derive(Clone, Debug)]
pub struct Sign<S> {
    inner: S,
    signer: Arc<Signer>,
}

impl<S, A> Service<http::Request<Bytes>> for Sign<S>
where
    S: Service<http::Request<Bytes>, Response = http::Response<A>, Error: Into<BoxError>>,
    S::Future: Send + 'static,
{
    type Response = http::Response<A>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: http::Request<Bytes>) -> Self::Future {
        match self.signer.sign(request) {
            Ok(request) => {
                let answer = self.inner.call(request);
                Box::pin(async move { answer.await.map_err(Into::into) })
            }
            Err(error) => Box::pin(async move { Err(error.into()) }),
        }
    }
}
