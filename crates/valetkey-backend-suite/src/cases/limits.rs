//! Caps and deadlines.

use std::time::Duration;

use valetkey_http::{FailureKind, Limits, Phase};

use crate::{
    cases::{Case, both},
    scene::{Scene, get, millis},
    server::Server,
    verdict::{Check, Far, answered, ensure, fails, rows},
};

pub(crate) const CASES: &[Case] = &[
    both("limits::s_net_04_bodies_are_capped", s_net_04_bodies_are_capped),
    both("limits::a_body_up_to_its_cap", a_body_up_to_its_cap),
    both("limits::s_net_04_heads_are_capped", s_net_04_heads_are_capped),
    both("limits::s_net_04_fields_are_counted", s_net_04_fields_are_counted),
    both("limits::s_net_04_a_head_without_end", s_net_04_a_head_without_end),
    both("limits::a_head_up_to_its_cap", a_head_up_to_its_cap),
    both("limits::s_net_04_the_head_deadline", s_net_04_the_head_deadline),
    both("limits::s_net_04_the_idle_deadline", s_net_04_the_idle_deadline),
    both("limits::s_net_04_the_total_deadline", s_net_04_the_total_deadline),
    both("limits::s_net_04_a_trickle", s_net_04_a_trickle),
    both("limits::slow_but_in_time", slow_but_in_time),
    both("limits::none_at_all", none_at_all),
];

const LARGE: &[FailureKind] = &[FailureKind::TooLarge];

fn is_left(server: &Server) -> Check {
    ensure(server.is_left(), "a connection after its limit", || "it stays open".to_owned())
}

fn s_net_04_bodies_are_capped(scene: &Scene) -> Check {
    let unframed = ("HTTP/1.1 200 OK\r\n\r\n", "x".repeat(1024));
    let chunked =
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", format!("400\r\n{}\r\n", "x".repeat(1024)));
    let long = ("HTTP/1.1 200 OK\r\ncontent-length: 10737418240\r\n\r\n", "x".repeat(1024));
    rows([unframed, chunked, long], |(head, piece)| {
        let server = scene.serve(move |peer| {
            peer.request();
            peer.say(head);
            peer.say_on(&piece, Duration::ZERO);
        });
        let outcome = scene.client()?.send(get(server.url("/")))?;
        fails(outcome, "a body beyond its cap", LARGE, Far::Ok)?;
        is_left(&server)
    })?;
    // What it says is enough.
    let server = scene.serve(|peer| {
        peer.request();
        peer.say("HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n");
        peer.await_end();
    });
    fails(scene.client()?.send(get(server.url("/")))?, "a body beyond its cap", LARGE, Far::Ok)?;
    is_left(&server)
}

fn a_body_up_to_its_cap(scene: &Scene) -> Check {
    let mut limits = scene.limits();
    limits.body_bytes = 1000;
    rows([(1000, true), (1001, false)], |(length, fits)| {
        let body = "x".repeat(length);
        let chunked = format!("transfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n");
        rows([format!("content-length: {length}\r\n\r\n{body}"), chunked], |rest| {
            let server = scene.answering(format!("HTTP/1.1 200 OK\r\n{rest}"));
            let outcome = scene.client()?.send_within(get(server.url("/")), limits)?;
            if fits {
                answered(outcome).map(drop)
            } else {
                fails(outcome, "a body beyond its cap", LARGE, Far::Ok)
            }
        })
    })
}

fn s_net_04_heads_are_capped(scene: &Scene) -> Check {
    let server = scene.answering(format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(200 << 10)));
    let outcome = scene.client()?.send(get(server.url("/")))?;
    fails(outcome, "a head beyond its cap", LARGE, Far::MaybeOrOk)?;
    // A smaller one than usual holds as well.
    let server =
        scene.answering(format!("HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 0\r\n\r\n", "y".repeat(6000)));
    let mut limits = scene.limits();
    limits.head_bytes = 5000;
    let outcome = scene.client()?.send_within(get(server.url("/")), limits)?;
    fails(outcome, "a head beyond its cap", LARGE, Far::MaybeOrOk)
}

fn s_net_04_fields_are_counted(scene: &Scene) -> Check {
    rows([20_000, 100_000], |count| {
        let server = scene.answering(format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: yyyy\r\n".repeat(count)));
        let outcome = scene.client()?.send(get(server.url("/")))?;
        fails(outcome, "a head beyond its cap", LARGE, Far::MaybeOrOk)
    })
}

fn s_net_04_a_head_without_end(scene: &Scene) -> Check {
    rows(
        ["HTTP/1.1 200 OK\r\nx: ", "HTTP/1.1 200 ", "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nx: "],
        |begun| {
            let server = scene.serve(move |peer| {
                peer.request();
                peer.say(begun);
                peer.say_on("y".repeat(1024), Duration::ZERO);
            });
            let outcome = scene.client()?.send(get(server.url("/")))?;
            fails(outcome, "a head beyond its cap", LARGE, Far::MaybeOrOk)?;
            is_left(&server)
        },
    )
}

fn a_head_up_to_its_cap(scene: &Scene) -> Check {
    rows([format!("x: {}\r\n", "y".repeat(20 << 10)), "x: y\r\n".repeat(90)], |fields| {
        let server = scene.answering(format!("HTTP/1.1 200 OK\r\n{fields}content-length: 0\r\n\r\n"));
        answered(scene.client()?.send(get(server.url("/")))?).map(drop)
    })
}

/// A server that is silent after this.
fn stalling(scene: &Scene, said: &'static str) -> Server {
    scene.serve(move |peer| {
        peer.request();
        peer.say(said);
        peer.await_end();
    })
}

const SHORT: Duration = Duration::from_millis(150);
const BEGUN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc";

fn ends(scene: &Scene, said: &'static str, limits: Limits, phase: Phase, far: Far) -> Check {
    let server = stalling(scene, said);
    let outcome = scene.client()?.send_within(get(server.url("/")), limits)?;
    fails(outcome, "a deadline that passed", &[FailureKind::Timeout(phase)], far)?;
    is_left(&server)
}

fn s_net_04_the_head_deadline(scene: &Scene) -> Check {
    let mut limits = scene.limits();
    limits.head = SHORT;
    rows(["", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nx: y\r\n", "HTTP/1.1 100 Continue\r\n\r\n"], |said| {
        ends(scene, said, limits, Phase::Head, Far::Maybe)
    })
}

fn s_net_04_the_idle_deadline(scene: &Scene) -> Check {
    let mut limits = scene.limits();
    limits.idle = SHORT;
    rows(
        [
            BEGUN,
            "HTTP/1.1 200 OK\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
        ],
        |said| ends(scene, said, limits, Phase::Idle, Far::Ok),
    )
}

fn s_net_04_the_total_deadline(scene: &Scene) -> Check {
    let mut limits = scene.limits();
    limits.total = SHORT;
    rows([("", Far::Maybe), (BEGUN, Far::Ok)], |(said, far)| ends(scene, said, limits, Phase::Total, far))
}

fn s_net_04_a_trickle(scene: &Scene) -> Check {
    let head = "HTTP/1.1 200 OK\r\nx: ";
    let body = "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n";
    let cases =
        [(head, Phase::Head, Far::Maybe), (head, Phase::Total, Far::Maybe), (body, Phase::Total, Far::Ok)];
    rows(cases, |(begun, phase, far)| {
        // Something arrives all the time, so that nothing is ever idle.
        let server = scene.serve(move |peer| {
            peer.request();
            peer.say(begun);
            peer.say_on("y", millis(5));
        });
        let mut limits = scene.limits();
        match phase {
            Phase::Head => limits.head = SHORT,
            _ => limits.total = SHORT,
        }
        let outcome = scene.client()?.send_within(get(server.url("/")), limits)?;
        fails(outcome, "a trickle", &[FailureKind::Timeout(phase)], far)?;
        is_left(&server)
    })
}

fn slow_but_in_time(scene: &Scene) -> Check {
    // Longer than the silence that is allowed, but never silent for so long.
    let server = scene.serve(|peer| {
        peer.request();
        peer.say("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n");
        for _ in 0..8 {
            crate::server::pause(millis(60));
            peer.say("x");
        }
    });
    let mut limits = scene.limits();
    limits.idle = millis(400);
    limits.head = millis(400);
    let answer = answered(scene.client()?.send_within(get(server.url("/")), limits)?)?;
    ensure(answer.body().len() == 8, "a slow body", || format!("{} bytes", answer.body().len()))
}

fn none_at_all(scene: &Scene) -> Check {
    let server = scene.keeping();
    let mut limits = scene.limits();
    (limits.head_bytes, limits.body_bytes) = (usize::MAX, usize::MAX);
    // Whoever adds one of these to a clock must not overflow it.
    (limits.connect, limits.head) = (Duration::MAX, Duration::MAX);
    (limits.idle, limits.total) = (Duration::MAX, Duration::MAX);
    let client = scene.client()?;
    for _ in 0..2 {
        let answer = answered(client.send_within(get(server.url("/")), limits)?)?;
        ensure(answer.body() == "ok", "an answer without limits", || format!("{:?}", answer.body()))?;
    }
    Ok(())
}
