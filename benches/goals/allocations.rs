//! Counts the allocations of each contender: one line each, the number first, rounded up,
//! reallocations included.
#![expect(clippy::print_stdout, reason = "printing is what it does")]

mod contender;
mod peer;
mod subject;
mod world;

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    peer::assert_alike();
    for mut contender in contender::all() {
        let mut count = 0;
        // The first batch may fill what is filled once.
        for _ in 0..2 {
            contender.batch(|run| {
                let region = Region::new(ALLOCATOR);
                run();
                let change = region.change();
                count = change.allocations + change.reallocations;
            });
        }
        println!("{} {}", count.div_ceil(contender::BATCH as usize), contender.name);
    }
}
