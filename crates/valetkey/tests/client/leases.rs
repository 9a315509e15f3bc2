//! A lease that is over before the refresh token is sent: renewals that stood still, because their caller left a program without
//! an executor.

use std::{
    pin::pin,
    task::{Context, Waker},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use valetkey::{
    Advice, ErrorKind, Reason, Result, Session,
    oauth2::token::{TokenRecord, refresh::Standing},
    secret::Secret,
    store::{MemoryStore, Owner, Put, Store, StoreKey, Stored},
};
use valetkey_http::{Backend, Failure, Limits, Request, Response};
use valetkey_testkit::{Effect, Expect, Fault, Place, Provider, SeededRandom, block_on, turn};

use crate::{
    client, get,
    renewal::{HOUR, call},
    sessions::{alice, key, open},
};

/// What is acted on at once, and answered a turn later. As a backend it has no executor.
#[derive(Clone, Debug)]
struct Slow<T>(T);

#[async_trait]
impl Backend for Slow<Provider> {
    async fn send(&self, request: Request, limits: Limits) -> std::result::Result<Response, Failure> {
        let outcome = self.0.send(request, limits).await;
        turn().await;
        outcome
    }

    async fn sleep(&self, time: Duration) {
        turn().await;
        self.0.sleep(time).await;
    }

    fn now(&self) -> SystemTime {
        self.0.now()
    }
}

#[async_trait]
impl Store for Slow<MemoryStore> {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        let stored = self.0.load(key).await;
        turn().await;
        stored
    }

    async fn put(
        &self,
        key: &StoreKey,
        generation: u64,
        text: &Secret,
        lifetime: Option<Duration>,
    ) -> Result<Put> {
        let put = self.0.put(key, generation, text, lifetime).await;
        turn().await;
        put
    }

    async fn take(&self, key: &StoreKey) -> Result<Option<Stored>> {
        self.0.take(key).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<StoreKey>> {
        self.0.list(prefix).await
    }

    async fn lease(&self, key: &StoreKey, owner: &Owner, time: Duration) -> Result<bool> {
        let is_ours = self.0.lease(key, owner, time).await;
        turn().await;
        is_ours
    }

    async fn release(&self, key: &StoreKey, owner: &Owner) -> Result<()> {
        let released = self.0.release(key, owner).await;
        turn().await;
        released
    }
}

/// Two programs, of which the first has no executor, and a session of the same account in each, which is to be renewed.
struct Two {
    provider: Provider,
    store: MemoryStore,
    first: Session,
    second: Session,
}

impl Two {
    fn new(grace: Duration) -> Self {
        let provider = Provider::builder().rotation_grace(grace).build();
        let clock = provider.clone();
        let store = MemoryStore::with_clock(move || clock.now());
        let one = block_on(crate::builder_over(Slow(provider.clone()), &provider).build()).unwrap();
        let (one, two) = (one.sessions(Slow(store.clone())), client(&provider).sessions(store.clone()));
        drop(alice(&two, &provider));
        let (first, second) = (open(&one), open(&two));
        provider.advance(2 * HOUR);
        Self { provider, store, first, second }
    }

    /// A caller of the first leaves after so many polls; `None` if it is done before.
    fn leave(&self, polls: usize) -> Option<()> {
        let mut leaving = pin!(self.first.send(get(self.provider.api("me"))));
        let mut context = Context::from_waker(Waker::noop());
        (0..polls).all(|_| leaving.as_mut().poll(&mut context).is_pending()).then_some(())
    }

    /// Whoever comes next drives on what stood still.
    fn go_on(&self, polls: usize) {
        for _ in 0..2 {
            assert_eq!(call(&self.second, &self.provider).unwrap(), 200, "after {polls} polls");
            assert_eq!(call(&self.first, &self.provider).unwrap(), 200, "after {polls} polls");
            self.provider.advance(2 * HOUR);
        }
    }
}

/// Longer than a lease.
const STILL: Duration = Duration::from_secs(120);

/// A caller leaves after every number of polls. Returns how often no refresh token had been sent, of how often this fault
/// had happened.
fn leave_everywhere(fault: Option<Fault>) -> usize {
    let mut stood = 0;
    for polls in 1.. {
        let two = Two::new(Duration::ZERO);
        let provider = &two.provider;
        if let Some(fault) = fault {
            provider.set_fault(fault.times(1));
        }
        let (asked, happened) = (provider.count(Place::Token), provider.faults_happened());
        if two.leave(polls).is_none() {
            break;
        }
        let happened = provider.faults_happened() - happened;
        if provider.count(Place::Token) - asked > happened {
            // Its answer is on its way, and a server without grace gives no other.
            continue;
        }
        stood += usize::from(fault.is_none() || happened > 0);
        provider.clear_faults();
        provider.advance(STILL);
        two.go_on(polls);
    }
    stood
}

#[test]
fn r_crash_a_renewal_that_stood_still_past_its_lease_asks_nobody() {
    assert!(leave_everywhere(None) > 2);
}

#[test]
fn r_crash_a_repetition_that_stood_still_past_its_lease_asks_nobody() {
    let unreachable = Fault::new("unreachable", Place::Token, Effect::Refuse, Expect::Accepted);
    assert!(leave_everywhere(Some(unreachable)) > 0);
}

#[test]
fn r_store_an_answer_that_stood_still_is_not_written_over_newer_ones() {
    for polls in 1.. {
        let two = Two::new(24 * HOUR);
        if two.leave(polls).is_none() {
            return;
        }
        for _ in 0..2 {
            two.provider.advance(2 * HOUR);
            assert_eq!(call(&two.second, &two.provider).unwrap(), 200);
        }
        let newest = stored(&two);
        assert_eq!(call(&two.first, &two.provider).unwrap(), 200);
        assert_eq!(stored(&two), newest, "after {polls} polls");
    }
}

#[test]
fn r_store_who_signs_in_again_while_tokens_are_renewed_is_not_written_over() {
    for polls in 1.. {
        let two = Two::new(24 * HOUR);
        if two.leave(polls).is_none() {
            return;
        }
        let again = alice(&client(&two.provider).sessions(two.store.clone()), &two.provider);
        assert_eq!(call(&two.first, &two.provider).unwrap(), 200);
        assert_eq!(stored(&two), again.record(), "after {polls} polls");
    }
}

fn stored(two: &Two) -> Option<TokenRecord> {
    let stored = block_on(two.store.load(&key(&two.provider))).unwrap()?;
    Some(TokenRecord::parse_shared(stored.text.expose()).unwrap().0)
}

#[test]
fn r_crash_who_was_refused_says_nothing_of_a_grant_that_others_hold_by_now() {
    let mut marked = 0;
    for polls in 1.. {
        let two = Two::new(Duration::ZERO);
        let kept = two.second.record().unwrap();
        block_on(client(&two.provider).revoke(kept.tokens().refresh_token().unwrap())).unwrap();
        if two.leave(polls).is_none() {
            break;
        }
        two.provider.advance(STILL);
        let key = key(&two.provider);
        let written = block_on(two.store.load(&key)).unwrap().unwrap();
        let (_, standing) = TokenRecord::parse_shared(written.text.expose()).unwrap();
        if matches!(standing, Standing::Ended(_)) {
            marked += 1;
            continue;
        }
        // Another program is about to ask.
        let others = Owner::new(&SeededRandom::labelled(1, "others")).unwrap();
        assert!(block_on(two.store.lease(&key, &others, 2 * STILL)).unwrap());
        let intent = kept.to_shared_text(Standing::InFlight { since: two.provider.now().into(), lost: 0 });
        block_on(two.store.put(&key, written.generation + 1, &intent, None)).unwrap();
        let error = call(&two.first, &two.provider).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Store, Reason::StoreFailed), "after {polls}");
        assert!(matches!(error.advice(), Advice::RetryAfter(_)), "after {polls} polls");
    }
    assert!(marked > 0);
}
