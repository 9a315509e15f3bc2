//! Points in time, as numbers that are handed in.

use std::{
    ops::{Add, Sub},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A point in time: milliseconds since 1970-01-01 UTC, by the wall clock.
///
/// The wall clock, because a monotonic one stops while a machine sleeps and would make dead tokens look
/// alive. All arithmetic saturates.
///
/// ```
/// use std::time::Duration;
/// use valetkey_proto::Timestamp;
///
/// let issued = Timestamp::from_secs(1_700_000_000);
/// let expires = issued + Duration::from_secs(3600);
/// assert_eq!(expires - issued, Duration::from_secs(3600));
/// assert_eq!(issued - expires, Duration::ZERO);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From seconds since 1970-01-01 UTC: the `NumericDate` of RFC 7519 §2, the timestamp of OAuth 1.0.
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970-01-01 UTC, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self(match time.duration_since(UNIX_EPOCH) {
            Ok(since) => saturating_millis(since),
            Err(before) => saturating_millis(before.duration()).saturating_neg(),
        })
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(saturating_millis(duration)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(saturating_millis(duration)))
    }
}

/// A time in which something may be begun, by a clock that may be stepped: before its first moment is as wrong as after its
/// last.
///
/// ```
/// use std::time::Duration;
/// use valetkey_proto::{Timestamp, Window};
///
/// let now = Timestamp::from_secs(1_700_000_000);
/// let window = Window { from: now, until: now + Duration::from_secs(45) };
/// assert!(window.contains(now + Duration::from_secs(45)));
/// assert!(!window.contains(now + Duration::from_secs(46)));
/// assert!(!window.contains(now - Duration::from_secs(1)));
/// assert!(Window::ALWAYS.contains(now));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "it has two ends")]
pub struct Window {
    /// The first moment.
    pub from: Timestamp,
    /// The last one.
    pub until: Timestamp,
}

impl Window {
    /// At any time.
    pub const ALWAYS: Self = Self { from: Timestamp(i64::MIN), until: Timestamp(i64::MAX) };

    /// Whether it is the time.
    #[must_use]
    pub fn contains(&self, now: Timestamp) -> bool {
        self.from <= now && now <= self.until
    }
}

/// A wait of some time, by a clock that may be stepped: one that is set back makes it begin anew, and no more than that.
#[derive(Clone, Copy)]
pub(crate) struct Wait {
    from: Timestamp,
    time: Duration,
}

impl Wait {
    pub(crate) fn new(from: Timestamp, time: Duration) -> Self {
        Self { from, time }
    }

    /// How much of it is left: never more than it first was.
    pub(crate) fn rest(&mut self, now: Timestamp) -> Duration {
        self.from = self.from.min(now);
        self.time.saturating_sub(now - self.from)
    }
}

/// The time from `earlier` until now; zero if `earlier` is later.
impl Sub for Timestamp {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

fn saturating_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_net_09_times_at_the_extremes_saturate() {
        for end in [i64::MIN, i64::MAX] {
            let time = Timestamp::from_millis(end);
            assert!(time + Duration::MAX >= Timestamp::from_millis(-1));
            assert!(time - Duration::MAX <= Timestamp::from_millis(0));
            let _ = (time.as_secs(), time - Timestamp::from_millis(0), Timestamp::from_millis(0) - time);
        }
        assert_eq!(Timestamp::from_secs(i64::MAX).as_millis(), i64::MAX);
        let before = UNIX_EPOCH - Duration::from_millis(1500);
        assert_eq!(Timestamp::from(before).as_millis(), -1500);
        assert_eq!(Timestamp::from(before).as_secs(), -2);
    }
}
