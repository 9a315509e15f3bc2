//! How long what a server published is used.

use std::{sync::Arc, time::Duration};

use valetkey_proto::{
    Error, ErrorKind, Result, Timestamp,
    oauth2::server::{Discovery, Issuer, IssuerTemplate, MetadataSigner, ServerMetadata},
};

use crate::{Runtime, run::run, slot::Slot};

/// How long it is used without asking again.
const FRESH: Duration = Duration::from_secs(600);
/// How long it is used while the server cannot be asked.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// How long a server that could not be asked is left alone.
const PAUSE: Duration = Duration::from_secs(60);

/// When something was asked for; `None` if it was not, and so does not age.
#[derive(Clone, Copy)]
pub(crate) struct Age(Option<Timestamp>);

impl Age {
    pub(crate) const ENDLESS: Self = Self(None);

    pub(crate) fn of(asked: Timestamp) -> Self {
        Self(Some(asked))
    }

    pub(crate) fn is_fresh(self, now: Timestamp) -> bool {
        // A clock that was stepped back makes it look young for too long: ask again.
        self.0.is_none_or(|asked| asked <= now && now - asked < FRESH)
    }

    /// Whether it is still good although asking again ended with this error.
    pub(crate) fn survives(self, error: &Error, now: Timestamp) -> bool {
        is_outage(error) && self.0.is_none_or(|asked| now - asked < LONGEST)
    }
}

fn is_outage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Transport | ErrorKind::Timeout | ErrorKind::Server)
}

/// How long a server that could not be asked is left alone. Whatever else is wrong is asked for anew: it may be mended
/// at any time, and sign-ins are rare.
pub(crate) fn pause_after(error: &Error, _: u32) -> Option<Duration> {
    Some(if is_outage(error) { PAUSE } else { Duration::ZERO })
}

/// What a server published, and what follows from it.
pub(crate) trait Published: Send + Sync + 'static {
    fn age(&self) -> Age;
}

/// What is in the slot, asked for anew if it is too old or not usable any more; if it cannot be had, as it was for a day.
/// Whoever asks is told what is known.
pub(crate) async fn current<T, W>(
    slot: &Slot<T>,
    is_usable: impl Fn(&T) -> bool,
    runtime: &Runtime,
    ask: impl FnOnce(Option<&T>) -> W,
) -> Result<Arc<T>>
where
    T: Published,
    W: Future<Output = Result<T>> + Send + 'static,
{
    let now = runtime.now();
    let held = slot.get();
    let known = held.clone().filter(|held| is_usable(held));
    if let Some(known) = &known
        && known.age().is_fresh(now)
    {
        return Ok(Arc::clone(known));
    }
    let asked = slot.renew(held.as_ref(), runtime.backend(), || ask(known.as_deref())).await;
    match (asked, known) {
        (Err(error), Some(known)) if known.age().survives(&error, now) => Ok(known),
        (outcome, _) => outcome,
    }
}

/// Asks for the metadata of a server.
pub(crate) async fn discover(
    issuer: &Issuer,
    template: Option<&IssuerTemplate>,
    signer: Option<&MetadataSigner>,
    runtime: &Runtime,
) -> Result<(ServerMetadata, Age)> {
    let asked = runtime.now();
    let mut discovery = match template {
        Some(template) => Discovery::of_template(issuer, template)?,
        None => Discovery::new(issuer)?,
    };
    if let Some(signer) = signer {
        discovery = discovery.signed_by(signer);
    }
    Ok((run(discovery, runtime).await?, Age::of(asked)))
}
