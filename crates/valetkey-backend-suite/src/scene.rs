//! What a case is played on: servers and clients, and the account of what was sent.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use valetkey_http::{Backend, Failure, Limits, Request, Response, Sent};

use crate::{
    Outcome, Setup, Subject,
    server::{Log, Peer, Server, pause},
    tls::Authority,
    verdict::{Check, Trouble, insist},
};

/// How long a server is given to see what was sent to it.
const GRACE: Duration = Duration::from_millis(15);

/// A case's surroundings. Each case has its own.
pub(crate) struct Scene {
    subject: Arc<dyn Subject>,
    fresh: bool,
    servers: Mutex<Vec<Log>>,
    sends: AtomicUsize,
}

impl Scene {
    pub(crate) fn new(subject: Arc<dyn Subject>, fresh: bool) -> Self {
        Self { subject, fresh, servers: Mutex::default(), sends: AtomicUsize::new(0) }
    }

    /// Whether requests ask for connections of their own.
    pub(crate) fn fresh(&self) -> bool {
        self.fresh
    }

    pub(crate) fn serve(&self, script: impl Fn(&mut Peer) + Send + Sync + 'static) -> Server {
        self.watch(Server::start(script))
    }

    /// A server that answers `ok` to everything.
    pub(crate) fn keeping(&self) -> Server {
        self.watch(Server::keeping())
    }

    /// A server that answers one request a connection, and closes.
    pub(crate) fn answering(&self, answer: impl Into<Vec<u8>>) -> Server {
        self.watch(Server::answering(answer))
    }

    fn watch(&self, server: Server) -> Server {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner).push(server.log());
        server
    }

    /// A client with nothing special about it.
    pub(crate) fn client(&self) -> Result<Client<'_>, Trouble> {
        self.client_with(&Setup::default())
    }

    /// A client that trusts this authority.
    pub(crate) fn trusting(&self, authority: &Authority) -> Result<Client<'_>, Trouble> {
        self.client_with(&Setup { roots_pem: Some(authority.pem()), ..Setup::default() })
    }

    pub(crate) fn client_with(&self, setup: &Setup) -> Result<Client<'_>, Trouble> {
        let made = self.made(|| self.subject.backend(setup));
        let backend = made.map_err(|error| Trouble::one(Outcome::Unsupported, error.to_string()))?;
        Ok(Client { scene: self, backend })
    }

    /// Makes a backend where the subject drives futures: most want their runtime around them.
    fn made<T: Send>(&self, make: impl FnOnce() -> T + Send) -> T {
        self.drive(async { make() })
    }

    pub(crate) fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        limits.fresh = self.fresh;
        limits
    }

    /// The output of a future, as the backend's users drive it.
    pub(crate) fn drive<T: Send>(&self, future: impl Future<Output = T> + Send) -> T {
        let mut output = None;
        let run: Pin<Box<dyn Future<Output = ()> + Send + '_>> =
            Box::pin(async { output = Some(future.await) });
        self.subject.drive(run);
        output.expect("`Subject::drive` runs the future to its end")
    }

    /// Notes that a request may be sent once more.
    pub(crate) fn count_send(&self) {
        self.sends.fetch_add(1, Ordering::SeqCst);
    }

    fn sum(&self, of: impl Fn(&Log) -> usize) -> usize {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner).iter().map(of).sum()
    }

    /// At the end of every case: no request was sent more than once.
    pub(crate) fn settle(&self) -> Check {
        pause(GRACE);
        let (sends, begun) = (self.sends.load(Ordering::SeqCst), self.sum(Log::begun));
        insist(begun <= sends, || format!("{sends} requests were sent, and {begun} arrived"))
    }
}

/// A backend on a scene.
pub(crate) struct Client<'a> {
    scene: &'a Scene,
    pub(crate) backend: Arc<dyn Backend>,
}

impl Client<'_> {
    /// Sends a request with the limits of the scene.
    pub(crate) fn send(&self, request: Request) -> Result<Result<Response, Failure>, Trouble> {
        self.send_within(request, self.scene.limits())
    }

    /// Sends a request, and holds what is said of it against what the servers saw.
    pub(crate) fn send_within(
        &self,
        request: Request,
        limits: Limits,
    ) -> Result<Result<Response, Failure>, Trouble> {
        let before = self.scene.sum(Log::whole);
        self.scene.count_send();
        let outcome = self.scene.drive(self.backend.send(request, limits));
        if let Err(failure) = &outcome {
            pause(GRACE);
            let arrived = self.scene.sum(Log::whole) - before;
            insist(arrived <= 1, || format!("one request arrived {arrived} times"))?;
            let is_honest = arrived == 0 || failure.sent() != Sent::Nothing;
            insist(is_honest, || format!("the server has the request, and the backend says {failure:?}"))?;
        }
        Ok(outcome)
    }
}

pub(crate) fn get(url: impl AsRef<str>) -> Request {
    http::Request::get(url.as_ref()).body(Bytes::new()).expect("a request")
}

pub(crate) fn post(url: impl AsRef<str>, body: &'static str) -> Request {
    let mut request = http::Request::post(url.as_ref()).body(Bytes::from_static(body.as_bytes()));
    if let Ok(request) = &mut request {
        let form = http::HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert("content-type", form);
        if body.is_empty() {
            // As the core does it.
            request.headers_mut().insert("content-length", http::HeaderValue::from_static("0"));
        }
    }
    request.expect("a request")
}

pub(crate) fn millis(time: u64) -> Duration {
    Duration::from_millis(time)
}
