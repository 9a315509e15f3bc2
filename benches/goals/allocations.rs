//! Counts the allocations of each contender: one line each, the number first, rounded up,
//! reallocations included.
#![expect(clippy::print_stdout, reason = "printing is what it does")]

mod contender;
mod list;
mod many;
mod peer;
mod server;
mod session;
mod signing;
mod subject;
mod tokens;
mod transport;
mod world;

use std::{alloc::System, hint::black_box};

use http::HeaderValue;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use valetkey_http::block_on;

use crate::{contender::Contender, many::Many, transport::Ways};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Requests over the network, after as many to warm up.
const REQUESTS: usize = 6400;

fn main() {
    peer::assert_alike();
    signing::assert_alike();
    tokens::assert_alike();
    let bearer = bearer();
    for mut contender in list::all().into_iter().chain(list::signing()).chain(list::tokens()).chain([bearer])
    {
        println!("{} {}", in_memory(&mut contender), contender.name);
    }
    println!("{:.1} bytes of a session", one_of_many());
    over_the_network();
}

/// Row 9: what is allocated for each session of a manager beside its record in the store.
fn one_of_many() -> f64 {
    let measures = std::env::args().any(|argument| argument == "--bench");
    let count = if measures { many::SESSIONS } else { 100 };
    block_on(async {
        let (many, mut sessions) = (Many::kept(count).await, Vec::with_capacity(count));
        let region = Region::new(ALLOCATOR);
        for account in 0..count {
            sessions.push(many.open(account).await);
        }
        let change = region.change();
        (change.bytes_allocated - change.bytes_deallocated) as f64 / count as f64
    })
}

/// Row 7, whose times are taken by threads.
fn bearer() -> Contender {
    let session = session::cached();
    Contender::new(
        "bearer",
        || (),
        move |()| {
            let bearer = session.bearer().expect("a token");
            black_box::<&HeaderValue>(&bearer);
        },
    )
}

fn in_memory(contender: &mut Contender) -> usize {
    let mut count = 0;
    // The first batch may fill what is filled once.
    for _ in 0..2 {
        contender.batch(|run| count = counted(run));
    }
    count.div_ceil(contender::BATCH as usize)
}

/// Those of the server, which are the same for all, are counted too.
fn over_the_network() {
    let ways = Ways::to(server::serve(session::token_body()));
    for way in ways.all() {
        let get = || {
            ways.run(way, || {
                let way = way.clone();
                async move {
                    for _ in 0..REQUESTS / way.side_by_side() {
                        way.get().await;
                    }
                }
            });
        };
        get();
        println!("{:.2} {}", counted(get) as f64 / REQUESTS as f64, way.name);
    }
}

/// Allocations and reallocations meanwhile.
fn counted(run: impl FnOnce()) -> usize {
    let region = Region::new(ALLOCATOR);
    run();
    let change = region.change();
    change.allocations + change.reallocations
}
