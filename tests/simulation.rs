//! Does a shared grant outlive a day of outages, restarts and clocks that jump? One seed is one day.

#[path = "simulation/day.rs"]
mod day;
#[path = "simulation/network.rs"]
mod network;
#[path = "simulation/shelf.rs"]
mod shelf;
#[path = "simulation/world.rs"]
mod world;

use std::thread;

use day::{Day, Figures, Grace};

/// Lives so many days on two threads, or the one of `VALETKEY_SEED`.
fn live(days: u64, grace: Grace) -> Figures {
    let seed = std::env::var("VALETKEY_SEED").ok().map(|seed| seed.parse().expect("VALETKEY_SEED is a number"));
    let seeds = seed.map_or(0..days, |seed: u64| seed..seed + 1);
    let half = |odd: u64| {
        let mut sum = Figures::default();
        for seed in seeds.clone().filter(|seed| seed % 2 == odd) {
            match Day::live(seed, grace) {
                Ok(day) => sum.add(day),
                Err(what) => panic!("VALETKEY_SEED={seed}, grace {grace:?}: {what}"),
            }
        }
        sum
    };
    let mut sum = half_and_half(half);
    println!("grace {grace:?}: {sum:?}");
    sum.days = sum.days.max(1);
    sum
}

fn half_and_half(half: impl Fn(u64) -> Figures + Sync) -> Figures {
    thread::scope(|scope| {
        let odd = scope.spawn(|| half(1));
        let mut sum = half(0);
        sum.add(odd.join().expect("no day went wrong"));
        sum
    })
}

/// With grace, the second answer in a row that is lost is all that ends a grant.
fn with_grace(days: u64) {
    let sum = live(days, Grace::Long);
    assert_eq!(sum.lost_grants, sum.lost_twice);
}

/// How many days `cargo test` lives.
const FEW: u64 = 100;

#[test]
fn r_crash_r_clock_no_grant_is_lost_in_a_day_with_grace() {
    with_grace(FEW);
}

#[test]
fn r_amb_r_down_with_a_minute_of_grace_a_grant_is_lost_only_by_who_asks_again_too_late() {
    live(FEW, Grace::Short);
}

#[test]
fn r_crash_r_amb_without_grace_a_grant_is_lost_only_with_an_answer() {
    live(FEW, Grace::None);
}

#[test]
#[ignore = "the campaign: VALETKEY_DAYS=100000 cargo test --release -p valetkey-tests --test simulation -- --ignored --nocapture"]
fn r_crash_a_campaign_of_days() {
    let days = std::env::var("VALETKEY_DAYS").map_or(3000, |days| days.parse().expect("VALETKEY_DAYS is a number"));
    with_grace(days / 3 + 1);
    live(days / 3, Grace::Short);
    live(days / 3, Grace::None);
}
