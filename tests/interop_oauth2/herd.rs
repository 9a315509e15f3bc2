//! Many callers at once, through many renewals: tasks of one program, and of several that share the grant in a store.

use std::{
    env,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::{join_all, select};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use valetkey::Session;
use valetkey_http::{Backend, Failure, Limits, Request, Response, Task};

use crate::{
    Server,
    description::{Flow, KnownClient},
    stores::{Address, Engine},
};

/// A token request: the refresh token, if it was by one, and how it was answered.
type Asked = (Option<String>, u16);

/// Passes everything on, and remembers token requests.
struct Recorder {
    backend: Arc<dyn Backend>,
    /// The path of the token endpoint.
    token_endpoint: String,
    asked: Mutex<Vec<Asked>>,
}

#[async_trait::async_trait]
impl Backend for Recorder {
    async fn send(&self, request: Request, limits: Limits) -> Result<Response, Failure> {
        let is_token_request = request.uri().path() == self.token_endpoint;
        let form = is_token_request.then(|| request.body().clone());
        let outcome = self.backend.send(request, limits).await;
        if let Some(form) = form {
            let mut form = form_urlencoded::parse(&form);
            let token = form.find(|(name, _)| name == "refresh_token").map(|(_, value)| value.into_owned());
            let status = outcome.as_ref().map_or(0, |response| response.status().as_u16());
            self.asked.lock().expect("no panic").push((token, status));
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

/// A server whose token requests are remembered.
async fn recorded(server: Server, known: &KnownClient) -> (Server, Arc<Recorder>) {
    let probe = server.known(known).build().await.expect("discovery").server().await.expect("metadata");
    let token_endpoint = probe.token_endpoint().expect("a token endpoint").uri().path().to_owned();
    let backend = Arc::clone(&server.backend);
    let recorder = Arc::new(Recorder { backend, token_endpoint, asked: Mutex::default() });
    (Server { backend: Arc::<Recorder>::clone(&recorder), ..server }, recorder)
}

/// What tasks do with a session.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Doing {
    tasks: u64,
    seconds: u64,
    /// Of ten calls, how many are given up on at some moment.
    dropped: u64,
    /// Of how many calls one is of the API; the others are for the tokens alone.
    api: u64,
    /// How long a task rests between two calls.
    rest: Duration,
}

fn number(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |value| value.parse().expect("a number"))
}

impl Doing {
    /// For some seconds. A minute is what to run by hand; the checks of every commit have a few seconds.
    fn new(tasks: u64, dropped: u64) -> Self {
        let seconds = number("VALETKEY_HERD_SECONDS", 5);
        Self { tasks, seconds, dropped, api: 1, rest: Duration::from_millis(100) }
    }

    /// Calls, and says how often.
    async fn calls(self, server: &Server, session: &Session) -> u64 {
        let until = server.backend.now() + Duration::from_secs(self.seconds);
        let tasks = (0..self.tasks).map(|task| {
            let (session, backend, api) = (session.clone(), Arc::clone(&server.backend), server.api());
            tokio::spawn(async move {
                let mut calls = 0_u64;
                while backend.now() < until {
                    calls += 1;
                    let call = Box::pin(self.call(&session, &api, task + calls));
                    if (task + calls) % 10 < self.dropped {
                        // Dropped in mid-flight, at a moment that differs from call to call.
                        let moment = Duration::from_micros((task * 7919 + calls * 104_729) % 5000);
                        drop(select(call, backend.sleep(moment)).await);
                    } else {
                        call.await;
                    }
                    backend.sleep(self.rest).await;
                }
                calls
            })
        });
        join_all(tasks).await.into_iter().map(|calls| calls.expect("no call failed")).sum()
    }

    async fn call(self, session: &Session, api: &str, number: u64) {
        if number.is_multiple_of(self.api) {
            let request = http::Request::get(api).body(Bytes::new()).expect("a request");
            assert_eq!(session.send(request).await.expect("an answer").status(), StatusCode::OK);
        } else {
            session.tokens().await.expect("tokens");
        }
    }
}

/// Whether each refresh token was sent once, and all were taken.
fn judge(asked: &[Asked], generation: u64, seconds: u64) {
    let mut tokens: Vec<_> = asked.iter().filter_map(|(token, _)| token.as_deref()).collect();
    let count = tokens.len() as u64;
    tokens.sort_unstable();
    assert!(tokens.windows(2).all(|pair| pair[0] != pair[1]), "a refresh token was sent twice");
    assert!(asked.iter().all(|(_, status)| *status == 200), "{:?}", asked.last());
    assert_eq!(count, generation, "one request a generation");
    assert!(generation + 1 >= seconds / 2, "the tokens did expire: {generation}");
}

/// Two hundred tasks call through one session whose tokens live for two seconds.
async fn herd(dropped: u64) {
    if env::var("VALETKEY_ADAPTER").as_deref() == Ok("ureq") {
        println!("skipped: a backend that blocks has no two hundred callers at once");
        return;
    }
    for (server, known) in Server::each(Flow::ShortLived) {
        let (server, recorder) = recorded(server, known).await;
        let client = server.known(known).build().await.expect("discovery");
        let session = server.sign_in(&client, "alice").await.expect("a sign-in");
        let doing = Doing::new(200, dropped);
        let calls = doing.calls(&server, &session).await;
        let generation = session.record().expect("tokens").generation();
        println!("{calls} calls in {} s, {generation} generations", doing.seconds);
        judge(&recorder.asked.lock().expect("no panic"), generation, doing.seconds);
        session.refresh().await.expect("the family lives");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r_herd_servers_see_one_refresh_a_generation() {
    herd(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r_can_servers_see_one_refresh_a_generation_though_callers_leave() {
    herd(1).await;
}

/// What one of several programs is to do, in its environment.
#[derive(Serialize, Deserialize)]
struct Orders {
    server: String,
    client: String,
    store: Address,
    account: String,
    doing: Doing,
}

const ORDERS: &str = "VALETKEY_HERD_ORDERS";

/// What it says when it is done.
#[derive(Serialize, Deserialize)]
struct Done {
    calls: u64,
    generation: u64,
    asked: Vec<Asked>,
}

/// Several programs, of which each is this one started anew, share a grant whose tokens live for two seconds, in each store that is
/// here.
async fn herd_of_programs(dropped: u64) {
    if env::var_os("VALETKEY_ADAPTER").is_some() {
        println!("skipped: what programs do to each other is the same on every adapter");
        return;
    }
    let (programs, tasks) = (number("VALETKEY_HERD_PROGRAMS", 8), number("VALETKEY_HERD_TASKS", 25));
    for (server, known) in Server::each(Flow::ShortLived) {
        let client = server.known(known).build().await.expect("discovery");
        for engine in
            Engine::ALL.into_iter().filter(|engine| engine.is_here() && *engine != Engine::SealedFile)
        {
            let store = engine.address(&format!("herd-{dropped}"));
            store.prepare().await.expect("room");
            let sessions = client.sessions(store.open().expect("a store"));
            let account = format!("herd-{dropped}");
            let first = server.sign_in(&client, "alice").await.expect("a sign-in");
            sessions.save(&account, &first).await.expect("kept");
            let before = first.record().expect("tokens").generation();
            let mut doing = Doing::new(tasks, dropped);
            // However many they are, all together call about as often: it is when tokens expire that they come at once.
            (doing.api, doing.rest) =
                (16, doing.rest * u32::try_from(programs * tasks / 200 + 1).expect("some"));
            let orders =
                Orders { server: server.to_string(), client: known.id.clone(), store, account, doing };
            let all = join_all((0..programs).map(|_| start(&orders))).await;
            let (calls, asked): (Vec<_>, Vec<_>) =
                all.iter().map(|done| (done.calls, done.asked.clone())).unzip();
            let generation = all.iter().map(|done| done.generation).max().expect("some") - before;
            let (calls, asked) = (calls.iter().sum::<u64>(), asked.concat());
            let seconds = doing.seconds;
            println!(
                "{engine}: {calls} calls of {programs} programs in {seconds} s, {generation} generations"
            );
            judge(&asked, generation, seconds);
            first.refresh().await.expect("the family lives");
            sessions.log_out(&orders.account).await.expect("signed out");
            orders.store.remove();
        }
    }
}

/// Runs one of them until it is done.
async fn start(orders: &Orders) -> Done {
    let mut command = Command::new(env::current_exe().expect("this program"));
    command.args(["herd::one_of_several_programs", "--exact", "--ignored", "--nocapture"]);
    command.env(ORDERS, serde_json::to_string(orders).expect("JSON"));
    command.stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic");
    let output = output.expect("it runs");
    let said = String::from_utf8(output.stdout).expect("a text");
    assert!(output.status.success(), "{said}");
    let done = said.lines().find(|line| line.starts_with('{')).expect("what was done");
    serde_json::from_str(done).expect("as it was written")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "one of the programs that the tests below start, each with its orders"]
async fn one_of_several_programs() {
    let Ok(orders) = env::var(ORDERS) else { return println!("skipped: it was started without orders") };
    let orders: Orders = serde_json::from_str(&orders).expect("JSON");
    let server = Server::named(&orders.server).expect("it runs");
    let known = server.description.clients.values().find(|client| client.id == orders.client);
    let known = known.expect("it is described");
    let (server, recorder) = recorded(server, known).await;
    let client = server.known(known).build().await.expect("discovery");
    let sessions = client.sessions(orders.store.open().expect("a store"));
    let session = sessions.open(&orders.account).await.expect("a record").expect("alice");
    let calls = orders.doing.calls(&server, &session).await;
    session.close().await.expect("kept");
    let generation = session.record().expect("tokens").generation();
    let asked = recorder.asked.lock().expect("no panic").clone();
    println!("\n{}", serde_json::to_string(&Done { calls, generation, asked }).expect("JSON"));
}

#[tokio::test(flavor = "multi_thread")]
async fn r_herd_servers_see_one_refresh_a_generation_of_eight_programs() {
    herd_of_programs(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r_can_servers_see_one_refresh_a_generation_of_eight_programs_though_callers_leave() {
    herd_of_programs(1).await;
}
