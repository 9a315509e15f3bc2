//! Row 9's figures, and the cost of renewing one of many.

use valetkey_http::block_on;

use crate::{
    contender::Contender,
    goal::Goal,
    many::{Many, REFRESH_TOKEN_LENGTH, SESSIONS},
    measure::Allocations,
    rounds::{Rounds, fastest},
    session::TOKEN_LENGTH,
    stopwatch::start,
};

/// Bytes of the texts of one session's tokens.
const TOKEN_BYTES: usize = TOKEN_LENGTH + REFRESH_TOKEN_LENGTH;

pub(crate) fn goals(rounds: &Rounds, allocations: &Allocations, measures: bool) -> Vec<Goal> {
    let count = if measures { SESSIONS } else { 10 };
    let mut contenders =
        [refresh("a refresh of one session", 1), refresh("a refresh, one of 100,000", count)];
    let times = fastest(rounds, &mut contenders);
    for (contender, time) in contenders.iter().zip(times) {
        println!("# {:<32} {time:>6.0} ns/op", contender.name);
    }
    let bytes = allocations.of("bytes of a session");
    println!(
        "# {:<32} {bytes:>6.0} bytes, {TOKEN_BYTES} of them the texts of its tokens",
        "a session, one of 100,000"
    );
    vec![Goal::at_most(9, "session-bytes-beyond-tokens", bytes - TOKEN_BYTES as f64, 256.0)]
}

/// Renews one session after the other.
fn refresh(name: &'static str, count: usize) -> Contender {
    let sessions: Vec<_> = block_on(async {
        let (many, mut sessions, began) = (Many::kept(count).await, Vec::with_capacity(count), start());
        for account in 0..count {
            sessions.push(many.open(account).await);
        }
        let time = began.elapsed().as_secs_f64() * 1e9 / count as f64;
        println!("# {:<32} {time:>6.0} ns/op", format!("opening {count} sessions"));
        sessions
    });
    let mut at = 0;
    let next = move || {
        // Far from the one before.
        at = (at + 7919) % count;
        at
    };
    Contender::new(name, next, move |at| block_on(sessions[*at].refresh()).expect("tokens"))
}
