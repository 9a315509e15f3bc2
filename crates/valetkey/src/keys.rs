//! The keys that a server publishes: kept, and asked for anew when they are too old or lack the one that a token names.

use std::{sync::Arc, time::Duration};

use valetkey_proto::{
    Call, Error, Reason, Result, Timestamp,
    crypto::CryptoProvider,
    endpoint::Endpoint,
    jose::Jwks,
    oauth2::{
        protected_resource::Refusal,
        server::{JwksRequest, ServerMetadata},
    },
};

use crate::{
    Runtime,
    kept::{self, Age, Published},
    run::run,
    slot::Slot,
};

/// Whose keys are kept, and what is made of them.
pub(crate) trait KeyOwner: Send + Sync + 'static {
    /// The keys, ready to verify.
    type Keys: Send + Sync + 'static;

    fn server(&self) -> &ServerMetadata;

    /// Whether it takes more than what is shared with the server.
    fn needs_published_keys(&self) -> bool;

    fn keys(&self, published: &Jwks, crypto: &CryptoProvider) -> Result<Self::Keys>;
}

/// What a check ends with, and why.
pub(crate) trait Cause {
    fn cause(&self) -> Option<&Error>;
}

impl Cause for Error {
    fn cause(&self) -> Option<&Error> {
        Some(self)
    }
}

impl Cause for Refusal {
    fn cause(&self) -> Option<&Error> {
        self.error()
    }
}

/// The keys of one server.
pub(crate) struct KeyCache<O: KeyOwner>(Slot<Kept<O::Keys>>);

struct Kept<K> {
    keys: Arc<K>,
    /// Where they are from; `None` if they are shared and were not fetched.
    url: Option<Endpoint>,
    age: Age,
    /// When they were last asked for because a token named one that was not known.
    sought: Option<Timestamp>,
}

/// How long an unknown key is not looked for again: whoever makes up names of keys must not make us ask.
const SEEK_AGAIN: Duration = Duration::from_secs(30);

impl<O: KeyOwner> KeyCache<O> {
    pub(crate) fn new() -> Self {
        Self(Slot::new(None, kept::pause_after))
    }

    /// Checks something by the server's keys; if it names a key that is not known, once more by those that the server has
    /// now (OpenID Connect Core §10.1.1). That keys cannot be had is one thing, and what they say another.
    pub(crate) async fn check<T, E: Cause>(
        &self,
        owner: &Arc<O>,
        runtime: &Runtime,
        check: impl Fn(&O::Keys) -> Result<T, E>,
    ) -> Result<Result<T, E>> {
        let kept = self.kept(owner, runtime).await?;
        match check(&kept.keys) {
            Ok(checked) => Ok(Ok(checked)),
            Err(error) => match self.after(error.cause(), owner, runtime, &kept).await {
                Some(kept) => Ok(check(&kept?.keys)),
                None => Ok(Err(error)),
            },
        }
    }

    /// Asks for something that is signed and changes nothing, and once more if it names a key that was not known: the answer
    /// is read where it is asked for, so that it cannot be read again by other keys.
    ///
    /// The keys are handed over: a future that borrows them could not be seen to cross threads (`AsyncFn` says nothing of
    /// that yet).
    pub(crate) async fn ask<T, F: Future<Output = Result<T>>>(
        &self,
        owner: &Arc<O>,
        runtime: &Runtime,
        ask: impl Fn(Arc<O::Keys>) -> F,
    ) -> Result<T> {
        let kept = self.kept(owner, runtime).await?;
        match ask(Arc::clone(&kept.keys)).await {
            Ok(answer) => Ok(answer),
            Err(error) => match self.after(Some(&error), owner, runtime, &kept).await {
                Some(kept) => ask(Arc::clone(&kept?.keys)).await,
                None => Err(error),
            },
        }
    }

    /// The keys of the server, at most ten minutes old unless they cannot be had.
    async fn kept(&self, owner: &Arc<O>, runtime: &Runtime) -> Result<Arc<Kept<O::Keys>>> {
        let is_usable = |kept: &Kept<O::Keys>| kept.is_of(owner.server());
        kept::current(&self.0, is_usable, runtime, |known| {
            fetch(Arc::clone(owner), known.and_then(|kept| kept.sought), runtime.clone())
        })
        .await
    }

    /// The keys that the server has now, if this error says that one is not known and they may be asked for.
    async fn after(
        &self,
        error: Option<&Error>,
        owner: &Arc<O>,
        runtime: &Runtime,
        kept: &Arc<Kept<O::Keys>>,
    ) -> Option<Result<Arc<Kept<O::Keys>>>> {
        let now = runtime.now();
        if error.map(Error::reason) != Some(Reason::KeyNotFound) || !kept.may_be_sought(now) {
            return None;
        }
        let work = || fetch(Arc::clone(owner), Some(now), runtime.clone());
        Some(self.0.renew(Some(kept), runtime.backend(), work).await)
    }
}

async fn fetch<O: KeyOwner>(
    owner: Arc<O>,
    sought: Option<Timestamp>,
    runtime: Runtime,
) -> Result<Kept<O::Keys>> {
    let (published, url, age) = if owner.needs_published_keys() {
        let request = JwksRequest::new(owner.server())?;
        let (url, age) = (request.url().clone(), Age::of(runtime.now()));
        (run(Call::anonymous(request), &runtime).await?, Some(url), age)
    } else {
        (Jwks::default(), None, Age::ENDLESS)
    };
    let keys = Arc::new(owner.keys(&published, runtime.env().crypto)?);
    Ok(Kept { keys, url, age, sought })
}

impl<K> Kept<K> {
    /// Whether these are of the place that the server names now.
    fn is_of(&self, server: &ServerMetadata) -> bool {
        self.url
            .as_ref()
            .is_none_or(|url| server.endpoint("jwks_uri").is_ok_and(|now| now.as_str() == url.as_str()))
    }

    fn may_be_sought(&self, now: Timestamp) -> bool {
        self.url.is_some() && self.sought.is_none_or(|sought| now < sought || now - sought >= SEEK_AGAIN)
    }
}

impl<K: Send + Sync + 'static> Published for Kept<K> {
    fn age(&self) -> Age {
        self.age
    }
}
