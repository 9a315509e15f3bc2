//! Connections that are kept, and those that must not be shared.

use std::sync::Arc;

use crate::{
    Setup,
    cases::{Case, both, fresh, pooled},
    scene::{Scene, get, millis, post},
    server::{OK, soon},
    tls::Authority,
    verdict::{Check, Far, answered, ensure, insist, must_fail, rows},
};

pub(crate) const CASES: &[Case] = &[
    fresh("reusing::each_request_has_a_connection_of_its_own", each_request_has_a_connection_of_its_own),
    fresh("reusing::a_kept_connection_is_left_alone", a_kept_connection_is_left_alone),
    both("reusing::two_names_on_one_address", two_names_on_one_address),
    both("reusing::bytes_after_an_answer", bytes_after_an_answer),
    both("reusing::bytes_on_an_idle_connection", bytes_on_an_idle_connection),
    both("reusing::a_timeout_on_an_idle_connection", a_timeout_on_an_idle_connection),
    pooled("reusing::after_a_failure_the_next_gets_its_own_answer", after_a_failure),
];

fn each_request_has_a_connection_of_its_own(scene: &Scene) -> Check {
    let server = scene.keeping();
    let client = scene.client()?;
    for count in 1..=4 {
        answered(client.send(post(server.url("/"), "code=1"))?)?;
        ensure(server.connections() == count, "a connection of its own", || {
            format!("{count} requests on {} connections", server.connections())
        })?;
        ensure(server.is_left(), "the end of a connection of its own", || "it stays open".to_owned())?;
    }
    Ok(())
}

fn a_kept_connection_is_left_alone(scene: &Scene) -> Check {
    let server = scene.keeping();
    let client = scene.client()?;
    let mut shared = scene.limits();
    shared.fresh = false;
    answered(client.send_within(get(server.url("/")), shared)?)?;
    scene.drive(client.backend.sleep(millis(20)));
    let (before, kept) = (server.connections(), server.open());
    answered(client.send(post(server.url("/"), "code=1"))?)?;
    ensure(server.connections() == before + 1, "a connection of its own", || "it was shared".to_owned())?;
    ensure(soon(|| server.open() == kept), "the end of a connection of its own", || {
        format!("{} are open, where {kept} were kept", server.open())
    })
}

fn two_names_on_one_address(scene: &Scene) -> Check {
    let names = ["localhost", "127.0.0.1"];
    rows(names.into_iter().zip(names.into_iter().rev()), |(good, bad)| {
        let authority = Authority::new();
        let config = authority.server(good, &["http/1.1"]);
        let server = scene.serve(move |peer| peer.secured(&config).serve_ok());
        let client = scene.trusting(&authority)?;
        let port = server.address().port();
        for _ in 0..2 {
            answered(client.send(get(format!("https://{good}:{port}/")))?)?;
            scene.drive(client.backend.sleep(millis(20)));
            let outcome = client.send(get(format!("https://{bad}:{port}/")))?;
            must_fail(outcome, &[valetkey_http::FailureKind::Tls], Far::Nothing)?;
        }
        insist(server.seen().len() == 2, || format!("{} requests arrived", server.seen().len()))
    })
}

/// After this the next request gets its own answer, or none: never one that was there before it.
fn next_answer_is_real(scene: &Scene, faked: &'static str, later: u64) -> Check {
    let server = scene.serve(move |peer| {
        let is_first = peer.number() == 1;
        while let Some(request) = peer.request() {
            let path = request.target();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{path}", path.len());
            let fake = if is_first { faked } else { "" };
            if later == 0 {
                peer.say(answer + fake);
            } else {
                peer.say(answer);
                crate::server::pause(millis(later));
                peer.say(fake);
            }
        }
    });
    let client = scene.client()?;
    for path in ["/1", "/2", "/3"] {
        match client.send(get(server.url(path)))? {
            Ok(response) => {
                insist(response.body() == path, || format!("{path} got the answer {:?}", response.body()))?;
            }
            Err(failure) => {
                ensure(path != "/1", "a first answer", || format!("{failure:?}"))?;
            }
        }
        scene.drive(client.backend.sleep(millis(40)));
    }
    Ok(())
}

const FAKE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfake";

fn bytes_after_an_answer(scene: &Scene) -> Check {
    next_answer_is_real(scene, FAKE, 0)
}

fn bytes_on_an_idle_connection(scene: &Scene) -> Check {
    next_answer_is_real(scene, FAKE, 20)
}

fn a_timeout_on_an_idle_connection(scene: &Scene) -> Check {
    let server = scene.serve(|peer| {
        if peer.request().is_some() {
            peer.say(OK);
            crate::server::pause(millis(10));
            peer.say("HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    let client = scene.client()?;
    for _ in 0..3 {
        if let Ok(response) = client.send(get(server.url("/")))? {
            insist(response.status() == 200, || "a request got an answer from before it".to_owned())?;
        }
        scene.drive(client.backend.sleep(millis(50)));
    }
    Ok(())
}

fn after_a_failure(scene: &Scene) -> Check {
    let stalls: Vec<Arc<str>> = vec![
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc".into(),
        "HTTP/1.1 200 OK\r\n".into(),
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{}", 16 << 10, "x".repeat(8 << 10)).into(),
    ];
    rows(stalls, |begun| {
        let server = scene.serve(move |peer| {
            while let Some(request) = peer.request() {
                match request.target().as_str() {
                    "/bad" => {
                        peer.say(&*begun);
                        crate::server::pause(millis(120));
                        peer.say("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nstale");
                    }
                    _ => peer.say(OK),
                }
            }
        });
        let client = scene.client_with(&Setup::default())?;
        let mut limits = scene.limits();
        (limits.head, limits.idle, limits.body_bytes) = (millis(60), millis(60), 1 << 10);
        let outcome = client.send_within(get(server.url("/bad")), limits)?;
        ensure(outcome.is_err(), "what passes its limits", || "an answer".to_owned())?;
        for _ in 0..2 {
            let answer = answered(client.send(get(server.url("/good")))?)?;
            insist(answer.body() == "ok", || format!("a request got the answer {:?}", answer.body()))?;
            scene.drive(client.backend.sleep(millis(80)));
        }
        Ok(())
    })
}
