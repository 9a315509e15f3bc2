//! What reaches the server is what was given.

use bytes::Bytes;
use http::{HeaderValue, Method};
use valetkey_http::{FailureKind, Request};

use crate::{
    cases::{Case, both},
    received::Received,
    scene::{Scene, get, post},
    server::Server,
    verdict::{Check, Far, Trouble, answered, ensure, fails, rows},
};

pub(crate) const CASES: &[Case] = &[
    both("sending::methods", methods),
    both("sending::a_method_of_ones_own", a_method_of_ones_own),
    both("sending::fields_keep_their_order", fields_keep_their_order),
    both("sending::repeated_fields", repeated_fields),
    both("sending::sensitive_values", sensitive_values),
    both("sending::values_that_are_not_ascii", values_that_are_not_ascii),
    both("sending::large_values", large_values),
    both("sending::nothing_is_added", nothing_is_added),
    both("sending::the_host", the_host),
    both("sending::the_bytes_of_the_uri", the_bytes_of_the_uri),
    both("sending::a_uri_without_a_path", a_uri_without_a_path),
    both("sending::a_post_with_an_empty_body", a_post_with_an_empty_body),
    both("sending::a_get_has_no_body", a_get_has_no_body),
    both("sending::bodies", bodies),
    both("sending::what_cannot_be_sent", what_cannot_be_sent),
];

/// Sends a request that should be answered, and returns what arrived.
fn arrived(scene: &Scene, server: &Server, request: Request) -> Result<Received, Trouble> {
    let client = scene.client()?;
    answered(client.send(request)?)?;
    server.received().pop().ok_or_else(|| Trouble::Never("an answer without a request".to_owned()))
}

fn methods(scene: &Scene) -> Check {
    rows(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"], |method| {
        let server = scene.answering(match method {
            "HEAD" => "HTTP/1.1 200 OK\r\n\r\n",
            _ => "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        });
        sends_method(scene, &server, method)
    })
}

fn a_method_of_ones_own(scene: &Scene) -> Check {
    rows(["PROPFIND", "PURGE", "X-OWN"], |method| sends_method(scene, &scene.keeping(), method))
}

fn sends_method(scene: &Scene, server: &Server, method: &str) -> Check {
    let mut request = get(server.url("/a"));
    *request.method_mut() = Method::from_bytes(method.as_bytes()).expect("a method");
    let line = arrived(scene, server, request)?.line();
    ensure(line == format!("{method} /a HTTP/1.1"), "the method", || line)
}

fn fields_keep_their_order(scene: &Scene) -> Check {
    let server = scene.keeping();
    let mut request = get(server.url("/"));
    let names = ["x-m", "x-z", "x-a", "x-y", "x-b"];
    for name in names {
        request.headers_mut().insert(name, HeaderValue::from_static("1"));
    }
    let seen = arrived(scene, &server, request)?;
    let order: Vec<_> =
        seen.fields().into_iter().map(|(name, _)| name).filter(|name| name.starts_with("x-")).collect();
    ensure(order == names, "the order of fields", || format!("{order:?}"))
}

fn repeated_fields(scene: &Scene) -> Check {
    let server = scene.keeping();
    let mut request = get(server.url("/"));
    for value in ["2", "1", "", "2"] {
        request.headers_mut().append("x-again", HeaderValue::from_static(value));
    }
    let values = arrived(scene, &server, request)?.values("x-again");
    ensure(values == [b"2" as &[u8], b"1", b"", b"2"], "repeated fields", || format!("{values:?}"))
}

fn sensitive_values(scene: &Scene) -> Check {
    let server = scene.keeping();
    let mut request = get(server.url("/"));
    let mut value = HeaderValue::from_static("Bearer t0ken");
    value.set_sensitive(true);
    request.headers_mut().insert("authorization", value);
    let values = arrived(scene, &server, request)?.values("authorization");
    ensure(values == [b"Bearer t0ken"], "sensitive values", || format!("{values:?}"))
}

fn values_that_are_not_ascii(scene: &Scene) -> Check {
    rows([&b"caf\xc3\xa9"[..], b"\xe9", b"\x80\xff", b"a\tb"], |value| {
        let server = scene.keeping();
        let mut request = get(server.url("/"));
        request.headers_mut().insert("x-value", HeaderValue::from_bytes(value).expect("a value"));
        let values = arrived(scene, &server, request)?.values("x-value");
        ensure(values == [value], "values that are not ASCII", || format!("{values:?}"))
    })
}

fn large_values(scene: &Scene) -> Check {
    let server = scene.keeping();
    let mut request = get(server.url("/"));
    let value = "t".repeat(16 << 10);
    request.headers_mut().insert("authorization", value.parse().expect("a value"));
    let values = arrived(scene, &server, request)?.values("authorization");
    ensure(values == [value.into_bytes()], "large values", || "it did not arrive whole".to_owned())
}

fn nothing_is_added(scene: &Scene) -> Check {
    let usual = ["host", "user-agent", "accept", "connection", "content-length", "content-type"];
    rows([get as fn(String) -> Request, |url| post(url, "a=b"), |url| post(url, "")], |make| {
        let server = scene.keeping();
        let seen = arrived(scene, &server, make(server.url("/?a=b")))?;
        let names: Vec<_> = seen.fields().into_iter().map(|(name, _)| name).collect();
        let once = names.iter().all(|name| names.iter().filter(|other| *other == name).count() == 1);
        let is_usual = names.iter().all(|name| usual.contains(&name.as_str()));
        ensure(once && is_usual, "fields that nobody gave", || format!("{names:?}"))?;
        // A server that may compress would have to be undone before anybody can read.
        let accept = seen.values("accept");
        ensure(accept.iter().all(|value| value == b"*/*"), "what is accepted", || format!("{accept:?}"))
    })
}

fn the_host(scene: &Scene) -> Check {
    let server = scene.keeping();
    let hosts = [server.address().to_string(), format!("localhost:{}", server.address().port())];
    rows(hosts, |host| {
        let values = arrived(scene, &server, get(format!("http://{host}/")))?.values("host");
        ensure(values == [host.into_bytes()], "the host", || format!("{values:?}"))
    })?;
    let server = scene.keeping();
    let mut request = get(server.url("/"));
    request.headers_mut().insert("user-agent", HeaderValue::from_static("own/1"));
    let agents = arrived(scene, &server, request)?.values("user-agent");
    ensure(agents == [b"own/1"], "the user agent of a request", || format!("{agents:?}"))
}

fn the_bytes_of_the_uri(scene: &Scene) -> Check {
    let paths = [
        "/a'b",
        "/%2e%2e/x",
        "/../x/./y",
        "/a|b?c|d='e'",
        "/?",
        "/p?",
        "/?a=%7e~",
        "//x",
        "/A%2fb%2Fc",
        "/a;b=c,d?+",
    ];
    rows(paths, |path| {
        let server = scene.keeping();
        let target = arrived(scene, &server, get(server.url(path)))?.target();
        ensure(target == path, "the bytes of the URI", || format!("{path} became {target}"))
    })
}

fn a_uri_without_a_path(scene: &Scene) -> Check {
    rows([("", "/"), ("?a=b", "/?a=b")], |(given, expected)| {
        let server = scene.keeping();
        let target = arrived(scene, &server, get(server.url(given)))?.target();
        ensure(target == expected, "a URI without a path", || target)
    })
}

fn a_post_with_an_empty_body(scene: &Scene) -> Check {
    let server = scene.keeping();
    let seen = arrived(scene, &server, post(server.url("/"), ""))?;
    let lengths = seen.values("content-length");
    ensure(lengths == [b"0"] && seen.body().is_empty(), "the length of an empty body", || {
        format!("{lengths:?}")
    })
}

fn a_get_has_no_body(scene: &Scene) -> Check {
    let server = scene.keeping();
    let seen = arrived(scene, &server, get(server.url("/")))?;
    let framing = [seen.values("content-length"), seen.values("transfer-encoding")].concat();
    ensure(framing.is_empty(), "the body of a GET", || format!("{framing:?}"))
}

fn bodies(scene: &Scene) -> Check {
    let binary: Vec<u8> = (0..=255).collect();
    let large = b"0123456789abcdef".repeat(1 << 16);
    let bodies = [b"a=b".to_vec(), binary, large];
    rows(
        bodies.into_iter().flat_map(|body| ["POST", "PUT", "PATCH"].map(|method| (method, body.clone()))),
        |row| {
            let (method, body) = row;
            let server = scene.keeping();
            let request = http::Request::builder().method(method).uri(server.url("/"));
            let request = request.body(Bytes::from(body.clone())).expect("a request");
            let seen = arrived(scene, &server, request)?;
            let lengths = seen.values("content-length");
            ensure(lengths == [body.len().to_string().into_bytes()], "the length of a body", || {
                format!("{lengths:?}")
            })?;
            ensure(seen.body() == body, "a body", || format!("{} bytes of {}", seen.body().len(), body.len()))
        },
    )
}

fn what_cannot_be_sent(scene: &Scene) -> Check {
    let server = scene.keeping();
    let port = server.address().port();
    let uris = [
        "/path".to_owned(),
        format!("ftp://127.0.0.1:{port}/"),
        format!("http://user:hidden@127.0.0.1:{port}/"),
        "http://localhost:99999/".to_owned(),
        format!("127.0.0.1:{port}"),
    ];
    let client = scene.client()?;
    // What `http` itself refuses is no matter.
    let requests = uris
        .iter()
        .filter_map(|uri| http::Request::get(uri).body(Bytes::new()).ok().map(|request| (uri, request)));
    rows(requests, |(uri, request)| {
        let outcome = client.send(request)?;
        let text = format!("{:?}", outcome.as_ref().err());
        ensure(!text.contains("hidden"), "a password in an error", || text)?;
        fails(outcome, "what cannot be sent", &[FailureKind::Config], Far::Nothing).map_err(|trouble| {
            match trouble {
                Trouble::Never(detail) => Trouble::Never(format!("{uri}: {detail}")),
                other => other,
            }
        })
    })?;
    let mut connect = get(server.url("/"));
    *connect.method_mut() = Method::CONNECT;
    fails(client.send(connect)?, "CONNECT", &[FailureKind::Config], Far::Nothing)
}
