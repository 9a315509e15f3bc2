//! No connection: the stages are told apart, and nothing was sent.

use std::{error::Error, net::TcpListener};

use valetkey_http::{Addresses, Failure, FailureKind, Phase};

use crate::{
    Setup,
    cases::{Case, both},
    scene::{Scene, get, millis, post},
    server::{OK, pause},
    verdict::{Check, Far, answered, ensure, fails, insist, must_fail, rows},
};

pub(crate) const CASES: &[Case] = &[
    both("connecting::refused", refused),
    both("connecting::unresolved", unresolved),
    both(
        "connecting::s_net_04_the_deadline_of_the_backend_covers_tls",
        s_net_04_the_deadline_of_the_backend_covers_tls,
    ),
    both(
        "connecting::s_net_04_the_deadline_of_a_send_covers_tls",
        s_net_04_the_deadline_of_a_send_covers_tls,
    ),
    both(
        "connecting::s_net_04_the_total_deadline_covers_connecting",
        s_net_04_the_total_deadline_covers_connecting,
    ),
    both("connecting::the_deadline_is_over_once_connected", the_deadline_is_over_once_connected),
    both("connecting::s_net_10_hosts_inside_are_refused", s_net_10_hosts_inside_are_refused),
    both("connecting::errors_show_no_request", errors_show_no_request),
];

const TIMEOUT: &[FailureKind] = &[FailureKind::Timeout(Phase::Connect)];

/// The URL of a port that nobody listens on.
fn nobody() -> String {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    format!("http://{free}/")
}

fn refused(scene: &Scene) -> Check {
    let outcome = scene.client()?.send(post(nobody(), "a=b"))?;
    fails(outcome, "a refused connection", &[FailureKind::Connect], Far::Nothing)
}

fn unresolved(scene: &Scene) -> Check {
    rows(["http", "https"], |scheme| {
        let outcome = scene.client()?.send(post(format!("{scheme}://nonexistent.invalid/"), "a=b"))?;
        fails(outcome, "an unknown host", &[FailureKind::Resolve], Far::Nothing)
    })
}

fn s_net_04_the_deadline_of_the_backend_covers_tls(scene: &Scene) -> Check {
    let setup = Setup { connect: Some(millis(150)), ..Setup::default() };
    silent_handshake(scene, &setup, valetkey_http::Limits::default().connect)
}

fn s_net_04_the_deadline_of_a_send_covers_tls(scene: &Scene) -> Check {
    silent_handshake(scene, &Setup::default(), millis(150))
}

fn silent_handshake(scene: &Scene, setup: &Setup, connect: std::time::Duration) -> Check {
    let server = scene.serve(|peer| {
        peer.await_end();
    });
    let mut limits = scene.limits();
    limits.connect = connect;
    // Another deadline passes if the one in question does not hold.
    limits.head = millis(3_000);
    let outcome = scene.client_with(setup)?.send_within(get(server.secure_url("/")), limits)?;
    fails(outcome, "a silent handshake", TIMEOUT, Far::Nothing)?;
    ensure(server.is_left(), "a connection after its deadline", || "it stays open".to_owned())
}

fn s_net_04_the_total_deadline_covers_connecting(scene: &Scene) -> Check {
    let server = scene.serve(|peer| {
        peer.await_end();
    });
    let mut limits = scene.limits();
    limits.total = millis(150);
    let outcome = scene.client()?.send_within(get(server.secure_url("/")), limits)?;
    let kinds = [FailureKind::Timeout(Phase::Total), FailureKind::Timeout(Phase::Connect)];
    fails(outcome, "a silent handshake", &kinds, Far::Unanswered)?;
    ensure(server.is_left(), "a connection after its deadline", || "it stays open".to_owned())
}

fn the_deadline_is_over_once_connected(scene: &Scene) -> Check {
    let server = scene.serve(|peer| {
        peer.request();
        pause(millis(300));
        peer.say(OK);
    });
    let setup = Setup { connect: Some(millis(150)), ..Setup::default() };
    let mut limits = scene.limits();
    limits.connect = millis(150);
    answered(scene.client_with(&setup)?.send_within(get(server.url("/")), limits)?).map(drop)
}

/// What names lead to is not asked: which names lead inside is different on every machine.
fn s_net_10_hosts_inside_are_refused(scene: &Scene) -> Check {
    let server = scene.keeping();
    let client = scene.client()?;
    let port = server.address().port();
    let mut limits = scene.limits();
    limits.addresses = Addresses::Public;
    let hosts = [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "localhost",
        "LOCALHOST.",
        "app.localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "10.0.0.1",
        "169.254.169.254",
    ];
    rows(hosts, |host| {
        // Also when there is a connection that is kept.
        answered(client.send(get(server.url("/")))?)?;
        let made = server.connections();
        for scheme in ["http", "https"] {
            let outcome = client.send_within(post(format!("{scheme}://{host}:{port}/"), "a=b"), limits)?;
            must_fail(outcome, &[FailureKind::AddressRefused], Far::Nothing)?;
        }
        insist(server.connections() == made, || format!("{host} was connected to"))
    })
}

fn errors_show_no_request(scene: &Scene) -> Check {
    let broken = scene.answering("nonsense\r\n\r\n");
    let closed = scene.serve(|peer| drop(peer.request()));
    let silent = scene.serve(|peer| {
        peer.request();
        peer.await_end();
    });
    let urls = [
        nobody(),
        "https://nonexistent.invalid/".to_owned(),
        broken.url("/"),
        broken.secure_url("/"),
        closed.url("/"),
        silent.url("/"),
    ];
    rows(urls, |url| {
        let mut request = post(format!("{url}hidden-path?code=hidden-query"), "code=hidden-body");
        request.headers_mut().insert("authorization", "Bearer hidden-token".parse().expect("a value"));
        let mut limits = scene.limits();
        limits.head = millis(150);
        let Err(failure) = scene.client()?.send_within(request, limits)? else {
            return ensure(false, "a failure", || url);
        };
        let text = texts(&failure);
        ensure(!text.contains("hidden"), "an error that shows a request", || text)
    })
}

/// All that a program may print of it.
fn texts(failure: &Failure) -> String {
    let mut text = format!("{failure:?} {failure}");
    let mut cause = failure.source();
    while let Some(error) = cause {
        text.push_str(&format!(" {error}"));
        cause = error.source();
    }
    text
}
