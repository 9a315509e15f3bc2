//! New tokens before the present ones have expired: got while nobody waits, or because a caller wants them to last.

use std::{
    mem,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use valetkey::{ErrorKind, Reason, Session};
use valetkey_http::Task;
use valetkey_testkit::{Effect, Expect, Fault, Member, Place, Provider, Spawning, block_on, fault};

use crate::renewal::{HOUR, call, session};

const SECOND: Duration = Duration::from_secs(1);

/// An executor that runs what it was given when it is told to.
#[derive(Clone, Default)]
struct Later(Arc<Mutex<Vec<Task>>>);

impl Later {
    /// A session of alice's, whose tasks are run later once she is signed in.
    fn session(&self, edits: &'static [Member]) -> (Provider, Session) {
        let (later, is_signed_in) = (self.clone(), Arc::new(AtomicBool::new(false)));
        let waits = Arc::clone(&is_signed_in);
        let spawning = Spawning::with(move |task| {
            if waits.load(Ordering::Relaxed) { later.0.lock().unwrap().push(task) } else { block_on(task) }
        });
        let provider = Provider::builder().rotation_grace(HOUR).spawning(spawning).build();
        if !edits.is_empty() {
            provider.set_fault(Fault::new(
                "of-this-test",
                Place::Token,
                Effect::Json(edits),
                Expect::Accepted,
            ));
        }
        let session = session(&provider);
        is_signed_in.store(true, Ordering::Relaxed);
        (provider, session)
    }

    fn tasks(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Runs what there is, and what that leaves, and says how many tasks it was.
    fn run(&self) -> usize {
        let mut count = 0;
        // A task may wait for another one, which is driven beside it.
        let mut under_way: Vec<Task> = Vec::new();
        loop {
            let new = mem::take(&mut *self.0.lock().unwrap());
            count += new.len();
            under_way.extend(new);
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            under_way.retain_mut(|task| task.as_mut().poll(&mut context).is_pending());
            if under_way.is_empty() && self.tasks() == 0 {
                return count;
            }
        }
    }
}

fn asked(provider: &Provider) -> usize {
    provider.count(Place::Token)
}

#[test]
fn r_herd_the_old_token_serves_while_another_is_got() {
    let later = Later::default();
    let (provider, session) = later.session(&[]);
    provider.advance(HOUR - 91 * SECOND);
    assert_eq!((call(&session, &provider).unwrap(), later.tasks()), (200, 0), "nobody wants another yet");
    provider.advance(31 * SECOND);
    let old = session.bearer().unwrap().as_bytes().to_vec();
    assert_eq!(later.tasks(), 1, "who takes the header has another one got");
    for _ in 0..10 {
        assert_eq!(call(&session, &provider).unwrap(), 200);
    }
    assert_eq!((asked(&provider), later.tasks()), (1, 1), "nobody waits, and one is enough");
    later.run();
    assert_eq!(asked(&provider), 2);
    assert_ne!(session.bearer().unwrap().as_bytes(), old);
    assert_eq!((call(&session, &provider).unwrap(), asked(&provider), later.tasks()), (200, 2, 0));
}

#[test]
fn r_herd_in_the_last_seconds_callers_wait() {
    let later = Later::default();
    let (provider, session) = later.session(&[]);
    provider.advance(HOUR - 9 * SECOND);
    let mut caller = Box::pin(session.tokens());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(caller.as_mut().poll(&mut context).is_pending());
    later.run();
    block_on(caller).unwrap();
    assert_eq!(asked(&provider), 2);
}

#[test]
fn r_down_an_early_renewal_that_fails_is_tried_again_and_disturbs_nobody() {
    let later = Later::default();
    let (provider, session) = later.session(&[]);
    provider.advance(HOUR - 60 * SECOND);
    provider.set_fault(fault("token-unreachable"));
    for _ in 0..5 {
        assert_eq!(call(&session, &provider).unwrap(), 200);
    }
    later.run();
    provider.clear_faults();
    // Whoever calls after the pause has it tried again.
    provider.advance(5 * SECOND);
    assert_eq!((call(&session, &provider).unwrap(), later.tasks()), (200, 1));
    later.run();
    provider.advance(HOUR / 2);
    let before = asked(&provider);
    assert_eq!((call(&session, &provider).unwrap(), later.tasks(), asked(&provider)), (200, 0, before));
}

#[test]
fn r_amb_an_answer_that_is_lost_early_is_asked_for_once_more() {
    let later = Later::default();
    let (provider, session) = later.session(&[]);
    provider.advance(HOUR - 60 * SECOND);
    provider.set_fault(fault("token-dropped").times(1));
    assert_eq!(call(&session, &provider).unwrap(), 200);
    later.run();
    assert_eq!(asked(&provider), 2);
    provider.advance(10 * SECOND);
    assert_eq!(call(&session, &provider).unwrap(), 200);
    later.run();
    assert_eq!(asked(&provider), 3);
    provider.advance(HOUR / 2);
    assert_eq!((call(&session, &provider).unwrap(), later.tasks()), (200, 0));
}

#[test]
fn r_can_a_session_that_goes_away_takes_its_early_renewal_along() {
    let later = Later::default();
    let (provider, session) = later.session(&[]);
    provider.advance(HOUR - 60 * SECOND);
    assert_eq!(call(&session, &provider).unwrap(), 200);
    drop(session);
    assert_eq!(later.run(), 1);
    assert_eq!(asked(&provider), 1, "nobody would hear of the tokens");
}

#[test]
fn without_an_executor_and_without_a_refresh_token_nothing_is_got_early() {
    let provider = Provider::new();
    let plain = session(&provider);
    provider.advance(HOUR - 60 * SECOND);
    assert_eq!((call(&plain, &provider).unwrap(), asked(&provider)), (200, 1));
    block_on(plain.close()).unwrap();
    assert_eq!(asked(&provider), 1, "nothing is under way");

    let later = Later::default();
    let (provider, session) = later.session(&[Member::Remove("refresh_token")]);
    provider.advance(HOUR - 60 * SECOND);
    assert_eq!((call(&session, &provider).unwrap(), later.tasks()), (200, 0));
}

#[test]
fn who_needs_tokens_for_a_time_gets_them_for_that() {
    let provider = Provider::new();
    let session = session(&provider);
    let lasts =
        |time| block_on(session.tokens_for(time)).map(|tokens| tokens.access_token().header().clone());
    let first = lasts(Duration::ZERO).unwrap();
    assert_eq!(lasts(HOUR).unwrap(), first);
    provider.advance(1800 * SECOND);
    assert_eq!(lasts(1800 * SECOND).unwrap(), first, "to the second");
    let second = lasts(1801 * SECOND).unwrap();
    assert_ne!(second, first);
    assert_eq!((lasts(1801 * SECOND).unwrap(), asked(&provider)), (second, 2));
    // The server will give no more for asking more often.
    for _ in 0..5 {
        let error = lasts(HOUR + SECOND).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::InvalidValue));
    }
    assert_eq!(asked(&provider), 2);
    // The old ones are good, and not for that long: who wants more hears why there are no others.
    provider.advance(1800 * SECOND);
    provider.set_fault(fault("token-unreachable"));
    assert_eq!(lasts(HOUR).unwrap_err().reason(), Reason::Unreachable);
    assert!(lasts(60 * SECOND).is_ok());
}

#[test]
fn of_tokens_that_do_not_say_how_long_they_live_none_are_too_short() {
    let provider = Provider::new();
    let edits: &[Member] = &[Member::Remove("expires_in")];
    provider.set_fault(Fault::new("of-this-test", Place::Token, Effect::Json(edits), Expect::Accepted));
    let session = session(&provider);
    provider.advance(1000 * HOUR);
    assert!(block_on(session.tokens_for(24 * HOUR)).is_ok());
    assert_eq!(asked(&provider), 1);
}
