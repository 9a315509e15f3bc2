//! Whoever else knocks on the port does not cost the user the sign-in.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use valetkey_testkit::{User, block_on};

use super::support::{Answer, ask, begin, connect, get, is_refused, reload, send, visit};

/// What turns up on a port, by accident or on purpose, and the status it is answered with.
fn junk(address: SocketAddr, callback: &str) -> Vec<(u16, Answer)> {
    let host = format!("Host: {address}\r\n\r\n");
    let state = callback.split("state=").nth(1).and_then(|rest| rest.split('&').next()).unwrap();
    let raw = |text: String| send(address, text.as_bytes());
    vec![
        (404, get(address, "/favicon.ico")),
        (404, get(address, "/")),
        (404, get(address, "/cb/done")),
        (404, get(address, &callback.replacen("/cb", "/cb/", 1))),
        (400, get(address, "/cb")),
        (400, get(address, "/cb?code=forged&state=forged")),
        (400, get(address, "/cb?error=access_denied&state=forged")),
        (400, get(address, &format!("/cb?code=forged&state={state}&state={state}"))),
        (400, get(address, &format!("/cb?code=forged&state={}", &state[1..]))),
        (400, get(address, "/cb?code=forged&state=")),
        (405, ask(address, "HEAD", callback, "")),
        (405, ask(address, "POST", callback, "Content-Length: 0\r\n")),
        (405, ask(address, "OPTIONS", callback, "Access-Control-Request-Private-Network: true\r\n")),
        (503, ask(address, "GET", callback, "Sec-Purpose: prefetch;prerender\r\n")),
        (503, ask(address, "GET", callback, "Purpose: prefetch\r\n")),
        (421, raw(format!("GET {callback} HTTP/1.1\r\nHost: evil.example:{}\r\n\r\n", address.port()))),
        (421, raw(format!("GET {callback} HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", address.port()))),
        (400, raw(format!("GET {callback} HTTP/1.1\r\n\r\n"))),
        (400, raw(format!("GET {callback} HTTP/1.1\r\nHost: evil.example\r\n{host}"))),
        (404, raw(format!("GET http://{address}{callback} HTTP/1.1\r\n{host}"))),
        (400, raw(format!("GET {callback}\r\n{host}"))),
        (400, raw("\x16\x03\x01\x00\x05hello\r\n\r\n".into())),
    ]
}

#[test]
fn s_na_03_a_thousand_junk_requests_do_not_end_the_wait() {
    let (session, pages) = begin(User::approves("alice")).sign_in(|address, callback| {
        let mut count = 0;
        while count < 1000 {
            for (status, answer) in junk(address, callback) {
                assert_eq!(answer.status(), status, "{}", answer.0);
                count += 1;
            }
        }
        visit(address, callback)
    });
    session.expect("a session");
    assert_eq!(pages.iter().map(Answer::status).collect::<Vec<_>>(), [303, 200]);
}

#[test]
fn s_na_03_many_at_once_do_not_end_the_wait() {
    let (session, pages) = begin(User::approves("alice")).sign_in(|address, callback| {
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..125).for_each(|_| drop(get(address, "/cb?code=forged&state=forged"))));
            }
            thread::yield_now();
            visit(address, callback)
        })
    });
    session.expect("a session");
    assert_eq!(pages.len(), 2);
}

#[test]
fn s_na_03_slow_clients_do_not_keep_the_good_one_waiting() {
    let (session, (pages, took, closed)) = begin(User::approves("alice")).sign_in(|address, callback| {
        let slow = |at: usize| {
            let mut stream = connect(address).expect("a connection");
            // Some say nothing at all, as a browser that connects ahead of time.
            let text = if at.is_multiple_of(2) { "GET /cb?code=1 HTTP/1.1\r\nHost: " } else { "" };
            let _ = stream.write_all(text.as_bytes());
            stream
        };
        let slow: Vec<TcpStream> = (0..200).map(slow).collect();
        let begun = now();
        let pages = visit(address, callback);
        let took = begun.elapsed_so_far();
        let closed = slow.iter().filter(|stream| is_closed(stream)).count();
        (pages, took, closed)
    });
    session.expect("a session");
    assert_eq!(pages.iter().map(Answer::status).collect::<Vec<_>>(), [303, 200]);
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(closed, 200, "all of them are closed when the wait is over");
}

#[test]
fn s_na_03_a_flood_of_silent_connections_does_not_end_the_wait() {
    let (session, (pages, tries, flood)) = begin(User::approves("alice")).sign_in(|address, callback| {
        let (is_over, flood) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        drop(connect(address));
                        flood.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            let (pages, tries) = reload(address, callback);
            is_over.store(true, Ordering::Relaxed);
            (pages, tries, flood.load(Ordering::Relaxed))
        })
    });
    session.expect("a session");
    assert!(pages.len() == 2 || tries > 1, "{pages:?}");
    assert!(flood > 30, "{flood}");
}

#[test]
fn s_na_03_no_more_than_32_connections_are_open() {
    let (_, open, ..) = begin(User::approves("alice")).wait(|address, callback| {
        let streams: Vec<TcpStream> = (0..100).map(|_| connect(address).expect("a connection")).collect();
        // An answer to one that came later shows that the others have been seen.
        assert_eq!(get(address, "/").status(), 404);
        let open = streams.iter().filter(|stream| !is_closed(stream)).count();
        visit(address, callback);
        open
    });
    assert!((20..=32).contains(&open), "{open}");
}

#[test]
fn s_na_03_a_slow_head_is_given_up() {
    let (_, took, ..) = begin(User::approves("alice")).wait(|address, callback| {
        let mut stream = connect(address).expect("a connection");
        let begun = now();
        // A byte at a time does not extend it.
        while begun.elapsed_so_far() < Duration::from_secs(15) && stream.write_all(b"G").is_ok() {
            pause(Duration::from_millis(200));
        }
        let took = begun.elapsed_so_far();
        visit(address, callback);
        took
    });
    assert!((Duration::from_secs(4)..Duration::from_secs(12)).contains(&took), "{took:?}");
}

#[test]
fn s_na_03_a_large_head_is_refused() {
    let (_, status, ..) = begin(User::approves("alice")).wait(|address, callback| {
        let head = format!("GET {callback} HTTP/1.1\r\nHost: {address}\r\nX: {}", "x".repeat(8 << 10));
        // Exactly as much as is read, so that the answer is not lost in a reset.
        let status = send(address, &head.as_bytes()[..8 << 10]).status();
        visit(address, callback);
        status
    });
    assert_eq!(status, 431);
}

#[test]
fn s_az_05_a_forged_callback_is_turned_away_and_the_good_one_taken() {
    let other = begin(User::approves("bob"));
    let (session, (forged, pages)) = begin(User::approves("alice")).sign_in(|address, callback| {
        // The callback of another sign-in, whole and genuine, but for its state.
        let forged = get(address, &other.callback.replace("state=", "state=x"));
        (forged, visit(address, callback))
    });
    session.expect("a session");
    assert_eq!(forged.status(), 400);
    assert!(!forged.0.contains("close this tab"), "{}", forged.0);
    assert_eq!(pages[0].status(), 303);
}

#[test]
fn s_az_05_a_callback_is_taken_once() {
    let (session, again) = begin(User::approves("alice")).sign_in(|address, callback| {
        let first = get(address, callback);
        let again = [get(address, callback), get(address, "/cb/told")];
        get(address, first.field("location").expect("a way on"));
        assert!(is_refused(address) || get(address, callback).0.is_empty());
        again
    });
    session.expect("a session");
    assert_eq!(again.map(|answer| answer.status()), [404, 404]);
}

#[test]
fn s_az_13_and_s_az_20_the_code_is_not_in_the_address_and_nothing_is_repeated() {
    let (_, (pages, callback), ..) = begin(User::approves("alice")).wait(|address, callback| {
        (visit(address, &format!("{callback}&x=%3Cscript%3E")), callback.to_owned())
    });
    let [moved, done] = &pages[..] else { panic!("{pages:?}") };
    assert_eq!((moved.status(), moved.field("location")), (303, Some("/cb/done")));
    assert_eq!(done.status(), 200);
    assert!(done.0.contains("You can close this tab"));
    for answer in &pages {
        assert_eq!(answer.field("cache-control"), Some("no-store"));
        assert_eq!(answer.field("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.field("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.field("connection"), Some("close"));
        let policy = answer.field("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        for piece in callback.split(['?', '&']).filter_map(|piece| piece.split_once('=')) {
            assert!(!answer.0.contains(piece.1), "{piece:?} in {}", answer.0);
        }
        assert!(!answer.0.contains("script"), "{}", answer.0);
    }
}

#[test]
fn a_callback_that_comes_before_the_wait_is_kept() {
    let sign_in = begin(User::approves("alice"));
    let (address, callback) = (sign_in.listener.addresses()[0], sign_in.callback.clone());
    let browser = thread::spawn(move || {
        let forged: Vec<_> =
            (0..40).map(|_| thread::spawn(move || get(address, "/cb?state=forged").status())).collect();
        let (pages, _) = reload(address, &callback);
        (pages.len(), forged.into_iter().map(|forged| forged.join().unwrap()).collect::<Vec<_>>())
    });
    pause(Duration::from_millis(200));
    let callback = block_on(sign_in.listener.wait(&sign_in.pending)).expect("a callback");
    block_on(sign_in.client.redeem(sign_in.pending, callback)).expect("a session");
    let (pages, forged) = browser.join().unwrap();
    assert_eq!(pages, 2);
    assert!(forged.iter().all(|status| [0, 400, 404].contains(status)), "{forged:?}");
}

/// Whether the listener has closed it.
fn is_closed(mut stream: &TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    match stream.read(&mut [0; 64]) {
        Ok(length) => length == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

struct Begun(Instant);

impl Begun {
    #[expect(clippy::disallowed_methods, reason = "sockets live in real time")]
    fn elapsed_so_far(&self) -> Duration {
        self.0.elapsed()
    }
}

#[expect(clippy::disallowed_methods, reason = "sockets live in real time")]
fn now() -> Begun {
    Begun(Instant::now())
}

#[expect(clippy::disallowed_methods, reason = "sockets live in real time")]
fn pause(time: Duration) {
    thread::sleep(time);
}
