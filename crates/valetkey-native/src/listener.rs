//! The port of this machine to which the browser comes back (RFC 8252 §7.3).
//!
//! ```text
//!   bind ──▶ Waiting ── a callback, and it is ours ──▶ Leaving ── its page was fetched, or 3 s ──▶ closed
//!               │ ▲                                                                                  ▲
//!               └─┘ anything else                                deadline, or dropped ───────────────┘
//! ```

mod bind;
mod connection;
mod page;
mod request;
mod server;

use std::{fmt, io, net::SocketAddr, time::Duration};

use valetkey::{
    Error, ErrorKind, Reason, Result,
    oauth2::authorization::{Callback, PendingAuthorization},
};

pub use bind::ListenerBuilder;
use server::{End, Handle, Order};

/// How long a user has, unless the program says otherwise.
const DEADLINE: Duration = Duration::from_secs(600);

/// A listener on loopback that waits for one browser to come back from one sign-in.
///
/// It is open from [`bind`](Self::bind) until [`wait`](Self::wait) ends or it is dropped. It answers on
/// `127.0.0.1` and, if that can be had too, on the same port of `[::1]`. A thread of its own does the work.
///
/// ```
/// use valetkey_native::LoopbackListener;
///
/// let listener = LoopbackListener::bind()?;
/// assert!(listener.redirect_uri().starts_with("http://127.0.0.1:"));
/// assert!(listener.redirect_uri().ends_with("/callback"));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Security
///
/// Any program and any page in a browser on this machine can send requests here. Only a `GET` of the exact path
/// that names this host (so that no foreign name can be bound to it) and carries the state of the sign-in ends
/// the wait. At most 32 connections are open at once, with 8 KiB each; the one that has been slow for longest
/// makes way for the next.
#[must_use = "dropping it closes the port"]
pub struct LoopbackListener {
    redirect_uri: String,
    addresses: Vec<SocketAddr>,
    deadline: Duration,
    server: Handle,
}

impl LoopbackListener {
    /// Listens on any free port, for the path `/callback`.
    ///
    /// # Errors
    ///
    /// If there is no port to be had, or no thread.
    pub fn bind() -> io::Result<Self> {
        Self::builder().bind()
    }

    /// Listens on a port, a path, or with a deadline of the program's choice.
    pub fn builder() -> ListenerBuilder {
        ListenerBuilder::new()
    }

    /// The redirect URI to build the client with, exactly.
    #[must_use]
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.addresses.first().map_or(0, SocketAddr::port)
    }

    /// Where it listens: on IPv4, and where there is IPv6, on that too.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Waits until the browser comes back from this sign-in, and closes the port.
    ///
    /// A callback that carries another state, or whatever else comes, is turned away, and the wait goes on. The
    /// server's refusal is a callback like any other: [`Client::redeem`](valetkey::Client::redeem) makes an error
    /// of it. The browser is then sent on to a clean address, so that the code stays neither in its address bar
    /// nor in its history (RFC 9700 §4.2.4), and the wait ends when it has been there, or after three seconds.
    ///
    /// It needs no runtime. Dropping the future closes the port at once.
    ///
    /// # Errors
    ///
    /// `Timeout`: [`Reason::TimedOut`] if the browser does not come back before the deadline of
    /// [`ListenerBuilder::deadline`]. `Transport`: [`Reason::ConnectionLost`] if the operating system takes the
    /// port away.
    pub async fn wait(mut self, pending: &PendingAuthorization) -> Result<Callback> {
        self.server.order(Order::Wait(self.deadline));
        let mut accepted = None;
        while let Some(candidate) = self.server.next().await {
            // In constant time; what is wrong beyond the state is for `redeem` to say.
            let is_ours = accepted.is_none() && pending.matches(&candidate.callback);
            self.server.order(Order::Verdict(candidate.id, is_ours));
            if is_ours {
                accepted = Some(candidate.callback);
            }
        }
        match (accepted, self.server.end()) {
            (Some(callback), _) => Ok(callback),
            (None, End::TimedOut) => Err(Error::new(ErrorKind::Timeout, Reason::TimedOut)
                .with_detail("the browser did not come back in time")),
            (None, End::Stopped) => {
                Err(Error::new(ErrorKind::Transport, Reason::ConnectionLost).with_detail("loopback listener"))
            }
        }
    }
}

impl fmt::Debug for LoopbackListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopbackListener")
            .field("redirect_uri", &self.redirect_uri)
            .field("addresses", &self.addresses)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
