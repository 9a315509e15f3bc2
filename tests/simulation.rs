//! Does a shared grant outlive a day of outages, restarts and clocks that jump? One seed is one day (docs/SIMULATION.md).

#[path = "simulation/day.rs"]
mod day;
#[path = "simulation/network.rs"]
mod network;
#[path = "simulation/shelf.rs"]
mod shelf;
#[path = "simulation/world.rs"]
mod world;

use std::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use day::{Day, Figures, Grace};

fn number(name: &str) -> Option<u64> {
    let number = std::env::var(name).ok()?;
    Some(number.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[expect(clippy::print_stderr, reason = "seeds and figures are for who runs it")]
fn tell(what: &str) {
    eprintln!("{what}");
}

/// Lives these days on all cores, or the one of `VALETKEY_SEED`, and prints the seeds of those that do not hold.
fn live(days: Range<u64>, grace: Grace) -> Figures {
    let days = number("VALETKEY_SEED").map_or(days, |seed| seed..seed + 1);
    let next = AtomicU64::new(days.start);
    let one_by_one = || {
        let mut sum = Figures::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= days.end {
                return sum;
            }
            match Day::live(seed, grace) {
                Ok(day) => sum.add(day),
                Err(what) => {
                    tell(&format!("VALETKEY_SEED={seed}, grace {grace:?}: {what}"));
                    sum.wrong += 1;
                }
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let sum = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(one_by_one)).collect();
        let mut sum = Figures::default();
        for thread in threads {
            sum.add(thread.join().expect("a day ends"));
        }
        sum
    });
    tell(&format!("grace {grace:?}: {sum:?}"));
    sum
}

/// All hold; and with grace, the second answer in a row that is lost is all that ends a grant.
fn holds(sum: &Figures, grace: Grace) {
    assert_eq!(sum.wrong, 0, "grace {grace:?}: the seeds are above");
    if grace == Grace::Long {
        assert_eq!(sum.lost_grants, sum.lost_twice);
    }
}

/// How many days `cargo test` lives.
const FEW: u64 = 60;

#[test]
fn r_crash_r_clock_no_grant_is_lost_in_a_day_with_grace() {
    holds(&live(0..FEW, Grace::Long), Grace::Long);
}

#[test]
fn r_amb_r_down_with_a_minute_of_grace_a_grant_is_lost_only_by_who_asks_again_too_late() {
    holds(&live(0..FEW, Grace::Short), Grace::Short);
}

#[test]
fn r_crash_r_amb_without_grace_a_grant_is_lost_only_with_an_answer() {
    holds(&live(0..FEW, Grace::None), Grace::None);
}

#[test]
#[ignore = "VALETKEY_DAYS=100000 cargo test --release -p valetkey-tests --test simulation -- --ignored --nocapture campaign"]
fn r_crash_a_campaign_of_days() {
    let days = number("VALETKEY_DAYS").unwrap_or(3000) / 3;
    let first = number("VALETKEY_FIRST").unwrap_or(0);
    let sums =
        [Grace::Long, Grace::Short, Grace::None].map(|grace| (live(first..first + days, grace), grace));
    for (sum, grace) in sums {
        holds(&sum, grace);
    }
}
