//! surf on async-h1, without TLS: each request on a connection of its own, to an address that is found here.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::pin,
    task::Poll,
    time::Duration,
};

use async_io::Timer;
use async_std::net::ToSocketAddrs;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http_client::h1::H1Client;
use surf::http::url::Host;
use valetkey_http::{Failure, FailureKind, Limits, Phase, Sent, adapter::is_bodiless};

use crate::{
    backend::{Told, answer},
    body::Arriving,
    contain::contain,
    convert::{Abilities, Draft},
};

pub(crate) const ABILITIES: Abilities = Abilities {
    tls: false,
    head: true,
    empty_query: true,
    lower_escapes: true,
    repeated_fields: true,
    connection_field: false,
    untyped_post: true,
    waits_from: None,
};

/// A new surf client, which keeps no connection.
pub(crate) fn client() -> surf::Client {
    // On a connection that is kept, a request can get the answer of another one.
    let config = http_client::Config::new().set_http_keep_alive(false).set_timeout(None);
    let Ok(client) = H1Client::try_from(config);
    surf::Client::with_http_client(client)
}

/// Sends a request, and resolves to the head of its response.
pub(crate) async fn start(
    client: &surf::Client,
    draft: &Draft,
    limits: &Limits,
) -> Result<http::Response<Arriving>, Failure> {
    // surf would look the name up on the executor's thread, and try the first address alone.
    let mut refused = Failure::new(Sent::Nothing, FailureKind::Resolve);
    for address in within(limits.connect, lookup(&draft.request())).await? {
        let mut request = draft.request();
        // Whom it is for says its field `Host`. This fails for URLs without a host only.
        let _ = request.url_mut().set_ip_host(address.ip());
        let sent = contain(client.send(request)).await;
        let error = match sent {
            Ok(Ok(response)) => return framed(response.into(), draft),
            Ok(Err(error)) => error,
            Err(_panicked) => return Err(Failure::new(Sent::Maybe, FailureKind::Panicked)),
        };
        let kind = kind(&error);
        if kind != FailureKind::Connect {
            return Err(Failure::new(Sent::Maybe, kind).with_source(Told::by(&error)));
        }
        refused = Failure::new(Sent::Nothing, kind).with_source(Told::by(&error));
    }
    Err(refused)
}

/// The addresses of the host.
async fn lookup(request: &surf::http::Request) -> Result<Vec<SocketAddr>, Failure> {
    let url = request.url();
    let port = url.port_or_known_default().unwrap_or(80);
    let name = match url.host() {
        Some(Host::Ipv4(address)) => return Ok(vec![(IpAddr::V4(address), port).into()]),
        Some(Host::Ipv6(address)) => return Ok(vec![(IpAddr::V6(address), port).into()]),
        Some(Host::Domain(name)) => name,
        None => "",
    };
    match (name, port).to_socket_addrs().await {
        Ok(found) => Ok(found.collect()),
        Err(error) => Err(Failure::new(Sent::Nothing, FailureKind::Resolve).with_source(error)),
    }
}

async fn within<T>(time: Duration, future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let (mut future, mut timer) = (pin!(future), pin!(Timer::after(time)));
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Pending => Future::poll(timer.as_mut(), context)
            .map(|_| Err(Failure::new(Sent::Nothing, FailureKind::Timeout(Phase::Connect)))),
        ready => ready,
    })
    .await
}

/// Refuses what async-h1 takes for a response without a body: an interim one, and one whose body ends with the
/// connection.
fn framed(response: surf::http::Response, draft: &Draft) -> Result<http::Response<Arriving>, Failure> {
    let response = answer(response, draft, |error| io_kind(error.kind()))?;
    let (status, headers) = (response.status(), response.headers());
    let is_framed = match headers.get_all(TRANSFER_ENCODING).iter().next_back() {
        // All that it knows: it reads no lists, and no other case.
        Some(encoding) => encoding == "chunked",
        None => headers.contains_key(CONTENT_LENGTH),
    };
    if status.is_informational() {
        Err(Failure::new(Sent::Maybe, FailureKind::Protocol))
    } else if !is_framed && !is_bodiless(&draft.method, status) {
        Err(Failure::new(Sent::Answered(status), FailureKind::Protocol))
    } else {
        Ok(response)
    }
}

fn kind(error: &surf::Error) -> FailureKind {
    match error.downcast_ref::<io::Error>() {
        Some(error) => io_kind(error.kind()),
        // Of all others async-h1 says in words that they are no response.
        None => FailureKind::Protocol,
    }
}

fn io_kind(kind: io::ErrorKind) -> FailureKind {
    match kind {
        // Of a connection that stands nobody says so.
        io::ErrorKind::ConnectionRefused => FailureKind::Connect,
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => FailureKind::Protocol,
        io::ErrorKind::UnexpectedEof => FailureKind::Truncated,
        _ => FailureKind::Closed,
    }
}
