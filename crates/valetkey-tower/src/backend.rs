//! A backend made of a service.

use std::{
    error::Error,
    fmt,
    future::poll_fn,
    marker::PhantomData,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use async_trait::async_trait;
use bytes::{Buf, Bytes};
use http_body::Body;
use tower_service::Service;
use valetkey_http::{
    Backend, BoxError, Failure, FailureKind, Limits, Request, Response, Sent, Task,
    adapter::{Chunks, check, contain, exchange},
};

/// What an error of the service means, if it is known.
type Classify = dyn Fn(&(dyn Error + 'static)) -> Option<(Sent, FailureKind)> + Send + Sync;

/// A [`Backend`] made of any [`Service`] that takes HTTP requests.
///
/// `S` is the service, `T` what makes timers, and `B` the body that the service takes, which follows from `S`. The
/// service is cloned for each send.
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::Full;
/// use valetkey_http::{FailureKind, Sent};
/// use valetkey_tower::TowerBackend;
///
/// # let service = tower::service_fn(|_request: http::Request<Full<Bytes>>| async {
/// #     Err::<http::Response<Full<Bytes>>, _>(std::io::Error::from(std::io::ErrorKind::ConnectionRefused))
/// # });
/// let backend = TowerBackend::new(service, tokio::time::sleep).classify(|error| {
///     let error = error.downcast_ref::<std::io::Error>()?;
///     (error.kind() == std::io::ErrorKind::ConnectionRefused).then_some((Sent::Nothing, FailureKind::Connect))
/// });
/// # drop(backend);
/// ```
pub struct TowerBackend<S, T, B> {
    /// Locked to be cloned: not every service can be shared between threads.
    service: Mutex<S>,
    sleep: T,
    spawn: Option<Box<dyn Fn(Task) + Send + Sync>>,
    classify: Arc<Classify>,
    body: PhantomData<fn(B)>,
}

impl<S, T, B> TowerBackend<S, T, B>
where
    S: Service<http::Request<B>>,
{
    /// A backend on `service`, with the timers that `sleep` makes: `tokio::time::sleep`, say.
    ///
    /// A timer begins to run when it is made. It is made where the backend is polled, so that timers which need a
    /// runtime want it to be polled there.
    pub fn new<F>(service: S, sleep: T) -> Self
    where
        T: Fn(Duration) -> F,
        F: Future<Output = ()>,
    {
        let classify = Arc::new(|_: &(dyn Error + 'static)| None);
        Self { service: Mutex::new(service), sleep, spawn: None, classify, body: PhantomData }
    }

    /// Runs the tasks of sessions by `spawn`. Without, whoever needs a task's result drives it.
    #[must_use]
    pub fn spawner(mut self, spawn: impl Fn(Task) + Send + Sync + 'static) -> Self {
        self.spawn = Some(Box::new(spawn));
        self
    }

    /// Has `classify` say what an error means that the service ended a call with, or a body.
    ///
    /// # Security
    ///
    /// [`Sent::Nothing`] lets a request be sent again: say so only if no server can have acted on it.
    #[must_use]
    pub fn classify<C>(mut self, classify: C) -> Self
    where
        C: Fn(&(dyn Error + 'static)) -> Option<(Sent, FailureKind)> + Send + Sync + 'static,
    {
        self.classify = Arc::new(classify);
        self
    }
}

/// Calls the service, and waits for the head of the response.
async fn begin<S, B, R>(
    mut service: S,
    request: http::Request<B>,
    classify: Arc<Classify>,
) -> Result<http::Response<Arriving<R>>, Failure>
where
    S: Service<http::Request<B>, Response = http::Response<R>, Error: Into<BoxError>>,
{
    let readiness = poll_fn(|context| service.poll_ready(context)).await;
    readiness.map_err(|error| failure(error.into(), &*classify).with_sent(Sent::Nothing))?;
    match service.call(request).await {
        Ok(response) => Ok(response.map(|body| Arriving { body: Box::pin(body), classify })),
        Err(error) => Err(failure(error.into(), &*classify)),
    }
}

fn failure(error: BoxError, classify: &Classify) -> Failure {
    match error.downcast::<Failure>() {
        Ok(failure) => *failure,
        Err(error) => {
            let (sent, kind) = classify(error.as_ref()).unwrap_or((Sent::Maybe, FailureKind::Other));
            Failure::new(sent, kind).with_source(error)
        }
    }
}

#[async_trait]
impl<S, T, F, B, R> Backend for TowerBackend<S, T, B>
where
    S: Service<http::Request<B>, Response = http::Response<R>, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + 'static,
    T: Fn(Duration) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send,
    B: From<Bytes> + Send + 'static,
    R: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    async fn send(&self, mut request: Request, limits: Limits) -> Result<Response, Failure> {
        check(&request, &limits)?;
        let method = request.method().clone();
        request.extensions_mut().insert(limits);
        let service = self.service.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let start = begin(service, request.map(B::from), Arc::clone(&self.classify));
        let exchange = pin!(exchange(&limits, &method, &self.sleep, start));
        contain(|| (), exchange).await.flatten()
    }

    async fn sleep(&self, time: Duration) {
        (self.sleep)(time).await;
    }

    fn spawn(&self, task: Task) -> Result<(), Task> {
        let Some(spawn) = &self.spawn else { return Err(task) };
        spawn(task);
        Ok(())
    }
}

impl<S, T, B> fmt::Debug for TowerBackend<S, T, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TowerBackend").field("spawns", &self.spawn.is_some()).finish_non_exhaustive()
    }
}

/// The body of a response.
struct Arriving<R> {
    body: Pin<Box<R>>,
    classify: Arc<Classify>,
}

impl<R: Body<Error: Into<BoxError>>> Chunks for Arriving<R> {
    fn poll_chunk(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Failure>>> {
        loop {
            match ready!(self.body.as_mut().poll_frame(context)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(failure(error.into(), &*self.classify)))),
                Some(Ok(frame)) => {
                    // Trailers are no part of the body. Of `Bytes`, this copies nothing.
                    let Ok(mut data) = frame.into_data() else { continue };
                    return Poll::Ready(Some(Ok(data.copy_to_bytes(data.remaining()))));
                }
            }
        }
    }
}
