//! Row 10: requests over the network of this machine, many at a time.

use std::sync::Arc;

use crate::{
    goal::Goal,
    load::{Best, Load},
    measure::Allocations,
    rounds::Rounds,
    server, session,
    transport::{Way, Ways},
};

/// The names of the goals: of each adapter, what its client alone does beside it.
const GOALS: [[&str; 3]; 4] = [
    ["adapter-to-hyper-util", "adapter-p99-to-hyper-util", "adapter-allocations-added"],
    ["smol-to-hyper-util-on-smol", "smol-p99-to-hyper-util-on-smol", "smol-allocations-added"],
    ["reqwest-adapter-to-reqwest", "reqwest-adapter-p99-to-reqwest", "reqwest-adapter-allocations-added"],
    ["ureq-adapter-to-ureq", "ureq-adapter-p99-to-ureq", "ureq-adapter-allocations-added"],
];

pub(crate) fn goals(rounds: &Rounds, allocations: &Allocations) -> Vec<Goal> {
    let ways = Ways::to(server::serve(session::token_body()));
    let mut contenders: Vec<_> = ways.all().map(|way| (way, Best::NONE)).collect();
    let mut order: Vec<_> = (0..contenders.len()).collect();
    for _ in 0..rounds.count {
        for &index in &order {
            let (way, best) = &mut contenders[index];
            round(&ways, way, best);
        }
        // Back and forth.
        order.reverse();
    }
    for (way, best) in &contenders {
        best.print(way.name);
        println!("# {:<32} {:>6.2} allocations with the server's", "", allocations.of(way.name));
    }
    let [pairs @ .., (_, session)] = &contenders[..] else { unreachable!("there are ways") };
    let adapters = pairs.chunks_exact(2).zip(GOALS).flat_map(|(pair, [rate, p99, added])| {
        let [(raw_way, raw), (way, adapter)] = pair else { unreachable!("a client and its adapter") };
        let more = allocations.of(way.name) - allocations.of(raw_way.name);
        [
            Goal::at_least(10, rate, adapter.rate / raw.rate, 0.97),
            Goal::at_most(10, p99, adapter.p99 / raw.p99, 1.05),
            Goal::at_most(10, added, more, 2.0),
        ]
    });
    let [hyper_util, reqwest] = [0, 4].map(|index: usize| pairs[index].1.rate);
    let sessions = [
        Goal::at_least(10, "session-to-hyper-util", session.rate / hyper_util, 0.95),
        Goal::at_least(10, "session-to-reqwest", session.rate / reqwest, 1.2),
    ];
    adapters.chain(sessions).collect()
}

fn round(ways: &Ways, way: &Way, best: &mut Best) {
    let (load, way) = (Arc::new(Load::default()), Arc::new(way.clone()));
    best.take(&load, || {
        ways.run(&way, || {
            let (load, way) = (Arc::clone(&load), Arc::clone(&way));
            async move { load.ask(|| way.get()).await }
        });
    });
}
