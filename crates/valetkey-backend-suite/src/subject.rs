//! What the author of a backend provides: how one is made, how it is driven, and where it falls short.

use std::{pin::Pin, sync::Arc, time::Duration};

use valetkey_http::{Backend, BoxError, FailureKind, Sent, block_on};

use crate::tls::Identity;

/// The backend under test.
pub trait Subject: Send + Sync + 'static {
    /// What the trials are called by.
    fn name(&self) -> &str;

    /// Makes a backend. It uses no proxy, whatever the environment says.
    ///
    /// # Errors
    ///
    /// If the backend cannot be set up like this, or not at all. What it cannot do stands in
    /// [`exceptions`](Self::exceptions) as [`Outcome::Unsupported`].
    fn backend(&self, setup: &Setup) -> Result<Arc<dyn Backend>, BoxError>;

    /// Runs a future to its end, in the way in which the backend's users do.
    ///
    /// It is called on many threads at the same time.
    fn drive(&self, future: Pin<Box<dyn Future<Output = ()> + Send + '_>>) {
        block_on(future);
    }

    /// Where the backend is known to do something else than the suite demands.
    ///
    /// Each is tested as such: when a case passes that has an exception, its trial fails.
    fn exceptions(&self) -> &[Exception] {
        &[]
    }
}

/// What a case asks of a backend that it is about to use.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Setup {
    /// One more root certificate to trust, as PEM.
    pub roots_pem: Option<String>,
    /// Who the client is, to servers that ask for a certificate.
    pub identity: Option<Identity>,
    /// Longest time until a connection stands. If there is none, what the backend is used to.
    pub connect: Option<Duration>,
}

/// A case that ends otherwise with this backend, and why.
///
/// A case that ends in several ways has several exceptions.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a row of a table that authors of backends write")]
pub struct Exception {
    /// The name of the case, as [`cases`](crate::cases) has it; without `pooled::` or `fresh::`, it is for both.
    pub case: &'static str,
    /// How it ends.
    pub what: Outcome,
    /// Why it cannot be otherwise.
    pub why: &'static str,
}

/// How a case ends that does not pass.
///
/// That a request is sent twice, that `Sent::Nothing` is a lie, that an answer is another request's, and that
/// a certificate is not checked, are none of these: nothing excuses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// A send fails like this, and should not have failed, or otherwise.
    Fails(FailureKind, Sent),
    /// Something is not as it should be; this is what the trial calls it.
    Differs(&'static str),
    /// The backend cannot be set up as the case needs it.
    Unsupported,
}
