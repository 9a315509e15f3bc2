//! What arrived at the provider, and what must not have.

use super::Provider;
use crate::transcript::{Entry, Mark, Place};

/// The transcript.
impl Provider {
    /// Every request so far, in its order.
    #[must_use]
    pub fn transcript(&self) -> Vec<Entry> {
        self.inner().transcript.entries.clone()
    }

    /// How many requests this kind of endpoint got.
    #[must_use]
    pub fn count(&self, place: Place) -> usize {
        self.inner().transcript.count(place)
    }

    /// This point in the transcript, for [`assert_quiet_since`](Self::assert_quiet_since).
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.inner().transcript.mark()
    }

    /// The requests since the mark.
    #[must_use]
    pub fn requests_since(&self, mark: Mark) -> Vec<Entry> {
        self.inner().transcript.since(mark).to_vec()
    }

    /// Checks that no request has left the client since the mark. Visits of the browser do not count.
    ///
    /// This is how a test sees that a client rejected something: it goes no further.
    ///
    /// # Panics
    ///
    /// If there was one; the message lists what came, without secrets.
    #[track_caller]
    pub fn assert_quiet_since(&self, mark: Mark) {
        let inner = self.inner();
        let came = inner.transcript.mark().by_clients - mark.by_clients;
        let entries = inner.transcript.since(mark);
        assert!(came == 0, "{came} requests left the client: {entries:#?}");
    }
}

/// The oracle for clients that must stop.
impl Provider {
    /// Checks that since a fault happened the last time, the client has made no use of what it was given: that
    /// nothing has arrived but what a client may ask to find out that something is wrong, which is metadata
    /// and keys. Visits of the browser do not count.
    ///
    /// ```
    /// use valetkey_testkit::{Provider, fault};
    ///
    /// let provider = Provider::builder().fault(fault("iss-wrong")).build();
    /// provider.visit(
    ///     "https://issuer.test/authorize?response_type=code&client_id=app\
    ///      &redirect_uri=https%3A%2F%2Fclient.test%2Fcb",
    /// )?;
    /// // … the client refuses the callback, and:
    /// provider.assert_no_call_after_fault();
    /// # Ok::<(), valetkey_testkit::VisitError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If no fault has happened, if requests are not [kept](crate::ProviderBuilder::records), or if something came;
    /// the message lists it, without secrets.
    #[track_caller]
    pub fn assert_no_call_after_fault(&self) {
        let inner = self.inner();
        let Some(mark) = inner.after_fault else { panic!("no fault has happened") };
        assert!(inner.state.settings.records, "requests are not kept, so that nothing can be said of them");
        let entries = inner.transcript.since(mark).iter();
        let calls: Vec<_> = entries.filter(|entry| entry.place().is_use()).collect();
        assert!(calls.is_empty(), "{} requests left the client: {calls:#?}", calls.len());
    }
}
