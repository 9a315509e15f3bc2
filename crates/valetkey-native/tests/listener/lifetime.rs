//! The port: how it is chosen, and when it is open.

use std::{
    future::Future,
    io,
    net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream},
    pin::pin,
    task::{Context, Waker},
    time::Duration,
};

use valetkey::{ErrorKind, Reason};
use valetkey_native::LoopbackListener;
use valetkey_testkit::{User, block_on};

use super::support::{begin, begin_at, get, is_refused, send, skip, visit};

#[test]
fn s_na_02_the_redirect_uri_is_the_address_and_the_port() {
    let listener = LoopbackListener::bind().unwrap();
    assert_eq!(listener.redirect_uri(), format!("http://127.0.0.1:{}/callback", listener.port()));
    let listener = LoopbackListener::builder().path("/").localhost().bind().unwrap();
    assert_eq!(listener.redirect_uri(), format!("http://localhost:{}/", listener.port()));
    assert!(listener.addresses().iter().all(|address| address.ip().is_loopback()));
}

#[test]
fn s_na_02_both_address_families_are_served() {
    for at in 0..2 {
        let sign_in = begin(User::approves("alice"));
        let Some(&address) = sign_in.listener.addresses().get(at) else {
            skip("this machine has no IPv6");
            return;
        };
        assert_eq!(address.is_ipv6(), at == 1);
        let (session, pages) = sign_in.sign_in(|_, callback| visit(address, callback));
        session.expect("a session");
        assert_eq!(pages.len(), 2);
    }
}

#[test]
fn s_na_02_a_second_request_after_success_is_refused() {
    let sign_in = begin(User::approves("alice"));
    let addresses = sign_in.listener.addresses().to_vec();
    let (callback, ..) = sign_in.wait(visit);
    callback.expect("a callback");
    assert!(addresses.into_iter().all(is_refused));
}

#[test]
fn s_na_02_a_browser_that_does_not_follow_is_waited_for_briefly() {
    let sign_in = begin(User::approves("alice"));
    let address = sign_in.listener.addresses()[0];
    let (session, answer) = sign_in.sign_in(get);
    session.expect("a session");
    assert_eq!(answer.status(), 303);
    assert!(is_refused(address));
}

#[test]
fn s_na_02_the_wait_ends_at_its_deadline() {
    let deadline = Duration::from_millis(300);
    let listener = LoopbackListener::builder().path("/cb").deadline(deadline).bind().unwrap();
    let address = listener.addresses()[0];
    let sign_in = begin_at(User::approves("alice"), listener);
    let (outcome, status, ..) = sign_in.wait(|address, _| get(address, "/cb?code=1&state=forged").status());
    let error = outcome.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Timeout, Reason::TimedOut));
    assert_eq!(status, 400);
    assert!(is_refused(address));
}

#[test]
fn s_na_02_dropping_closes_the_port() {
    // The listener, before anybody waits,
    let listener = LoopbackListener::bind().unwrap();
    let address = listener.addresses()[0];
    let open = TcpStream::connect(address).unwrap();
    drop(listener);
    assert!(is_refused(address));
    drop(open);

    // a future that was never polled,
    let sign_in = begin(User::approves("alice"));
    let address = sign_in.listener.addresses()[0];
    drop(sign_in.listener.wait(&sign_in.pending));
    assert!(is_refused(address));

    // and one in the middle of it.
    let sign_in = begin(User::approves("alice"));
    let address = sign_in.listener.addresses()[0];
    {
        let mut wait = pin!(sign_in.listener.wait(&sign_in.pending));
        let mut context = Context::from_waker(Waker::noop());
        assert!(wait.as_mut().poll(&mut context).is_pending());
        let judged = std::thread::spawn(move || get(address, "/cb?state=forged").status());
        while !judged.is_finished() {
            assert!(wait.as_mut().poll(&mut context).is_pending());
            std::thread::yield_now();
        }
        assert_eq!(judged.join().unwrap(), 400);
    }
    assert!(is_refused(address));
    // The same port can be had again at once.
    assert_eq!(LoopbackListener::builder().port(address.port()).bind().unwrap().port(), address.port());
}

#[test]
fn s_na_02_a_port_that_is_taken() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = LoopbackListener::builder().port(port).bind().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    let listener = LoopbackListener::builder().ports([port, 0]).bind().unwrap();
    assert_ne!(listener.port(), port);
}

#[test]
fn s_na_02_a_port_that_is_taken_on_ipv6_alone() {
    let Ok(taken) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) else {
        skip("this machine has no IPv6");
        return;
    };
    let port = taken.local_addr().unwrap().port();
    // The redirect URI names 127.0.0.1, so that the other one gets nothing of it …
    let listener = LoopbackListener::builder().port(port).bind().unwrap();
    assert_eq!(listener.addresses().len(), 1);
    drop(listener);
    // … but `localhost` may be either.
    let error = LoopbackListener::builder().port(port).localhost().bind().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
}

#[test]
fn s_na_02_localhost_is_answered_if_it_is_the_redirect_uri() {
    let listener = LoopbackListener::builder().path("/cb").localhost().bind().unwrap();
    let address = listener.addresses()[0];
    let host = |name: &str| format!("GET /x HTTP/1.1\r\nHost: {name}:{}\r\n\r\n", address.port());
    assert_eq!(send(address, host("localhost").as_bytes()).status(), 404);
    assert_eq!(send(address, host("127.0.0.1").as_bytes()).status(), 404);
    assert_eq!(send(address, host("localhost.evil.example").as_bytes()).status(), 421);
}

#[test]
fn what_is_printed_of_it_is_where_it_is() {
    let listener = LoopbackListener::bind().unwrap();
    let shown = format!("{listener:?}");
    assert!(shown.contains(listener.redirect_uri()), "{shown}");
    fn crosses_threads(_: &(impl Send + Sync)) {}
    crosses_threads(&listener);
    let sign_in = begin(User::refuses());
    fn is_send(_: &impl Send) {}
    is_send(&sign_in.listener.wait(&sign_in.pending));
    block_on(async {});
}
