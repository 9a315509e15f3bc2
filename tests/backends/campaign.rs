//! One way to break off, at one byte after the other.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use valetkey::Runtime;
use valetkey_backend_suite::{Direction, Fault, FaultProxy, How};
use valetkey_http::{Backend, Failure, FailureKind, Limits, Request, Response, Sent};
use valetkey_proto::ErrorKind;
use valetkey_testkit::{Provider, Served, block_on};

use crate::{
    adapters::{Adapter, Running, Short},
    flows::Flow,
};

/// Long for loopback, short for a stall.
const PATIENCE: Duration = Duration::from_millis(250);

/// Stalls are waited for side by side.
const WORKERS: usize = 8;

/// By how many bytes one request may be longer than the one that was measured: a signature is escaped.
const VARIES: usize = 12;

/// Above the figures.
pub(crate) const HEADING: &str = "\
| adapter | request | broken off in | how | tries | got its answer | failed, server had it | failed, it had not |
|---|---|---|---|---|---|---|---|";

/// What is tried.
#[derive(Clone, Copy)]
pub(crate) struct Campaign {
    pub(crate) adapter: &'static Adapter,
    pub(crate) flow: &'static Flow,
    pub(crate) at: Direction,
    pub(crate) how: How,
    /// Every how many bytes.
    pub(crate) step: usize,
}

/// What came of it, in numbers of tries.
#[derive(Default)]
pub(crate) struct Figures {
    tries: AtomicUsize,
    answered: AtomicUsize,
    failed_after: AtomicUsize,
    failed_before: AtomicUsize,
}

impl Campaign {
    /// Tries the bytes of the stream, its last ones among them.
    pub(crate) fn run(&self) -> Result<Figures, String> {
        let length = self.length()?;
        let ends = [length.saturating_sub(1), length];
        let bytes = Mutex::new((0..=length + VARIES).step_by(self.step).chain(ends));
        let figures = Figures::default();
        let worker = || {
            let place = Stand::new(self.adapter);
            loop {
                let next = bytes.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some(byte) = next else { return place.is_clean() };
                let fault = Fault { at: self.at, byte, how: self.how };
                let tried = place.try_one(self.flow, fault);
                figures.count(&tried.map_err(|error| format!("at byte {byte}: {error}"))?);
            }
        };
        let outcomes: Vec<_> = thread::scope(|scope| {
            let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(worker)).collect();
            workers.into_iter().map(|worker| worker.join().expect("no panic")).collect()
        });
        outcomes.into_iter().collect::<Result<(), String>>()?;
        Ok(figures)
    }

    /// How long the stream is when nothing happens to it.
    fn length(&self) -> Result<usize, String> {
        let place = Stand::new(self.adapter);
        let tried = place.try_one(self.flow, Fault { at: self.at, byte: usize::MAX, how: self.how })?;
        ensure(tried.succeeded && tried.passed > 0, || "it failed without a fault".to_owned())?;
        Ok(tried.passed)
    }
}

impl fmt::Display for Campaign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = format!("| {} | {} | {:?} | {:?} |", self.adapter.name, self.flow.name, self.at, self.how);
        f.write_str(&row.to_lowercase())
    }
}

impl Figures {
    fn count(&self, tried: &Tried) {
        self.tries.fetch_add(1, Ordering::SeqCst);
        let column = match tried {
            Tried { succeeded: true, .. } => &self.answered,
            Tried { seen: 0, .. } => &self.failed_before,
            Tried { .. } => &self.failed_after,
        };
        column.fetch_add(1, Ordering::SeqCst);
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = [&self.tries, &self.answered, &self.failed_after, &self.failed_before];
        columns.iter().try_for_each(|column| write!(f, " {} |", column.load(Ordering::SeqCst)))
    }
}

/// Nobody listens: an error, and nothing seen.
pub(crate) fn refused(adapter: &Adapter, flow: &Flow) -> Result<(), String> {
    let place = Stand::new(adapter);
    let tried = place.try_one(flow, Fault { at: Direction::Request, byte: 0, how: How::Refuse })?;
    match tried {
        Tried { succeeded: false, seen: 0, .. } => place.is_clean(),
        _ => Err("it succeeded".to_owned()),
    }
}

/// A provider on loopback and an adapter, for one try after the other.
struct Stand {
    provider: Provider,
    served: Served,
    adapter: Box<dyn Running>,
    short: Short,
}

/// One try.
struct Tried {
    succeeded: bool,
    /// How often the provider got the request.
    seen: usize,
    /// How many bytes of the stream in question passed.
    passed: usize,
}

impl Stand {
    fn new(adapter: &Adapter) -> Self {
        let provider = Provider::builder().real_clock().build();
        let served = block_on(provider.serve()).expect("a port");
        Self { provider, served, adapter: (adapter.start)(), short: adapter.short }
    }

    /// Sends the request over a connection with this fault, and checks all that must hold.
    fn try_one(&self, flow: &Flow, fault: Fault) -> Result<Tried, String> {
        let proxy = FaultProxy::start(self.served.address(), fault).map_err(|error| error.to_string())?;
        self.provider.move_to(&format!("http://{}", proxy.address()));
        let send = (flow.prepare)(&self.provider);
        let before = self.provider.count(flow.place);
        let watch = Watch::new(self.adapter.backend());
        let mut limits = Limits::default();
        (limits.head, limits.idle, limits.total) = (PATIENCE, PATIENCE, 3 * PATIENCE);
        let runtime = Runtime::new(Arc::clone(&watch)).with_limits(limits);
        let mut outcome = None;
        self.adapter.drive(Box::pin(async { outcome = Some(send(runtime).await) }));
        let outcome = outcome.ok_or("it was not driven to its end")?;

        let holds_on = self.short.holds_on && fault.how == How::Stall && proxy.struck();
        ensure(holds_on || proxy.is_left(), || "a connection stays open".to_owned())?;
        let seen = self.provider.count(flow.place) - before;
        let arrived = seen.max(proxy.requests());
        ensure(arrived <= 1, || format!("the request arrived {arrived} times"))?;
        let failures = watch.failures();
        let lie = failures.iter().find(|(_, sent)| arrived > 0 && *sent == Sent::Nothing);
        ensure(lie.is_none(), || format!("the server has the request, and the backend says {lie:?}"))?;
        match &outcome {
            Ok(()) => ensure(seen == 1, || "tokens that nobody asked for".to_owned())?,
            Err(error) => {
                let is_typed = matches!(error.kind(), ErrorKind::Transport | ErrorKind::Timeout)
                    || self.short.calls_it_protocol && error.kind() == ErrorKind::Protocol;
                ensure(is_typed && error.was_sent().is_some(), || format!("{error:?}"))?;
                ensure(arrived == 0 || error.was_sent() != Some(Sent::Nothing), || format!("{error:?}"))?;
                let is_known = failures.iter().all(|(kind, _)| *kind != FailureKind::Other);
                ensure(is_known, || format!("{failures:?}"))?;
            }
        }
        // A fault within an answer is one that the client must notice.
        let is_cut = proxy.struck() && fault.at == Direction::Response;
        ensure(!(is_cut && outcome.is_ok()), || "half an answer was taken for a whole one".to_owned())?;
        ensure(proxy.struck() || outcome.is_ok(), || format!("without a fault: {outcome:?}"))?;
        Ok(Tried { succeeded: outcome.is_ok(), seen, passed: proxy.passed(fault.at) })
    }

    /// After all tries: nothing of them is left.
    fn is_clean(&self) -> Result<(), String> {
        // Tasks end when they are next polled.
        for _ in 0..100 {
            let backend = self.adapter.backend();
            self.adapter.drive(Box::pin(async move { backend.sleep(Duration::from_millis(5)).await }));
            if self.adapter.tasks() == 0 {
                return Ok(());
            }
        }
        Err(format!("{} tasks are left", self.adapter.tasks()))
    }
}

fn ensure(holds: bool, text: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(text()) }
}

/// A backend that remembers failures, and does not really wait between attempts.
struct Watch {
    backend: Arc<dyn Backend>,
    failures: Mutex<Vec<(FailureKind, Sent)>>,
    slept: Mutex<Duration>,
}

impl Watch {
    fn new(backend: Arc<dyn Backend>) -> Arc<Self> {
        Arc::new(Self { backend, failures: Mutex::default(), slept: Mutex::default() })
    }

    fn failures(&self) -> Vec<(FailureKind, Sent)> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Backend for Watch {
    async fn send(&self, request: Request, limits: Limits) -> Result<Response, Failure> {
        let outcome = self.backend.send(request, limits).await;
        if let Err(failure) = &outcome {
            let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
            failures.push((failure.kind(), failure.sent()));
        }
        outcome
    }

    async fn sleep(&self, time: Duration) {
        *self.slept.lock().unwrap_or_else(PoisonError::into_inner) += time;
    }

    fn now(&self) -> SystemTime {
        self.backend.now() + *self.slept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
