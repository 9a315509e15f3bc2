//! Many callers at once, through many renewals.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::select;
use http::StatusCode;
use valetkey::store::FileStore;
use valetkey_http::{Backend, Failure, Limits, Request, Response, Task};

use crate::{
    Server,
    description::{Flow, KnownClient},
};

/// Passes everything on, and remembers how the token endpoint answered.
struct Recorder {
    backend: Arc<dyn Backend>,
    /// The path of the token endpoint.
    token_endpoint: String,
    answers: Mutex<Vec<StatusCode>>,
}

#[async_trait::async_trait]
impl Backend for Recorder {
    async fn send(&self, request: Request, limits: Limits) -> Result<Response, Failure> {
        let is_token_request = request.uri().path() == self.token_endpoint;
        let outcome = self.backend.send(request, limits).await;
        if is_token_request {
            let status = outcome.as_ref().map_or(StatusCode::IM_A_TEAPOT, Response::status);
            self.answers.lock().expect("no panic").push(status);
        }
        outcome
    }

    async fn sleep(&self, time: Duration) {
        self.backend.sleep(time).await;
    }

    fn spawn(&self, task: Task) -> Result<(), Task> {
        self.backend.spawn(task)
    }
}

/// Two hundred tasks call through one session whose tokens live for two seconds; of each ten calls `dropped` are
/// given up on at some moment. They are in one program, or in several that share the session in a folder.
async fn herd(dropped: u64, programs: usize) {
    if std::env::var("VALETKEY_ADAPTER").as_deref() == Ok("ureq") {
        println!("skipped: a backend that blocks has no two hundred callers at once");
        return;
    }
    for (server, known) in Server::each(Flow::ShortLived) {
        herd_at(server, known, dropped, programs).await;
    }
}

async fn herd_at(server: Server, known: &KnownClient, dropped: u64, programs: usize) {
    let probe = server.known(known).build().await.expect("discovery").server().await.expect("metadata");
    let token_endpoint = probe.token_endpoint().expect("a token endpoint").uri().path().to_owned();
    let backend = Arc::clone(&server.backend);
    let recorder = Arc::new(Recorder { backend, token_endpoint, answers: Mutex::default() });
    let server = Server { backend: Arc::<Recorder>::clone(&recorder), ..server };
    // A minute is what to run by hand; the checks of every commit have a few seconds.
    let seconds = std::env::var("VALETKEY_HERD_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let client = server.known(known).build().await.expect("discovery");
    let first = server.sign_in(&client, "alice").await.expect("a sign-in");
    let folder = format!("valetkey-herd-{}-{}-{programs}-{dropped}", std::process::id(), known.id);
    let folder = std::env::temp_dir().join(folder);
    let sessions = if programs == 1 {
        vec![first]
    } else {
        let store = || FileStore::open(&folder).expect("a store");
        client.sessions(store()).save("alice", &first).await.expect("a save");
        let mut sessions = Vec::new();
        for _ in 0..programs {
            let client = server.known(known).build().await.expect("discovery");
            sessions.push(client.sessions(store()).open("alice").await.expect("a record").expect("alice"));
        }
        sessions
    };
    let until = server.backend.now() + Duration::from_secs(seconds);
    let tasks: Vec<_> = (0..200_u64)
        .zip(sessions.iter().cycle())
        .map(|(task, session)| {
            let (session, backend, api) = (session.clone(), Arc::clone(&server.backend), server.api());
            tokio::spawn(async move {
                let mut calls = 0_u64;
                while backend.now() < until {
                    calls += 1;
                    let request = http::Request::get(&api).body(Bytes::new());
                    let call = session.send(request.expect("a request"));
                    if (task + calls) % 10 < dropped {
                        // Dropped in mid-flight, at a moment that differs from call to call.
                        let moment =
                            backend.sleep(Duration::from_micros((task * 7919 + calls * 104_729) % 5000));
                        drop(select(Box::pin(call), moment).await);
                    } else {
                        assert_eq!(call.await.expect("an answer").status(), StatusCode::OK);
                    }
                    backend.sleep(Duration::from_millis(100)).await;
                }
                calls
            })
        })
        .collect();
    let mut calls = 0;
    for task in tasks {
        calls += task.await.expect("no call failed");
    }
    let answers = recorder.answers.lock().expect("no panic").clone();
    let generation = sessions.iter().filter_map(|session| session.record()).map(|record| record.generation());
    let generation = generation.max().expect("tokens");
    println!(
        "{calls} calls of {programs} programs in {seconds} s, {generation} generations, {} token requests",
        answers.len()
    );
    assert!(answers.iter().all(StatusCode::is_success), "{answers:?}");
    assert_eq!(answers.len() as u64, generation + 1, "one request for each generation, and one for the code");
    assert!(generation + 1 >= seconds / 2, "the tokens did expire: {generation}");
    for session in sessions {
        session.refresh().await.expect("the family lives");
    }
    // There is none where there is one program.
    let _ = std::fs::remove_dir_all(&folder);
}

#[tokio::test(flavor = "multi_thread")]
async fn r_herd_servers_see_one_refresh_a_generation() {
    herd(0, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r_can_servers_see_one_refresh_a_generation_though_callers_leave() {
    herd(1, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r_herd_servers_see_one_refresh_a_generation_of_eight_programs() {
    herd(0, 8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r_can_servers_see_one_refresh_a_generation_of_eight_programs_though_callers_leave() {
    herd(1, 8).await;
}
