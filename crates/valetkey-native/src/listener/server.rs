//! The listener's thread: one loop over all its sockets, none of which ever blocks it.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures_util::StreamExt;
use mio::{Events, Interest, Poll, Token, Waker, net::TcpListener};
use valetkey::oauth2::authorization::Callback;

use super::{
    connection::Connection,
    page::Page,
    request::{Asked, Site},
};

/// The most connections at once.
const MAX_CONNECTIONS: usize = 32;
/// The most connections that are accepted before those that are there have their turn.
const ACCEPTED_AT_ONCE: usize = 16;
/// How long a connection may take, however it does.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a browser that was sent on is waited for.
const GRACE: Duration = Duration::from_secs(3);
/// How long the thread sleeps at most: it looks again if the system had no socket to give.
const NAP: Duration = Duration::from_secs(1);

/// What the thread is told.
pub(super) enum Order {
    /// Somebody waits now, for so long.
    Wait(Duration),
    /// Whether the candidate of this number is the callback.
    Verdict(u64, bool),
}

/// Something that may be the callback. No more than a connection each is under way.
pub(super) struct Candidate {
    pub(super) id: u64,
    pub(super) callback: Callback,
}

/// Why the thread ended.
pub(super) enum End {
    TimedOut,
    Stopped,
}

/// What is held of the thread; dropping it ends the thread and closes its sockets, at once.
pub(super) struct Handle {
    orders: Option<Sender<Order>>,
    waker: Arc<Waker>,
    candidates: UnboundedReceiver<Candidate>,
    thread: Option<JoinHandle<End>>,
}

impl Handle {
    pub(super) fn order(&self, order: Order) {
        // A thread that has ended wants no orders.
        let _ = self.orders.as_ref().map(|orders| orders.send(order));
        let _ = self.waker.wake();
    }

    /// The next candidate; none when the sockets are closed.
    pub(super) async fn next(&mut self) -> Option<Candidate> {
        self.candidates.next().await
    }

    /// Ends the thread, and says why it ended.
    pub(super) fn end(&mut self) -> End {
        self.orders = None;
        let _ = self.waker.wake();
        // It never blocks but for the waker, so that this is a matter of microseconds.
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or(End::Stopped)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.end();
    }
}

/// Starts the thread.
pub(super) fn start(mut listeners: Vec<TcpListener>, site: Site) -> io::Result<Handle> {
    let poll = Poll::new()?;
    let waker = Arc::new(Waker::new(poll.registry(), ANY)?);
    for listener in &mut listeners {
        poll.registry().register(listener, ANY, Interest::READABLE)?;
    }
    let (orders, taken) = mpsc::channel();
    let (found, candidates) = unbounded();
    let server = Server {
        poll,
        listeners,
        connections: Vec::new(),
        orders: taken,
        candidates: found,
        site,
        until: None,
        leaving: None,
        is_done: false,
        last_id: 0,
    };
    let thread = thread::Builder::new().name("valetkey-native".into()).spawn(|| server.run())?;
    Ok(Handle { orders: Some(orders), waker, candidates, thread: Some(thread) })
}

/// All sockets have the same token: whatever happens, every one of the few is looked at.
const ANY: Token = Token(0);

/// The sockets come before `candidates`, and are closed before whoever waits hears of it.
struct Server {
    poll: Poll,
    listeners: Vec<TcpListener>,
    /// In the order in which they came.
    connections: Vec<Connection>,
    orders: Receiver<Order>,
    candidates: UnboundedSender<Candidate>,
    site: Site,
    /// When it ends by itself.
    until: Option<Instant>,
    /// The page that the browser which brought the callback was sent to.
    leaving: Option<Page>,
    /// That page has been fetched.
    is_done: bool,
    last_id: u64,
}

impl Server {
    fn run(mut self) -> End {
        let mut events = Events::with_capacity(2 * MAX_CONNECTIONS);
        let mut is_behind = false;
        loop {
            let nap = if is_behind { Duration::ZERO } else { self.nap() };
            if let Err(error) = self.poll.poll(&mut events, Some(nap))
                && error.kind() != io::ErrorKind::Interrupted
            {
                return End::Stopped;
            }
            if !self.take_orders() {
                return End::Stopped;
            }
            self.advance();
            is_behind = self.accept();
            if self.is_done {
                return End::Stopped;
            }
            if self.until.is_some_and(|until| until <= now()) {
                return if self.leaving.is_some() { End::Stopped } else { End::TimedOut };
            }
        }
    }

    /// How long nothing happens if nobody comes.
    fn nap(&self) -> Duration {
        let idle = self.connections.iter().filter(|other| other.is_idle());
        let next = idle.map(|other| other.since + PATIENCE).chain(self.until).min();
        next.map_or(NAP, |next| next.saturating_duration_since(now()).min(NAP))
    }

    /// Does what it is told; false if nobody is there any more.
    fn take_orders(&mut self) -> bool {
        loop {
            match self.orders.try_recv() {
                Ok(Order::Wait(deadline)) => self.until = now().checked_add(deadline),
                Ok(Order::Verdict(id, is_ours)) => self.settle(id, is_ours),
                Err(mpsc::TryRecvError::Empty) => return true,
                Err(mpsc::TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn settle(&mut self, id: u64, is_ours: bool) {
        let settle = |connection: &mut Connection| connection.settle(id, is_ours, &self.site);
        let page = self.connections.iter_mut().find_map(settle);
        if is_ours {
            self.leaving = page;
            self.until = now().checked_add(GRACE);
        }
    }

    /// Gives every connection its turn, and ends those that had time enough.
    fn advance(&mut self) {
        let now = now();
        for connection in std::mem::take(&mut self.connections) {
            if !connection.is_idle() || connection.since + PATIENCE > now {
                self.serve(connection);
            }
        }
    }

    /// Takes new connections; true if there may be more.
    fn accept(&mut self) -> bool {
        for _ in 0..ACCEPTED_AT_ONCE {
            if self.is_done || !self.make_room() {
                // All is done, or the verdicts that are awaited wake the thread.
                return false;
            }
            // Whoever floods one address does not keep the other one waiting.
            self.listeners.reverse();
            let accepted = self.listeners.iter().find_map(|listener| listener.accept().ok());
            let Some((mut stream, _)) = accepted else { return false };
            let interest = Interest::READABLE | Interest::WRITABLE;
            if self.poll.registry().register(&mut stream, ANY, interest).is_ok() {
                self.serve(Connection::new(stream, now()));
            }
        }
        true
    }

    /// Sees to it that another connection may come. The one that has been slow for longest goes: whoever is
    /// quick is never kept waiting by those who are not.
    fn make_room(&mut self) -> bool {
        if self.connections.len() < MAX_CONNECTIONS {
            return true;
        }
        let slowest = self.connections.iter().position(Connection::is_idle);
        slowest.map(|at| self.connections.remove(at)).is_some()
    }

    /// Gives a connection its turn, and keeps it if it wants another.
    fn serve(&mut self, mut connection: Connection) {
        connection.advance(&self.site);
        if let Some(asked) = connection.take_asked() {
            self.reply(&mut connection, asked);
            connection.advance(&self.site);
        }
        self.is_done |= connection.was_last();
        if !connection.is_over() {
            self.connections.push(connection);
        }
    }

    fn reply(&mut self, connection: &mut Connection, asked: Asked) {
        match asked {
            Asked::Callback(target) if self.leaving.is_none() => {
                self.last_id += 1;
                connection.judge(self.last_id, &target);
                let candidate = Candidate { id: self.last_id, callback: Callback::uri(target) };
                // Whoever does not listen any more ends the thread by that.
                let _ = self.candidates.unbounded_send(candidate);
            }
            Asked::Clean(page) if self.leaving == Some(page) => connection.answer(page, true),
            Asked::Callback(_) | Asked::Clean(_) => connection.answer(Page::Missing, false),
            Asked::Refused(page) => connection.answer(page, false),
        }
    }
}

/// The listener's deadlines are short, and about sockets rather than tokens.
#[expect(clippy::disallowed_methods, reason = "there is no backend here, and no token whose age is told")]
fn now() -> Instant {
    Instant::now()
}
