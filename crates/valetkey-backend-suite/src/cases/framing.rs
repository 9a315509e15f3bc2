//! Where an answer ends: how it is told, and what if it is told wrongly.

use valetkey_http::{FailureKind, Unframed};

use crate::{
    cases::{Case, both},
    scene::{Scene, get, millis, post},
    server::{OK, pause},
    verdict::{Check, Far, answered, ensure, fails, rows},
};

pub(crate) const CASES: &[Case] = &[
    both("framing::http_1_0", http_1_0),
    both("framing::http_1_0_without_a_length", http_1_0_without_a_length),
    both("framing::http_1_1_without_a_length", http_1_1_without_a_length),
    both("framing::chunked", chunked),
    both("framing::an_answer_byte_by_byte", an_answer_byte_by_byte),
    both("framing::what_is_framed_is_not_marked", what_is_framed_is_not_marked),
    both("framing::equal_lengths", equal_lengths),
    both("framing::lengths_that_differ", lengths_that_differ),
    both("framing::a_length_beside_chunks", a_length_beside_chunks),
    both("framing::lengths_that_are_none", lengths_that_are_none),
    both("framing::bad_chunks", bad_chunks),
    both("framing::a_cut_body", a_cut_body),
    both("framing::a_cut_chunk", a_cut_chunk),
    both("framing::a_body_that_is_reset", a_body_that_is_reset),
    both("framing::not_http", not_http),
    both("framing::a_head_cut_anywhere", a_head_cut_anywhere),
    both("framing::an_interim_answer_alone", an_interim_answer_alone),
];

const ENDED: &[FailureKind] = &[FailureKind::Closed, FailureKind::Truncated];

fn body_is(scene: &Scene, answer: &str, body: &str, marked: bool) -> Check {
    let server = scene.answering(answer);
    let response = answered(scene.client()?.send(get(server.url("/")))?)?;
    ensure(response.body() == body, "where a body ends", || format!("{} bytes", response.body().len()))?;
    let mark = response.extensions().get::<Unframed>().is_some();
    ensure(mark == marked, "the mark of a body without framing", || format!("{mark}: {answer:?}"))
}

fn http_1_0(scene: &Scene) -> Check {
    rows(["", "connection: keep-alive\r\n"], |field| {
        body_is(scene, &format!("HTTP/1.0 200 OK\r\n{field}content-length: 2\r\n\r\nok"), "ok", false)
    })
}

fn http_1_0_without_a_length(scene: &Scene) -> Check {
    body_is(scene, "HTTP/1.0 200 OK\r\n\r\na=b", "a=b", true)
}

fn http_1_1_without_a_length(scene: &Scene) -> Check {
    rows(["", "connection: close\r\n", "transfer-encoding: gzip\r\n"], |field| {
        body_is(scene, &format!("HTTP/1.1 200 OK\r\n{field}\r\na=b"), "a=b", true)
    })
}

fn chunked(scene: &Scene) -> Check {
    let bodies = [
        "3\r\na=b\r\n0\r\n\r\n",
        "1\r\na\r\n1\r\n=\r\n1\r\nb\r\n0\r\n\r\n",
        "03\r\na=b\r\n000\r\n\r\n",
        "3;name=value\r\na=b\r\n0;x\r\n\r\n",
        "3\r\na=b\r\n0\r\nx-trailer: y\r\n\r\n",
    ];
    rows(bodies, |body| {
        body_is(scene, &format!("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n{body}"), "a=b", false)
    })
}

fn an_answer_byte_by_byte(scene: &Scene) -> Check {
    rows(["content-length: 2\r\n\r\nok", "transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"], |rest| {
        let answer = format!("HTTP/1.1 200 OK\r\n{rest}");
        let server = scene.serve(move |peer| {
            peer.request();
            for byte in answer.bytes() {
                peer.say([byte]);
                pause(millis(1));
            }
        });
        let response = answered(scene.client()?.send(get(server.url("/")))?)?;
        ensure(response.body() == "ok", "an answer byte by byte", || format!("{:?}", response.body()))
    })
}

fn what_is_framed_is_not_marked(scene: &Scene) -> Check {
    rows(["204 No Content\r\n\r\n", "200 OK\r\ncontent-length: 0\r\n\r\n"], |answer| {
        body_is(scene, &format!("HTTP/1.1 {answer}"), "", false)
    })
}

fn equal_lengths(scene: &Scene) -> Check {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\na=b";
    let server = scene.answering(answer);
    // RFC 9110 §8.6 allows either.
    let Ok(response) = scene.client()?.send(get(server.url("/")))? else { return Ok(()) };
    ensure(response.body() == "a=b", "equal lengths", || format!("{:?}", response.body()))
}

fn lengths_that_differ(scene: &Scene) -> Check {
    rows(["2\r\ncontent-length: 3", "3\r\ncontent-length: 2", "2, 3"], |lengths| {
        let server = scene.answering(format!("HTTP/1.1 200 OK\r\ncontent-length: {lengths}\r\n\r\nabc"));
        let outcome = scene.client()?.send(get(server.url("/")))?;
        fails(outcome, "lengths that differ", &[FailureKind::Protocol], Far::MaybeOrOk)
    })
}

fn a_length_beside_chunks(scene: &Scene) -> Check {
    let chunked = "transfer-encoding: chunked\r\n";
    rows([format!("content-length: 1\r\n{chunked}"), format!("{chunked}content-length: 1\r\n")], |framing| {
        let server = scene.answering(format!("HTTP/1.1 200 OK\r\n{framing}\r\n3\r\na=b\r\n0\r\n\r\n"));
        // RFC 9112 §6.3: the chunks count, or it is an error.
        let Ok(response) = scene.client()?.send(get(server.url("/")))? else { return Ok(()) };
        ensure(response.body() == "a=b", "a length beside chunks", || format!("{:?}", response.body()))
    })
}

fn lengths_that_are_none(scene: &Scene) -> Check {
    rows(["x", "-1", "+3", "0x3", "99999999999999999999", "3,", "3 3"], |length| {
        let server = scene.answering(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\nabc"));
        let outcome = scene.client()?.send(get(server.url("/")))?;
        let kinds = [FailureKind::Protocol, FailureKind::TooLarge];
        fails(outcome, "lengths that are none", &kinds, Far::MaybeOrOk)
    })
}

fn bad_chunks(scene: &Scene) -> Check {
    rows(
        [
            "x\r\nabc\r\n0\r\n\r\n",
            "-3\r\nabc\r\n0\r\n\r\n",
            "3\r\nabcde\r\n0\r\n\r\n",
            "\r\nabc\r\n0\r\n\r\n",
        ],
        |body| {
            let server =
                scene.answering(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{body}"));
            let outcome = scene.client()?.send(get(server.url("/")))?;
            fails(outcome, "bad chunks", &[FailureKind::Protocol], Far::MaybeOrOk)
        },
    )
}

fn a_cut_body(scene: &Scene) -> Check {
    rows(["abc", ""], |body| {
        let server = scene.answering(format!("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{body}"));
        let outcome = scene.client()?.send(post(server.url("/"), "a=b"))?;
        fails(outcome, "a cut body", &[FailureKind::Truncated], Far::Ok)
    })
}

fn a_cut_chunk(scene: &Scene) -> Check {
    let body = "3\r\nabc\r\n0\r\n\r\n";
    // Without the last line end nothing is missing that anybody could act on.
    rows(0..body.len() - 2, |length| {
        let server = scene
            .answering(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}", &body[..length]));
        let outcome = scene.client()?.send(post(server.url("/"), "a=b"))?;
        fails(outcome, "a cut chunk", &[FailureKind::Truncated], Far::Ok)
    })
}

fn a_body_that_is_reset(scene: &Scene) -> Check {
    rows(["content-length: 5\r\n", "transfer-encoding: chunked\r\n", ""], |framing| {
        let server = scene.serve(move |peer| {
            peer.request();
            peer.say(format!("HTTP/1.1 200 OK\r\n{framing}\r\n3\r\n"));
            // A reset throws away what was not read yet.
            pause(millis(30));
            peer.reset();
        });
        let outcome = scene.client()?.send(post(server.url("/"), "a=b"))?;
        fails(outcome, "a body that is reset", ENDED, Far::Ok)
    })
}

fn not_http(scene: &Scene) -> Check {
    let answers = [
        "SSH-2.0-x\r\n\r\n",
        "HTTP/1.1 2OO OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/9.9 200 OK\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n",
        "\u{16}\u{3}\u{1}\0\u{5}\u{1}",
    ];
    rows(answers, |answer| {
        let server = scene.answering(answer);
        let outcome = scene.client()?.send(post(server.url("/"), "a=b"))?;
        let kinds = [FailureKind::Protocol, FailureKind::Closed];
        fails(outcome, "what is not HTTP", &kinds, Far::MaybeOrOk)
    })
}

fn a_head_cut_anywhere(scene: &Scene) -> Check {
    let head = "HTTP/1.1 200 OK\r\nx-a: b\r\ncontent-length: 2\r\n\r\n";
    let client = scene.client()?;
    rows((0..head.len()).flat_map(|length| [(length, false), (length, true)]), |(length, reset)| {
        let server = scene.serve(move |peer| {
            peer.request();
            peer.say(&head[..length]);
            if reset {
                pause(millis(3));
                peer.reset();
            }
        });
        let outcome = client.send(post(server.url("/"), "a=b"))?;
        let kinds = [FailureKind::Closed, FailureKind::Protocol];
        fails(outcome, "a head that is cut", &kinds, Far::Maybe)
    })?;
    // The whole of it does.
    let server = scene.answering(OK);
    answered(client.send(get(server.url("/")))?).map(drop)
}

fn an_interim_answer_alone(scene: &Scene) -> Check {
    rows(
        ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\nHTTP/1.1 2"],
        |said| {
            let server = scene.answering(said);
            let outcome = scene.client()?.send(post(server.url("/"), "a=b"))?;
            fails(outcome, "an interim answer", &[FailureKind::Closed], Far::Maybe)
        },
    )
}
