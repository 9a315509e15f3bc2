//! When an API wants more than the session's token has.

use std::sync::PoisonError;

use http::{Method, Uri};
use valetkey_proto::{
    Error, ErrorKind, Reason, Result,
    oauth2::{
        step_up::{Demand, Operation, StepUp},
        token::TokenRecord,
    },
};

use super::{Renewal, Session};
use crate::client::Authorize;

impl Session {
    /// The sign-in that an API wants, if an answer says that the token does not suffice: another scope (RFC 6750 §3.1), or a
    /// user who was authenticated in another way or not so long ago (RFC 9470). `None` for every other answer.
    ///
    /// It asks for what was granted and for what is demanded, for the same APIs and with the same details; `prompt`,
    /// `login_hint` and the like can still be said. The session of it is another one, to be used in place of this.
    ///
    /// A user is asked twice at most for the same operation, which is a method and a URL without its query, until it succeeds;
    /// how often it was goes along with the sign-in and with the tokens. Of answers to [`send`](Self::send) it is known what
    /// they answer. Whoever sends requests otherwise has their answers [noted](Self::note), or all of the operations are
    /// counted as one, which never succeeds.
    ///
    /// ```
    /// # use valetkey_testkit::{Provider, block_on};
    /// # block_on(async {
    /// # let provider = Provider::new();
    /// # let client = valetkey::Client::builder(provider.clone()).discover("https://issuer.test").id("app").secret("app-secret")
    /// #     .redirect_uri("https://client.test/cb").api("https://issuer.test/").build().await?;
    /// # let (url, pending) = client.authorize().scope("read").start().await?;
    /// # let mut session = client.redeem(pending, &provider.visit(&url).expect("the user approves")).await?;
    /// let admin = || http::Request::get("https://issuer.test/api/admin").body(bytes::Bytes::new()).expect("a request");
    /// let mut response = session.send(admin()).await?;
    /// while let Some(sign_in) = session.step_up(&response)? {
    ///     let (url, pending) = sign_in.start().await?;
    ///     let callback = provider.visit(&url).expect("the user approves");
    ///     session = client.redeem(pending, &callback).await?;
    ///     response = session.send(admin()).await?;
    /// }
    /// assert_eq!(response.status(), 200);
    /// # Ok::<(), valetkey::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// `Denied`: [`Reason::StepUpExhausted`], [`Reason::StepUpFutile`] and [`Reason::AuthenticationMismatch`], as
    /// [`StepUp::new`] has them. `Protocol`: what is wrong with the answer, as [`Demand::of`]. `Usage`: [`Reason::OutOfTurn`]
    /// for a session without a user, or without tokens.
    ///
    /// # Security
    ///
    /// Somebody else may sign in this time: compare the [`identity`](Self::identity) of both sessions.
    pub fn step_up<B>(&self, response: &http::Response<B>) -> Result<Option<Authorize>> {
        let Some(demand) = Demand::of(response)? else { return Ok(None) };
        let out_of_turn = |detail| Error::new(ErrorKind::Usage, Reason::OutOfTurn).with_detail(detail);
        if !matches!(self.grant.renewal, Renewal::RefreshToken) {
            return Err(out_of_turn("no user signed in"));
        }
        let record = self.record().ok_or_else(|| out_of_turn("no tokens"))?;
        let operation = response.extensions().get().cloned().unwrap_or_else(Operation::any);
        let step_up = StepUp::new(&demand, record.tokens(), &operation, &self.grant.client.runtime().env())?;
        Ok(Some(Authorize::after(self.grant.client.clone(), step_up)))
    }

    /// Takes note of the answer to a request that you sent yourself: one that may want more is marked by what it answers, for
    /// [`step_up`](Self::step_up), and what succeeds after a step-up is no longer counted. [`send`](Self::send) does it by
    /// itself.
    pub async fn note<B>(&self, method: &Method, uri: &Uri, response: &mut http::Response<B>) {
        let operation = || Operation::of(method, uri, &self.grant.client.runtime().env());
        match response.status().as_u16() {
            401 | 403 => drop(response.extensions_mut().insert(operation())),
            200..=399 if self.was_stepped_up() => self.succeed(operation()).await,
            _ => {}
        }
    }

    fn was_stepped_up(&self) -> bool {
        self.tokens.peek().as_ref().is_some_and(|live| live.tokens().requested().was_stepped_up())
    }

    /// Forgets that the user was asked for more, where the session's tokens are kept, too.
    async fn succeed(&self, operation: Operation) {
        let is_counted =
            self.record().is_some_and(|record| record.tokens().without_step_ups(&operation).is_some());
        if is_counted {
            self.grant.rare().succeeded.lock().unwrap_or_else(PoisonError::into_inner).insert(operation);
            // If it cannot be kept, the user is asked less often.
            let _ = self.keep_present().await;
        }
    }

    /// A record of which is forgotten what the user was asked for more for, and succeeded.
    pub(super) fn without_what_succeeded(&self, record: TokenRecord) -> TokenRecord {
        if !record.tokens().requested().was_stepped_up() {
            return record;
        }
        let Some(rare) = self.grant.rare.get() else { return record };
        let succeeded = rare.succeeded.lock().unwrap_or_else(PoisonError::into_inner);
        succeeded.iter().fold(record, |record, operation| match record.tokens().without_step_ups(operation) {
            Some(tokens) => record.with_tokens(tokens),
            None => record,
        })
    }
}
