//! What the server answers is what comes back.

use http::StatusCode;
use valetkey_http::Unframed;

use crate::{
    cases::{Case, both},
    scene::{Scene, get},
    server::OK,
    verdict::{Check, answered, ensure, rows},
};

pub(crate) const CASES: &[Case] = &[
    both("answers::every_registered_status", every_registered_status),
    both("answers::every_other_status", every_other_status),
    both("answers::reasons_are_free", reasons_are_free),
    both("answers::interim_answers", interim_answers),
    both("answers::switching_protocols", switching_protocols),
    both("answers::repeated_fields", repeated_fields),
    both("answers::values", values),
    both("answers::values_that_are_not_ascii", values_that_are_not_ascii),
    both("answers::bodies", bodies),
    both("answers::compressed_bodies_are_not_decoded", compressed_bodies_are_not_decoded),
    both("answers::to_head", to_head),
    both("answers::without_a_body", without_a_body),
];

/// Each of these statuses comes back, from a server that gives the one it is asked for.
fn statuses_come_back(scene: &Scene, statuses: impl Iterator<Item = u16>) -> Check {
    let server = scene.serve(|peer| {
        while let Some(request) = peer.request() {
            let status = request.target().split_off(1);
            let framing = if matches!(&*status, "204" | "304") { "" } else { "content-length: 0\r\n" };
            peer.say(format!("HTTP/1.1 {status} Such\r\n{framing}\r\n"));
        }
    });
    let client = scene.client()?;
    rows(statuses, |status| {
        let response = answered(client.send(get(server.url(&format!("/{status}"))))?)?;
        ensure(response.status() == status, "the status", || format!("{status} became {}", response.status()))
    })
}

fn is_registered(status: u16) -> bool {
    StatusCode::from_u16(status).is_ok_and(|status| status.canonical_reason().is_some())
}

fn every_registered_status(scene: &Scene) -> Check {
    statuses_come_back(scene, (200..1000).filter(|&status| is_registered(status)))
}

fn every_other_status(scene: &Scene) -> Check {
    statuses_come_back(scene, (200..1000).filter(|&status| !is_registered(status)))
}

fn reasons_are_free(scene: &Scene) -> Check {
    rows(["HTTP/1.1 200 ", "HTTP/1.1 200 All is well: yes", "HTTP/1.1 200 \u{e9}t\u{e9}"], |line| {
        let server = scene.answering(format!("{line}\r\ncontent-length: 2\r\n\r\nok"));
        let response = answered(scene.client()?.send(get(server.url("/")))?)?;
        ensure(response.body() == "ok", "the reason", || line.to_owned())
    })
}

fn interim_answers(scene: &Scene) -> Check {
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n";
    rows(["HTTP/1.1 100 Continue\r\n\r\n", hints, &hints.repeat(5)], |interim| {
        let server = scene.answering(format!("{interim}{OK}"));
        let response = answered(scene.client()?.send(get(server.url("/")))?)?;
        let is_last = response.status() == 200 && response.body() == "ok";
        ensure(is_last, "interim answers", || format!("{} came back", response.status()))?;
        ensure(!response.headers().contains_key("link"), "fields of interim answers", || "link".to_owned())
    })
}

fn switching_protocols(scene: &Scene) -> Check {
    let server =
        scene.answering("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nxyz");
    // Nobody asked for it: an answer or a failure, but an end.
    let Ok(response) = scene.client()?.send(get(server.url("/")))? else { return Ok(()) };
    ensure(response.status() == 101, "switching protocols", || format!("{}", response.status()))
}

fn repeated_fields(scene: &Scene) -> Check {
    let server = scene.answering(
        "HTTP/1.1 200 OK\r\nWWW-Authenticate: Basic\r\nx-b: 1\r\nwww-authenticate: DPoP\r\ncontent-length: 0\r\n\r\n",
    );
    let response = answered(scene.client()?.send(get(server.url("/")))?)?;
    let values: Vec<_> = response.headers().get_all("www-authenticate").iter().collect();
    ensure(values == ["Basic", "DPoP"], "repeated fields of an answer", || format!("{values:?}"))
}

fn values(scene: &Scene) -> Check {
    let server = scene.answering(
        "HTTP/1.1 200 OK\r\nx-empty:\r\nx-blanks: \t a  b \t\r\nDate: Tue, 15 Nov 1994 08:12:31 GMT\r\ncontent-length: 0\r\n\r\n",
    );
    let response = answered(scene.client()?.send(get(server.url("/")))?)?;
    rows(
        [("x-empty", ""), ("x-blanks", "a  b"), ("date", "Tue, 15 Nov 1994 08:12:31 GMT")],
        |(name, value)| {
            let values: Vec<_> = response.headers().get_all(name).iter().collect();
            ensure(values == [value], "values of an answer", || format!("{name}: {values:?}"))
        },
    )
}

fn values_that_are_not_ascii(scene: &Scene) -> Check {
    rows([&b"\xe9"[..], b"caf\xc3\xa9", b"\xff\x80"], |value| {
        let head: [&[u8]; 3] = [b"HTTP/1.1 200 OK\r\nx-value: ", value, b"\r\ncontent-length: 0\r\n\r\n"];
        let server = scene.answering(head.concat());
        let response = answered(scene.client()?.send(get(server.url("/")))?)?;
        let came = response.headers().get("x-value").map(|value| value.as_bytes().to_vec());
        let what = "values of an answer that are not ASCII";
        ensure(came.as_deref() == Some(value), what, || format!("{came:?}"))
    })
}

fn bodies(scene: &Scene) -> Check {
    let binary: Vec<u8> = (0..=255).collect();
    rows([binary, vec![b'x'; 200 << 10]], |body| {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        let server = scene.answering([head.into_bytes(), body.clone()].concat());
        let response = answered(scene.client()?.send(get(server.url("/")))?)?;
        ensure(response.body() == &body, "the body of an answer", || {
            format!("{} bytes", response.body().len())
        })
    })
}

/// `hello`, as each coding has it.
const CODED: [(&str, &[u8]); 4] = [
    ("gzip", &[31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 203, 72, 205, 201, 201, 7, 0, 134, 166, 16, 54, 5, 0, 0, 0]),
    ("deflate", &[120, 156, 203, 72, 205, 201, 201, 7, 0, 6, 44, 2, 21]),
    // One uncompressed piece, and then the last, which is empty (RFC 7932 §9.2).
    ("br", &[0x8b, 0x02, 0x80, b'h', b'e', b'l', b'l', b'o', 0x03]),
    // One raw block (RFC 8878 §3.1.1).
    ("zstd", &[0x28, 0xb5, 0x2f, 0xfd, 0x20, 5, 0x29, 0, 0, b'h', b'e', b'l', b'l', b'o']),
];

fn compressed_bodies_are_not_decoded(scene: &Scene) -> Check {
    rows(CODED, |(coding, coded)| {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\ncontent-length: {}\r\n\r\n",
            coded.len()
        );
        let server = scene.answering([head.as_bytes(), coded].concat());
        let response = answered(scene.client()?.send(get(server.url("/")))?)?;
        let says = response.headers().get("content-encoding").is_some_and(|value| value == coding);
        let is_as_sent = says && response.body() == coded;
        ensure(is_as_sent, "compressed bodies", || format!("{coding}: {} bytes", response.body().len()))
    })
}

fn to_head(scene: &Scene) -> Check {
    rows(["content-length: 5000000\r\n", "transfer-encoding: chunked\r\n", ""], |framing| {
        let server = scene.answering(format!("HTTP/1.1 200 OK\r\n{framing}\r\n"));
        let mut request = get(server.url("/"));
        *request.method_mut() = http::Method::HEAD;
        let response = answered(scene.client()?.send(request)?)?;
        let is_marked = response.extensions().get::<Unframed>().is_some();
        ensure(response.body().is_empty() && !is_marked, "an answer to HEAD", || "it has a body".to_owned())
    })
}

fn without_a_body(scene: &Scene) -> Check {
    rows(
        ["204 No Content\r\n", "304 Not Modified\r\n", "304 Not Modified\r\ncontent-length: 7\r\n"],
        |line| {
            let server = scene.serve(move |peer| {
                peer.request();
                peer.say(format!("HTTP/1.1 {line}\r\n"));
                // Whoever waits for a body waits for the client's own deadline.
                peer.await_end();
            });
            let mut limits = scene.limits();
            limits.idle = crate::scene::millis(2_000);
            let response = answered(scene.client()?.send_within(get(server.url("/")), limits)?)?;
            ensure(response.body().is_empty(), "an answer without a body", || line.to_owned())
        },
    )
}
