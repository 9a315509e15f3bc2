//! Sessions whose Redis goes in the middle of what they do.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use valetkey::{Client, ErrorKind, Reason, Result, Session, SessionEvent};
use valetkey_testkit::{Place, Provider};

use crate::{
    engine::pause,
    failing::{DURABLE, on_a_server},
    machine::Machine,
    open,
    server::Server,
};

const DEADLINE: Duration = Duration::from_millis(300);
const HOURS: Duration = Duration::from_secs(7200);

async fn sign_in(client: &Client, provider: &Provider) -> Session {
    let (url, pending) = client.authorize().scope("read").start().await.unwrap();
    client.redeem(pending, provider.visit(&url).unwrap()).await.unwrap()
}

async fn call(session: &Session, provider: &Provider) -> Result<u16> {
    let request = http::Request::get(provider.api("me")).body(bytes::Bytes::new()).unwrap();
    session.send(request).await.map(|response| response.status().as_u16())
}

#[test]
fn redis_gone_in_the_middle_costs_no_grant_and_says_what_to_do() {
    on_a_server(&DURABLE, async |server| {
        let (url, server) = (server.url(), Arc::new(Mutex::new(server)));
        let kill = |server: &Mutex<Server>| server.lock().unwrap().kill();
        let provider = Provider::new();
        let told = Arc::new(AtomicBool::new(false));
        let hears = Arc::clone(&told);
        let machine = Machine::of(&provider);
        let observer = move |event: &SessionEvent| {
            hears.fetch_or(matches!(event, SessionEvent::NotKept { .. }), Ordering::Relaxed);
        };
        let client = machine.builder().observer(observer).build().await.unwrap();
        let store = || open(&url, "t-sessions").with_deadline(DEADLINE);
        let sessions = client.sessions(store());
        let session = sign_in(&client, &provider).await;
        sessions.save("alice", &session).await.unwrap();

        // Before it asks: it does not ask.
        kill(&server);
        assert_eq!(call(&session, &provider).await.unwrap(), 200, "the token is good");
        provider.advance(HOURS);
        let before = provider.count(Place::Token);
        for error in [
            call(&session, &provider).await.unwrap_err(),
            sessions.open("bob").await.map(|_| ()).unwrap_err(),
            sessions.save("bob", &session).await.unwrap_err(),
            sessions.accounts().await.map(|_| ()).unwrap_err(),
            sessions.log_out("alice").await.map(|_| ()).unwrap_err(),
        ] {
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Store, Reason::StoreFailed));
            assert!(error.to_string().contains("see that it runs where the URL says"), "{error}");
        }
        assert_eq!(provider.count(Place::Token), before);
        restart(&server).await;
        provider.advance(Duration::from_secs(60));
        assert_eq!(call(&session, &provider).await.unwrap(), 200);

        // While it asks: what came is used, that it is not kept is told, and it is kept with the next.
        provider.advance(HOURS);
        let gone = Arc::clone(&server);
        machine.meanwhile(async move { gone.lock().unwrap().kill() });
        assert_eq!(call(&session, &provider).await.unwrap(), 200);
        assert!(told.load(Ordering::Relaxed));
        restart(&server).await;
        provider.advance(HOURS);
        assert_eq!(call(&session, &provider).await.unwrap(), 200);
        // Also to a machine whose clock is an hour ahead.
        let other = Machine::of(&provider);
        other.is_ahead(3600);
        let elsewhere = other.sessions(store()).open("alice").await.unwrap().expect("alice");
        assert_eq!(elsewhere.record(), session.record());
        assert_eq!(call(&elsewhere, &provider).await.unwrap(), 200);
    });
}

#[expect(clippy::await_holding_lock, reason = "nobody else is at it")]
async fn restart(server: &Mutex<Server>) {
    server.lock().unwrap().restart().await;
    pause(50).await;
}
