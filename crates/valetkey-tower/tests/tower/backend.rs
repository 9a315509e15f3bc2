//! The backend: what it makes of a service's answers and errors.

use std::{
    collections::VecDeque,
    future::{pending, ready},
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, Bytes};
use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use tower::ServiceBuilder;
use valetkey_http::{
    Backend, BoxError, Failure, FailureKind, Limits, Phase, Request, Response, Sent, block_on,
};
use valetkey_tower::TowerBackend;

use crate::service::{Answer, Strict};

type Piece = Result<Frame<io::Cursor<Vec<u8>>>, BoxError>;

/// A body in pieces that are not `Bytes`.
struct Pieces(VecDeque<Piece>, bool);

impl Body for Pieces {
    type Data = io::Cursor<Vec<u8>>;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Piece>> {
        match self.0.pop_front() {
            None if self.1 => Poll::Pending,
            piece => Poll::Ready(piece),
        }
    }
}

fn data(text: &str) -> Piece {
    Ok(Frame::data(io::Cursor::new(text.as_bytes().to_vec())))
}

fn answering(pieces: impl Fn() -> Vec<Piece> + Send + Sync + 'static, stalls: bool) -> Strict<Pieces> {
    Strict::new(move |_, _| Ok(http::Response::new(Pieces(pieces().into(), stalls))))
}

fn get(url: &str) -> Request {
    http::Request::get(url).body(Bytes::new()).unwrap()
}

fn never(_: Duration) -> impl Future<Output = ()> {
    pending()
}

fn send<A: Body<Data: Buf + Send, Error: Into<BoxError>> + Send + 'static>(
    service: Strict<A>,
    limits: Limits,
) -> Result<Response, Failure> {
    block_on(TowerBackend::new(service, never).send(get("https://api.test/"), limits))
}

fn timer(time: Duration) -> impl Future<Output = ()> {
    #[expect(clippy::disallowed_methods, reason = "what a program hands to the backend")]
    tokio::time::sleep(time)
}

fn told(failure: &Failure) -> (FailureKind, Sent) {
    (failure.kind(), failure.sent())
}

fn refused() -> BoxError {
    io::Error::from(io::ErrorKind::ConnectionRefused).into()
}

const OK: Sent = Sent::Answered(StatusCode::OK);

#[test]
fn the_service_gets_the_request_once_and_is_ready_by_then() {
    let service = Strict::new(|_, request: http::Request<Full<Bytes>>| {
        assert_eq!((request.method().as_str(), request.uri().path()), ("PUT", "/../a'b"));
        assert_eq!(request.headers().len(), 1);
        assert!(request.extensions().get::<Limits>().unwrap().fresh);
        let body = block_on(request.into_body().collect()).unwrap().to_bytes();
        Ok(http::Response::new(Full::new(body)))
    });
    let calls = std::sync::Arc::clone(&service.calls);
    let backend = TowerBackend::new(service, never);
    let mut limits = Limits::default();
    limits.fresh = true;
    for call in [1, 2] {
        let request = http::Request::put("https://api.test/../a'b").header("x", "y");
        let request = request.body(Bytes::from_static(b"a=b")).unwrap();
        assert_eq!(block_on(backend.send(request, limits)).unwrap().body(), "a=b");
        assert_eq!(*calls.lock().unwrap(), call);
    }
    let failure = block_on(backend.send(get("/relative"), limits)).unwrap_err();
    assert_eq!(told(&failure), (FailureKind::Config, Sent::Nothing));
    assert_eq!(*calls.lock().unwrap(), 2);
}

#[test]
fn a_stack_of_layers_is_a_service() {
    let inner = Strict::new(|_, _| Ok(http::Response::new(Full::new(Bytes::from_static(b"ok")))));
    let stack = ServiceBuilder::new().boxed_clone().service(inner);
    let backend: std::sync::Arc<dyn Backend> = std::sync::Arc::new(TowerBackend::new(stack, never));
    assert_eq!(block_on(backend.send(get("https://api.test/"), Limits::default())).unwrap().body(), "ok");
}

#[test]
fn bodies_in_any_pieces_are_joined_and_trailers_left_out() {
    let pieces = || vec![data("ab"), data(""), data("cd"), Ok(Frame::trailers(HeaderMap::new())), data("ef")];
    let response = send(answering(pieces, false), Limits::default()).unwrap();
    assert_eq!(response.body(), "abcdef");
    let mut limits = Limits::default();
    limits.body_bytes = 3;
    let failure = send(answering(pieces, false), limits).unwrap_err();
    assert_eq!(told(&failure), (FailureKind::TooLarge, OK));
}

#[test]
fn s_tk_18_nothing_was_sent_if_the_service_was_not_ready_and_otherwise_maybe() {
    let not_ready = send(Strict::<Pieces>::refusing(refused), Limits::default()).unwrap_err();
    assert_eq!(told(&not_ready), (FailureKind::Other, Sent::Nothing));
    let failed = send(Strict::<Pieces>::new(|_, _| Err(refused())), Limits::default()).unwrap_err();
    assert_eq!(told(&failed), (FailureKind::Other, Sent::Maybe));
    let broken = send(answering(|| vec![data("a"), Err(refused())], false), Limits::default()).unwrap_err();
    assert_eq!(told(&broken), (FailureKind::Other, OK));

    // An inner backend's word is taken, but not for what nobody can know.
    let known = || BoxError::from(Failure::new(Sent::Maybe, FailureKind::Closed));
    let not_ready = send(
        Strict::<Pieces>::refusing(|| Failure::new(Sent::Maybe, FailureKind::Tls).into()),
        Limits::default(),
    );
    assert_eq!(told(&not_ready.unwrap_err()), (FailureKind::Tls, Sent::Nothing));
    let failed = send(Strict::<Pieces>::new(move |_, _| Err(known())), Limits::default()).unwrap_err();
    assert_eq!(told(&failed), (FailureKind::Closed, Sent::Maybe));
}

#[test]
fn a_classifier_knows_the_errors_of_its_stack() {
    let classified = |error: io::ErrorKind| {
        let answer = move |_, _| -> Answer<Full<Bytes>> { Err(io::Error::from(error).into()) };
        let backend = TowerBackend::new(Strict::new(answer), never).classify(|error| {
            let refused = error.downcast_ref::<io::Error>()?.kind() == io::ErrorKind::ConnectionRefused;
            refused.then_some((Sent::Nothing, FailureKind::Connect))
        });
        let failure = block_on(backend.send(get("https://api.test/"), Limits::default())).unwrap_err();
        told(&failure)
    };
    assert_eq!(classified(io::ErrorKind::ConnectionRefused), (FailureKind::Connect, Sent::Nothing));
    assert_eq!(classified(io::ErrorKind::Interrupted), (FailureKind::Other, Sent::Maybe));
}

#[test]
fn a_panic_is_a_failure() {
    let failure = send(Strict::<Pieces>::new(|_, _| panic!("as some clients do")), Limits::default());
    assert_eq!(told(&failure.unwrap_err()), (FailureKind::Panicked, Sent::Maybe));
}

#[tokio::test]
async fn s_net_04_deadlines() {
    let short = |which: fn(&mut Limits)| {
        let mut limits = Limits::default();
        which(&mut limits);
        limits
    };
    let silent = tower::service_fn(|_: http::Request<Full<Bytes>>| pending::<Answer<Full<Bytes>>>());
    let silent = TowerBackend::new(silent, timer);
    let stalling = TowerBackend::new(answering(|| vec![data("ab")], true), timer);
    let head = short(|limits| limits.head = Duration::from_millis(20));
    let total = short(|limits| limits.total = Duration::from_millis(20));
    let idle = short(|limits| limits.idle = Duration::from_millis(20));
    for (limits, phase) in [(head, Phase::Head), (total, Phase::Total)] {
        let failure = silent.send(get("https://api.test/"), limits).await.unwrap_err();
        assert_eq!(told(&failure), (FailureKind::Timeout(phase), Sent::Maybe));
    }
    for (limits, phase) in [(idle, Phase::Idle), (total, Phase::Total)] {
        let failure = stalling.send(get("https://api.test/"), limits).await.unwrap_err();
        assert_eq!(told(&failure), (FailureKind::Timeout(phase), OK));
    }
}

#[test]
fn tasks_go_to_the_spawner_if_there_is_one() {
    let service = || Strict::new(|_, _| Ok(http::Response::new(Full::<Bytes>::default())));
    assert!(TowerBackend::new(service(), never).spawn(Box::pin(ready(()))).is_err());
    let (done, ran) = std::sync::mpsc::channel();
    let backend = TowerBackend::new(service(), |_| ready(())).spawner(block_on);
    assert!(backend.spawn(Box::pin(async move { done.send("ran").unwrap() })).is_ok());
    assert_eq!(ran.recv().unwrap(), "ran");
    block_on(backend.sleep(Duration::MAX));
}
