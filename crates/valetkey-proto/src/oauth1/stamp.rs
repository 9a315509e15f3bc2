//! Timestamp and nonce (RFC 5849 §3.3): no request is like another.

use super::{base_string::Decimal, credentials::check_identifier};
use crate::{
    error::{Error, ErrorKind, Reason, Result},
    flow::Env,
    form::hex,
    time::Timestamp,
};

/// The timestamp and nonce of one request.
///
/// [`Signer::sign`](super::Signer::sign) makes its own: the time now, and 128 random bits. This is for tests, and for
/// finding out why a signature is not taken.
///
/// ```
/// use valetkey_proto::{Timestamp, oauth1::Stamp};
///
/// assert!(Stamp::new(Timestamp::from_secs(137_131_201), "7d8f3e4a").is_ok());
/// assert!(Stamp::new(Timestamp::from_secs(-1), "7d8f3e4a").is_err());
/// ```
#[derive(Clone, Debug)]
pub struct Stamp(Kind);

#[derive(Clone, Debug)]
enum Kind {
    None,
    Made(Decimal, [u8; 32]),
    Given(Decimal, Box<str>),
}

impl Stamp {
    /// This time and this nonce.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::InvalidValue`] unless the time is positive (RFC 5849 §3.3), or if the nonce is empty, too
    /// long or has a control character.
    pub fn new(timestamp: Timestamp, nonce: &str) -> Result<Self> {
        check_identifier(nonce, "nonce")?;
        Ok(Self(Kind::Given(seconds(timestamp)?, nonce.into())))
    }

    /// Neither, which PLAINTEXT alone allows (RFC 5849 §3.1).
    #[must_use]
    pub fn none() -> Self {
        Self(Kind::None)
    }

    /// The time now, and a new nonce.
    pub(super) fn fresh(env: &Env<'_>) -> Result<Self> {
        let timestamp = seconds(env.now)?;
        let mut bytes = [0; 16];
        env.random.fill(&mut bytes)?;
        let mut nonce = [0; 32];
        for (pair, byte) in nonce.chunks_exact_mut(2).zip(bytes) {
            pair.copy_from_slice(&[hex(byte >> 4), hex(byte & 15)]);
        }
        Ok(Self(Kind::Made(timestamp, nonce)))
    }

    pub(super) fn is_none(&self) -> bool {
        matches!(self.0, Kind::None)
    }

    /// Both, as they are sent.
    pub(super) fn parts(&self) -> Option<(&[u8], &[u8])> {
        match &self.0 {
            Kind::None => None,
            Kind::Made(timestamp, nonce) => Some((timestamp.as_bytes(), nonce)),
            Kind::Given(timestamp, nonce) => Some((timestamp.as_bytes(), nonce.as_bytes())),
        }
    }
}

/// Seconds since 1970, which must be positive.
fn seconds(timestamp: Timestamp) -> Result<Decimal> {
    let positive = u64::try_from(timestamp.as_secs()).ok().filter(|&seconds| seconds > 0);
    let error = || Error::new(ErrorKind::Usage, Reason::InvalidValue).with_detail("timestamp");
    positive.map(Decimal::of).ok_or_else(error)
}
