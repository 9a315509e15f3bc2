//! Row 10: requests over the network of this machine, many at a time.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use http::Uri;
use tokio::runtime::Runtime;

use crate::{
    goal::Goal,
    measure::Allocations,
    rounds::{Rounds, start},
    transport::{self, Way},
};

const IN_FLIGHT: usize = 32;
/// In a round: few, so that some rounds are not disturbed.
const REQUESTS: usize = 1000;

pub(crate) fn goals(rounds: &Rounds, allocations: &Allocations) -> Vec<Goal> {
    let (server, runtime) = (transport::serve(), transport::runtime());
    let ways = runtime.block_on(Way::all(server)).map(Arc::new);
    let mut rates = [0.0_f64; 4];
    for _ in 0..rounds.count {
        for (best, way) in rates.iter_mut().zip(&ways) {
            *best = best.max(round(&runtime, way, server));
        }
    }
    for (way, rate) in ways.iter().zip(rates) {
        let count = allocations.of(way.name());
        println!("# {:<32} {rate:>6.0} a second, {count:>5.2} allocations with the server's", way.name());
    }
    let [raw, adapter, session, reqwest] = rates;
    let added = allocations.of(ways[1].name()) - allocations.of(ways[0].name());
    vec![
        Goal::at_least(10, "adapter-to-hyper-util", adapter / raw, 0.97),
        Goal::at_most(10, "adapter-allocations-added", added, 2.0),
        Goal::at_least(10, "session-to-hyper-util", session / raw, 0.95),
        Goal::at_least(10, "session-to-reqwest", session / reqwest, 1.2),
    ]
}

/// Requests a second.
fn round(runtime: &Runtime, way: &Arc<Way>, server: SocketAddr) -> f64 {
    let uri: Uri = format!("http://{server}/me").parse().expect("a URI");
    let begun = Arc::new(AtomicUsize::new(0));
    let began = start();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..IN_FLIGHT)
            .map(|_| {
                let (way, uri, begun) = (Arc::clone(way), uri.clone(), Arc::clone(&begun));
                tokio::spawn(async move {
                    while begun.fetch_add(1, Ordering::Relaxed) < REQUESTS {
                        way.get(&uri).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("answers");
        }
    });
    REQUESTS as f64 / began.elapsed().as_secs_f64()
}
