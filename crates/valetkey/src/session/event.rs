//! What a session says of itself, to whoever observes.

use std::fmt;

use valetkey_proto::{Error, Reason};

/// Something that happened to a session. Nothing in it is secret.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SessionEvent {
    /// New tokens are in use.
    Renewed {
        /// How often the tokens of this grant were renewed.
        generation: u64,
    },
    /// Another process had renewed the tokens, and what it got is in use.
    Adopted {
        /// How often the tokens of this grant were renewed.
        generation: u64,
    },
    /// New tokens could not be got. The present ones stay in use as long as they are good.
    RenewalFailed {
        /// Why.
        error: Error,
    },
    /// The user has to sign in again: nothing renews these tokens any more.
    ReauthorizationRequired {
        /// Why.
        error: Error,
    },
    /// New tokens are in use, but could not be kept where the program keeps them. They are tried to be kept again
    /// with the next renewal and by [`Session::close`](crate::Session::close).
    NotKept {
        /// How often the tokens of this grant were renewed.
        generation: u64,
    },
    /// The server did something that it need not, and that a program may want to know of.
    Anomaly(Anomaly),
}

/// Something that a server need not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Anomaly {
    /// A renewal brought another scope than was granted before.
    ScopeChanged,
    /// Other authorization details were granted than were asked for, or than were granted before.
    DetailsChanged,
    /// An API refused an access token that had just been issued.
    NewTokenRefused,
    /// A renewal brought an ID token that could not be verified, because the server's keys could not be had; the tokens are
    /// in use, and the identity is what it was.
    IdentityNotRenewed(Reason),
}

/// Is told what happens to the sessions of a client. It must be quick: sessions wait for it.
///
/// A closure is one:
///
/// ```
/// use valetkey::{Client, SessionEvent};
/// # let backend = valetkey_testkit::Provider::new();
///
/// let builder = Client::builder(backend).observer(|event: &SessionEvent| println!("{event:?}"));
/// # let _ = builder;
/// ```
pub trait Observer: Send + Sync {
    /// Takes note.
    fn event(&self, event: &SessionEvent);
}

impl<F: Fn(&SessionEvent) + Send + Sync> Observer for F {
    fn event(&self, event: &SessionEvent) {
        self(event);
    }
}

/// Observes nothing.
pub(crate) struct Nobody;

impl Observer for Nobody {
    fn event(&self, _: &SessionEvent) {}
}

impl fmt::Debug for dyn Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

/// Writes the events of sessions to [`tracing`], with the target `valetkey`.
#[cfg(feature = "tracing")]
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct TracingObserver;

#[cfg(feature = "tracing")]
impl TracingObserver {
    /// The observer.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

#[cfg(feature = "tracing")]
impl Observer for TracingObserver {
    fn event(&self, event: &SessionEvent) {
        match event {
            SessionEvent::Renewed { generation } => {
                tracing::debug!(target: "valetkey", generation, "tokens renewed")
            }
            SessionEvent::Adopted { generation } => {
                tracing::debug!(target: "valetkey", generation, "tokens adopted")
            }
            SessionEvent::RenewalFailed { error } => {
                tracing::warn!(target: "valetkey", reason = ?error.reason(), "tokens could not be renewed: {error}");
            }
            SessionEvent::ReauthorizationRequired { error } => {
                tracing::error!(target: "valetkey", reason = ?error.reason(), "the user has to sign in again: {error}");
            }
            SessionEvent::NotKept { generation } => {
                tracing::error!(target: "valetkey", generation, "tokens could not be kept");
            }
            SessionEvent::Anomaly(anomaly) => tracing::warn!(target: "valetkey", ?anomaly, "anomaly"),
        }
    }
}
