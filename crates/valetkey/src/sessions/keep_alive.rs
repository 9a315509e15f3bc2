//! Renewing grants that nobody uses, before the server forgets them.

use std::{convert::Infallible, sync::Arc, time::Duration};

use futures_util::stream::{self, StreamExt};
use valetkey_http::Backend;
use valetkey_proto::{Error, Result, Timestamp, oauth2::token::refresh::Standing};

use super::Sessions;
use crate::session::SessionEvent;

/// How grants that nobody uses are kept alive.
#[must_use]
#[derive(Clone, Copy, Debug)]
pub struct KeepAlive {
    idle: Duration,
    at_once: usize,
}

impl KeepAlive {
    /// Renews grants that were not renewed for this long, and some of them up to a quarter of it earlier, so that not all that
    /// began together are renewed together. Take half of the time after which the server lets go of a refresh token that is not
    /// used, or less; no less than a minute counts.
    pub fn idle_for(idle: Duration) -> Self {
        Self { idle: idle.max(TICK), at_once: 4 }
    }

    /// How many are renewed at once: 4 unless it is said.
    pub fn at_once(mut self, at_once: usize) -> Self {
        self.at_once = at_once.max(1);
        self
    }
}

/// How long to sleep at most: timers stand still while a machine sleeps, and clocks are stepped.
const TICK: Duration = Duration::from_secs(60);
/// How long to wait at most before the store is looked through again.
const LONGEST: Duration = Duration::from_secs(3600);

impl Sessions {
    /// Keeps grants alive that nobody uses: renews them before the server forgets them. It goes on until it is dropped, and
    /// runs wherever it is polled, in a task of its own as a rule. Several processes may do so at once: what one has renewed,
    /// the others leave alone.
    ///
    /// What goes wrong with one account keeps none of the others: the client's
    /// [`Observer`](crate::ClientBuilder::observer) hears of it, and it is tried again.
    ///
    /// ```
    /// # use std::{pin::pin, time::Duration};
    /// # use futures_util::future::{self, Either};
    /// # use valetkey::{Client, KeepAlive, store::MemoryStore};
    /// # use valetkey_testkit::{Provider, block_on};
    /// # block_on(async {
    /// # let provider = Provider::builder().yields(true).build();
    /// # let client = Client::builder(provider.clone()).discover("https://issuer.test").id("app").secret("app-secret")
    /// #     .redirect_uri("https://client.test/cb").build().await?;
    /// # let sessions = client.sessions(MemoryStore::new());
    /// # let main_loop = future::ready(());
    /// // The server forgets refresh tokens that are not used for 90 days.
    /// let daily = KeepAlive::idle_for(Duration::from_secs(24 * 60 * 60)).at_once(8);
    /// let keep_alive = pin!(sessions.keep_alive(daily));
    /// // With tokio: `tokio::spawn`. Here it ends with the program.
    /// if let Either::Right((never, _)) = future::select(main_loop, keep_alive).await {
    ///     match never {}
    /// }
    /// # Ok::<(), valetkey::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn keep_alive(&self, how: KeepAlive) -> Infallible {
        loop {
            if let Err(error) = self.renew_idle(how).await {
                self.tell(error);
            }
            self.pause(how).await;
        }
    }

    /// Looks through the store once.
    async fn renew_idle(&self, how: KeepAlive) -> Result<()> {
        let accounts = self.shelf.accounts().await?;
        let renewals = stream::iter(accounts).map(|account| async move {
            if let Err(error) = self.renew_if_idle(&account, how).await {
                self.tell(error);
            }
        });
        renewals.buffer_unordered(how.at_once).for_each(|()| std::future::ready(())).await;
        Ok(())
    }

    async fn renew_if_idle(&self, account: &str, how: KeepAlive) -> Result<()> {
        let Some(entry) = self.shelf.shared(account).load().await? else { return Ok(()) };
        let record = &entry.record;
        let is_alive =
            !matches!(entry.standing, Standing::Ended(_)) && record.tokens().refresh_token().is_some();
        // The refresh token was used whenever any of them was got.
        let parts = record.parts().iter().map(|tokens| tokens.issued_at());
        let renewed = parts.fold(record.tokens().issued_at(), Timestamp::max);
        if !is_alive || self.now() < renewed + how.idle - self.draw(how.idle / 4) {
            return Ok(());
        }
        // Who refuses says so to the observer by itself.
        if let Some(session) = self.open(account).await? {
            let _ = session.refresh().await;
        }
        Ok(())
    }

    /// Waits until it is worthwhile to look again, by the clock.
    async fn pause(&self, how: KeepAlive) {
        let pause = (how.idle / 16).clamp(TICK, LONGEST);
        let began = self.now();
        let until = began + (pause - self.draw(pause / 4));
        loop {
            let now = self.now();
            // A clock that was put back says nothing of how long it was.
            if now >= until || now < began {
                return;
            }
            self.backend().sleep((until - now).min(TICK)).await;
        }
    }

    fn backend(&self) -> &Arc<dyn Backend> {
        self.client.runtime().backend()
    }

    fn now(&self) -> Timestamp {
        self.client.runtime().now()
    }

    /// Some time from nothing to this.
    fn draw(&self, longest: Duration) -> Duration {
        longest * u32::from(self.client.runtime().draw()) / 255
    }

    fn tell(&self, error: Error) {
        self.client.observer().event(&SessionEvent::RenewalFailed { error });
    }
}
