//! From a host's name to a connection: the lookup, and several addresses within one deadline (RFC 8305).

use std::{
    future::poll_fn,
    io,
    net::{SocketAddr, TcpStream},
    pin::Pin,
    task::Poll,
    time::Duration,
};

use smol::{Async, Timer, net};
use valetkey_http::{Addresses, Failure, FailureKind, Sent};

use crate::stream::Stream;

/// How long an address is waited for before the next one is tried as well (RFC 8305 §8).
const HEAD_START: Duration = Duration::from_millis(250);

/// Opens a TCP connection to a host, a name or an address, where it is one of these addresses.
pub(crate) async fn connect(host: &str, port: u16, allowed: Addresses) -> Result<Stream, Failure> {
    let failed = |kind| move |error: io::Error| Failure::new(Sent::Nothing, kind).with_source(error);
    let mut addresses = net::resolve((host, port)).await.map_err(failed(FailureKind::Resolve))?;
    addresses.retain(|found| allowed.allows(found.ip()));
    if addresses.is_empty() && allowed != Addresses::Any {
        return Err(Failure::new(Sent::Nothing, FailureKind::AddressRefused));
    }
    let connection =
        race(in_turn(addresses), Async::<TcpStream>::connect).await.map_err(failed(FailureKind::Connect))?;
    // A connection that cannot do without Nagle's delay is slower, and good.
    drop(connection.get_ref().set_nodelay(true));
    Ok(Stream(connection))
}

/// IPv6 and IPv4 in turn, beginning with what the system prefers (RFC 8305 §4).
fn in_turn(addresses: Vec<SocketAddr>) -> impl Iterator<Item = SocketAddr> {
    let preferred = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == preferred);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut turn = false;
    std::iter::from_fn(move || {
        turn = !turn;
        if turn { first.next().or_else(|| second.next()) } else { second.next().or_else(|| first.next()) }
    })
}

/// The first connection to stand, of attempts that begin one after the other and go on side by side (RFC 8305 §5).
///
/// If none does, the error of the first one to fail.
async fn race<S, F>(
    mut addresses: impl Iterator<Item = SocketAddr>,
    connect: impl Fn(SocketAddr) -> F,
) -> io::Result<S>
where
    F: Future<Output = io::Result<S>>,
{
    let mut attempts: Vec<Pin<Box<F>>> = Vec::new();
    let mut failure = None;
    let mut pause = Timer::never();
    poll_fn(|context| {
        loop {
            let (before, mut won) = (attempts.len(), None);
            attempts.retain_mut(|attempt| match attempt.as_mut().poll(context) {
                Poll::Pending => true,
                Poll::Ready(Ok(connection)) => {
                    won = Some(connection);
                    false
                }
                Poll::Ready(Err(error)) => {
                    failure.get_or_insert(error);
                    false
                }
            });
            if let Some(connection) = won {
                return Poll::Ready(Ok(connection));
            }
            let next_is_due = attempts.is_empty()
                || attempts.len() < before
                || Pin::new(&mut pause).poll(context).is_ready();
            if !next_is_due {
                return Poll::Pending;
            }
            match addresses.next() {
                Some(address) => {
                    attempts.push(Box::pin(connect(address)));
                    pause = Timer::after(HEAD_START);
                }
                None if attempts.is_empty() => {
                    let none = || io::Error::new(io::ErrorKind::NotFound, "the host has no address");
                    return Poll::Ready(Err(failure.take().unwrap_or_else(none)));
                }
                None => return Poll::Pending,
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, future::pending};

    use super::*;

    fn address(text: &str) -> SocketAddr {
        format!("{text}:1").parse().unwrap()
    }

    /// What comes of attempts of which some hang, some fail, and the others stand.
    fn outcome(
        addresses: &[&'static str],
        hangs: &[&str],
        fails: &[&str],
    ) -> (io::Result<SocketAddr>, Vec<SocketAddr>) {
        let is_in = |list: &[&str], found: SocketAddr| list.iter().any(|text| address(text) == found);
        let tried = RefCell::new(Vec::new());
        let connect = |address| {
            tried.borrow_mut().push(address);
            async move {
                if is_in(hangs, address) {
                    pending::<()>().await;
                }
                let error = || io::Error::other(address.to_string());
                if is_in(fails, address) { Err(error()) } else { Ok(address) }
            }
        };
        let addresses = in_turn(addresses.iter().map(|text| address(text)).collect());
        let outcome = smol::block_on(race(addresses, connect));
        (outcome, tried.into_inner())
    }

    #[test]
    fn s_net_10_what_a_name_leads_to_is_checked_and_connected_to() {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        for host in ["127.0.0.1", "localhost"] {
            assert!(smol::block_on(connect(host, port, Addresses::Any)).is_ok());
            let failure = smol::block_on(connect(host, port, Addresses::Public)).unwrap_err();
            assert_eq!((failure.kind(), failure.sent()), (FailureKind::AddressRefused, Sent::Nothing));
        }
    }

    #[test]
    fn families_take_turns() {
        let given = ["[::1]", "[::2]", "[::3]", "10.0.0.1", "10.0.0.2"].map(address);
        let turns: Vec<_> = in_turn(given.to_vec()).collect();
        assert_eq!(turns, ["[::1]", "10.0.0.1", "[::2]", "10.0.0.2", "[::3]"].map(address));
    }

    #[test]
    fn an_address_that_hangs_costs_a_head_start() {
        let (stood, tried) = outcome(&["[::1]", "10.0.0.1"], &["[::1]"], &[]);
        assert_eq!(stood.unwrap(), address("10.0.0.1"));
        assert_eq!(tried.len(), 2);
    }

    #[test]
    fn an_address_that_fails_costs_nothing_and_the_first_failure_is_told() {
        let (stood, tried) = outcome(&["10.0.0.1", "10.0.0.2", "10.0.0.3"], &[], &["10.0.0.1"]);
        assert_eq!(stood.unwrap(), address("10.0.0.2"));
        assert_eq!(tried.len(), 2, "the third was not needed");

        let (stood, _) = outcome(&["10.0.0.1", "10.0.0.2"], &[], &["10.0.0.1", "10.0.0.2"]);
        assert_eq!(stood.unwrap_err().to_string(), "10.0.0.1:1");
        assert!(outcome(&[], &[], &[]).0.is_err());
    }
}
