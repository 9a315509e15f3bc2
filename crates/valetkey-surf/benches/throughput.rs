//! Row 10 of the goals of the workspace's benches: requests over the network of this machine, by this adapter and by
//! surf alone. It prints lines as they do, and stands here because surf's tree is not the workspace's.
#![expect(clippy::print_stdout, reason = "printing is what a bench does")]

#[path = "../../../benches/goals/goal.rs"]
mod goal;
#[path = "../../../benches/goals/load.rs"]
mod load;
#[path = "../../../benches/goals/server.rs"]
mod server;
#[path = "../../../benches/goals/stopwatch.rs"]
mod stopwatch;

use std::{process::ExitCode, sync::Arc};

use bytes::Bytes;
use http_client::isahc::IsahcClient;
use isahc::config::{Configurable, VersionNegotiation};
use valetkey_http::{Backend, Limits};
use valetkey_surf::{Builder, SurfBackend};

use goal::Goal;
use load::{Best, Load};

/// Fewer than those of the other adapters: each request leaves a port behind for a while.
const ROUNDS: usize = 20;

/// Characters of the token that all show.
const TOKEN_LENGTH: usize = 921;

/// A way to ask.
enum Way {
    Raw(surf::Client),
    Adapter(SurfBackend),
}

fn main() -> ExitCode {
    let given = |name: &str| std::env::args().any(|argument| argument == name);
    let rounds = if given("--bench") { ROUNDS } else { 1 };
    let url = format!("http://{}/me", server::serve(Bytes::new()));

    let mut contenders = [
        ("GET, surf on libcurl alone", Way::Raw(libcurl(false))),
        ("GET, surf's adapter on libcurl", Way::adapter(SurfBackend::builder())),
        ("GET, surf on libcurl, kept alive", Way::Raw(libcurl(true))),
        #[cfg(feature = "h1-no-tls")]
        ("GET, surf on async-h1 alone", Way::Raw(async_h1())),
        #[cfg(feature = "h1-no-tls")]
        ("GET, surf's adapter on async-h1", Way::adapter(SurfBackend::builder().h1_no_tls())),
    ]
    .map(|(name, way)| (name, Arc::new(way), Best::NONE));
    let mut order: Vec<_> = (0..contenders.len()).collect();
    for _ in 0..rounds {
        for &index in &order {
            let (_, way, best) = &mut contenders[index];
            round(way, &url, best);
        }
        // Back and forth.
        order.reverse();
    }
    if !given("--bench") {
        println!("# everything runs; nothing was measured");
        return ExitCode::SUCCESS;
    }
    for (name, _, best) in &contenders {
        best.print(name);
    }
    let pairs = [
        (["surf-adapter-to-surf-curl", "surf-adapter-p99-to-surf-curl"], 0),
        #[cfg(feature = "h1-no-tls")]
        (["surf-adapter-to-surf-h1", "surf-adapter-p99-to-surf-h1"], 3),
    ];
    let goals: Vec<_> = pairs
        .into_iter()
        .flat_map(|([rate, p99], at)| {
            let [raw, adapter] = [at, at + 1].map(|index| contenders[index].2);
            [
                Goal::at_least(10, rate, adapter.rate / raw.rate, 0.93),
                Goal::at_most(10, p99, adapter.p99 / raw.p99, 1.05),
            ]
        })
        .collect();
    goals.iter().for_each(Goal::print);
    let missed = !goals.iter().all(Goal::is_met);
    if missed && given("--strict") { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn round(way: &Arc<Way>, url: &str, best: &mut Best) {
    let load = Arc::new(Load::default());
    best.take(&load, || {
        async_std::task::block_on(async {
            let tasks: Vec<_> = (0..server::IN_FLIGHT)
                .map(|_| {
                    let (load, way, url) = (Arc::clone(&load), Arc::clone(way), url.to_owned());
                    async_std::task::spawn(async move { load.ask(|| way.get(&url)).await })
                })
                .collect();
            for task in tasks {
                task.await;
            }
        });
    });
}

impl Way {
    fn adapter(builder: Builder) -> Self {
        Self::Adapter(builder.build().expect("a backend"))
    }

    /// Gets the whole answer.
    async fn get(&self, url: &str) {
        let token = format!("Bearer {}", "x".repeat(TOKEN_LENGTH));
        let body: Bytes = match self {
            Self::Raw(client) => {
                let mut response = client.get(url).header("authorization", token).await.expect("an answer");
                response.body_bytes().await.expect("a body").into()
            }
            Self::Adapter(backend) => {
                let request = http::Request::get(url).header("authorization", token).body(Bytes::new());
                let request = request.expect("a request");
                backend.send(request, Limits::default()).await.expect("an answer").into_body()
            }
        };
        assert_eq!(body, server::BODY);
    }
}

/// surf's client on libcurl, which the adapter never has keep a connection.
fn libcurl(keeps: bool) -> surf::Client {
    let limits = Limits::default();
    let mut builder = isahc::HttpClient::builder()
        .version_negotiation(VersionNegotiation::http11())
        .connect_timeout(limits.connect)
        .timeout(limits.total)
        .proxy(None);
    if !keeps {
        builder = builder.connection_cache_size(0);
    }
    surf::Client::with_http_client(IsahcClient::from_client(builder.build().expect("a client")))
}

/// surf's client on async-h1, which the adapter never has keep a connection.
#[cfg(feature = "h1-no-tls")]
fn async_h1() -> surf::Client {
    let config =
        http_client::Config::new().set_http_keep_alive(false).set_timeout(Some(Limits::default().total));
    let Ok(client) = http_client::h1::H1Client::try_from(config);
    surf::Client::with_http_client(client)
}
