//! The deadlines that a backend was set up with.

use std::time::Duration;

use crate::Limits;

/// The deadlines of a backend. Of these and the ones of a send, the smaller count.
///
/// ```
/// use std::time::Duration;
/// use valetkey_http::{Limits, adapter::Deadlines};
///
/// let deadlines = Deadlines { total: Duration::from_secs(5), ..Deadlines::default() };
/// let limits = deadlines.within(Limits::default());
/// assert_eq!((limits.total, limits.connect), (Duration::from_secs(5), Limits::default().connect));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "one for each deadline of `Limits`, set by builders one at a time"
)]
pub struct Deadlines {
    /// Longest time until a connection stands, TLS included.
    pub connect: Duration,
    /// Longest time from the send until the response head is there.
    pub head: Duration,
    /// Longest silence between two pieces of the body.
    pub idle: Duration,
    /// Longest time for the whole exchange.
    pub total: Duration,
}

impl Default for Deadlines {
    /// Those of [`Limits::default`] for connecting, which clients want to know when they are made; else none.
    fn default() -> Self {
        let connect = Limits::default().connect;
        Self { connect, head: Duration::MAX, idle: Duration::MAX, total: Duration::MAX }
    }
}

impl Deadlines {
    /// The limits of a send, within these deadlines.
    #[must_use]
    pub fn within(&self, mut limits: Limits) -> Limits {
        limits.connect = limits.connect.min(self.connect);
        limits.head = limits.head.min(self.head);
        limits.idle = limits.idle.min(self.idle);
        limits.total = limits.total.min(self.total);
        limits
    }
}
