//! Two ways of doing the same in turns, by one caller and by many: a store, and the client of its engine alone. The benches of
//! the crates of stores have it.

use futures_util::future::join_all;

use crate::stopwatch::start;

/// The length of a record's text, as of a set of tokens with a JWT.
pub(crate) const TEXT: usize = 2000;
/// The most callers at once; each has a record of its own.
pub(crate) const CALLERS: usize = 32;
const ROUNDS: usize = 7;
/// How often each is done in a round.
const TIMES: usize = 1600;

/// Prints operations a second of the store and of the client alone, the best of some rounds, and their ratio. Both are called
/// with the number of the caller.
pub(crate) async fn compare(name: &str, store: impl AsyncFn(usize), raw: impl AsyncFn(usize)) {
    let given = std::env::args().any(|argument| argument == "--bench");
    let (rounds, times) = if given { (ROUNDS, TIMES) } else { (1, CALLERS) };
    for callers in [1, CALLERS] {
        let (mut best, mut best_raw) = (0.0_f64, 0.0_f64);
        for _ in 0..rounds {
            best = best.max(rate(callers, times / callers, &store).await);
            best_raw = best_raw.max(rate(callers, times / callers, &raw).await);
        }
        let ratio = best / best_raw;
        println!("{name:<44} {callers:>2} callers {best:>7.0} and {best_raw:>7.0} a second: {ratio:.2}");
    }
}

async fn rate(callers: usize, each: usize, operation: &impl AsyncFn(usize)) -> f64 {
    let began = start();
    join_all((0..callers).map(|caller| async move {
        for _ in 0..each {
            operation(caller).await;
        }
    }))
    .await;
    (callers * each) as f64 / began.elapsed().as_secs_f64()
}
