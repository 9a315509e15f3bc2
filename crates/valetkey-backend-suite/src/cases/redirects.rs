//! Redirects are answers: nothing goes anywhere else.

use crate::{
    cases::{Case, both},
    scene::{Scene, get, post},
    tls::Authority,
    verdict::{Check, answered, ensure, insist, rows},
};

pub(crate) const CASES: &[Case] = &[
    both("redirects::s_net_03_redirects_are_answers", s_net_03_redirects_are_answers),
    both("redirects::s_net_03_from_https_to_http", s_net_03_from_https_to_http),
    both("redirects::other_ways_to_point_elsewhere", other_ways_to_point_elsewhere),
];

const STATUSES: [u16; 5] = [301, 302, 303, 307, 308];

/// What a server may give as the place to go: itself, another, and texts that parsers disagree on.
fn places(own: std::net::SocketAddr, other: std::net::SocketAddr) -> Vec<String> {
    vec![
        "/again".to_owned(),
        format!("http://{own}/"),
        format!("http://{other}/stolen"),
        format!("//{other}/stolen"),
        format!("\\\\{other}\\stolen"),
        format!("http:\\\\{other}/stolen"),
        format!("http://{own}@{other}/stolen"),
        "javascript:alert(1)".to_owned(),
        String::new(),
    ]
}

fn redirect(status: u16, location: &str) -> String {
    format!("HTTP/1.1 {status} See\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n")
}

fn s_net_03_redirects_are_answers(scene: &Scene) -> Check {
    rows(STATUSES, |status| {
        let other = scene.keeping();
        let elsewhere = other.address();
        let count = places(elsewhere, elsewhere).len();
        rows(0..count, |place| {
            // A loop: whoever follows comes back to the same answer.
            let server = scene.serve(move |peer| {
                let own = peer.address();
                while peer.request().is_some() {
                    peer.say(redirect(status, &places(own, elsewhere)[place]));
                }
            });
            let location = places(server.address(), elsewhere).swap_remove(place);
            let client = scene.client()?;
            for (count, request) in
                [get(server.url("/")), post(server.url("/"), "code=secret")].into_iter().enumerate()
            {
                let mut request = request;
                request.headers_mut().insert("authorization", "Bearer t0ken".parse().expect("a value"));
                let response = answered(client.send(request)?);
                let seen = server.seen().len();
                insist(seen == count + 1 && other.connections() == 0, || {
                    format!("{status} to {location} was followed")
                })?;
                let response = response?;
                ensure(response.status() == status, "a redirect", || format!("{}", response.status()))?;
                let came = response.headers().get("location").map(|value| value.as_bytes().to_vec());
                ensure(came.as_deref() == Some(location.as_bytes()), "the location", || format!("{came:?}"))?;
            }
            Ok(())
        })
    })
}

fn s_net_03_from_https_to_http(scene: &Scene) -> Check {
    rows(STATUSES, |status| {
        let other = scene.keeping();
        let location = other.url("/stolen");
        let authority = Authority::new();
        let config = authority.server("localhost", &["http/1.1"]);
        let server = scene.serve(move |peer| {
            let mut peer = peer.secured(&config);
            while peer.request().is_some() {
                peer.say(redirect(status, &location));
            }
        });
        let response = scene.trusting(&authority)?.send(post(server.secure_url("/"), "code=secret"))?;
        insist(other.connections() == 0, || format!("{status} was followed to http"))?;
        ensure(answered(response)?.status() == status, "a redirect", || status.to_string())
    })
}

fn other_ways_to_point_elsewhere(scene: &Scene) -> Check {
    let other = scene.keeping();
    let place = other.url("/stolen");
    let answers = [
        format!("300 Choices\r\nlocation: {place}"),
        format!("200 OK\r\nrefresh: 0; url={place}"),
        format!("200 OK\r\nlocation: {place}"),
        format!("305 Use Proxy\r\nlocation: {place}"),
        format!("503 Later\r\nretry-after: 0\r\nlocation: {place}"),
        format!("401 Who\r\nwww-authenticate: Basic realm=\"x\"\r\nlocation: {place}"),
        "407 Who\r\nproxy-authenticate: Basic realm=\"x\"".to_owned(),
        "408 Late\r\nconnection: close".to_owned(),
        "421 Misdirected".to_owned(),
        "425 Early".to_owned(),
        "429 Many\r\nretry-after: 0".to_owned(),
    ];
    rows(answers, |answer| {
        let said = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n");
        let server = scene.serve(move |peer| {
            while peer.request().is_some() {
                peer.say(&said);
            }
        });
        let client = scene.client()?;
        for request in [get(server.url("/")), post(server.url("/"), "a=b"), post(server.url("/"), "")] {
            let response = answered(client.send(request)?)?;
            ensure(answer.starts_with(response.status().as_str()), "the status", || answer.clone())?;
        }
        insist(other.connections() == 0 && server.seen().len() == 3, || format!("it went on after {answer}"))
    })
}
