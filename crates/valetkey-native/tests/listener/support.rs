//! A sign-in under way, and raw requests to the listener.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use valetkey::{
    Client, Result, Session,
    oauth2::authorization::{Callback, PendingAuthorization},
};
use valetkey_native::LoopbackListener;
use valetkey_testkit::{Provider, User, block_on};

/// Longer than anything takes here.
const LONG: Duration = Duration::from_secs(20);

/// A listener, and a user who is on the way back to it.
pub(crate) struct SignIn {
    pub(crate) listener: LoopbackListener,
    pub(crate) client: Client,
    pub(crate) pending: PendingAuthorization,
    /// Path and query of the callback that the provider sends the browser to.
    pub(crate) callback: String,
}

/// Begins, with the provider in this process.
pub(crate) fn begin(user: User) -> SignIn {
    begin_at(user, LoopbackListener::builder().path("/cb").bind().expect("a port"))
}

pub(crate) fn begin_at(user: User, listener: LoopbackListener) -> SignIn {
    let provider = Provider::builder().user(user).build();
    let (client, pending, callback) = block_on(async {
        let client = Client::builder(provider.clone())
            .random(provider.random())
            .discover(&provider.issuer())
            .id("native")
            .redirect_uri(listener.redirect_uri())
            .build()
            .await?;
        let (url, pending) = client.authorize().scope("read").start().await?;
        let callback = provider.visit(&url).expect("the provider sends the browser back");
        Ok::<_, valetkey::Error>((client, pending, callback))
    })
    .expect("a sign-in begins");
    let callback = callback.strip_prefix("http://").and_then(|rest| rest.find('/').map(|at| &rest[at..]));
    SignIn { listener, client, pending, callback: callback.expect("a path").to_owned() }
}

impl SignIn {
    /// Waits on this thread, while the browser (and whoever else) does its thing on another.
    pub(crate) fn wait<T: Send>(
        self,
        browser: impl FnOnce(SocketAddr, &str) -> T + Send,
    ) -> (Result<Callback>, T, Client, PendingAuthorization) {
        let Self { listener, client, pending, callback } = self;
        let address = listener.addresses()[0];
        let (outcome, seen) = thread::scope(|scope| {
            let browser = scope.spawn(move || browser(address, &callback));
            let outcome = block_on(listener.wait(&pending));
            (outcome, browser.join().expect("the browser does not panic"))
        });
        (outcome, seen, client, pending)
    }

    /// As `wait`, and goes on to the session.
    pub(crate) fn sign_in<T: Send>(
        self,
        browser: impl FnOnce(SocketAddr, &str) -> T + Send,
    ) -> (Result<Session>, T) {
        let (callback, seen, client, pending) = self.wait(browser);
        (callback.and_then(|callback| block_on(client.redeem(pending, callback))), seen)
    }
}

/// An answer of the listener; an empty one if there was none.
#[derive(Debug, Default)]
pub(crate) struct Answer(pub(crate) String);

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.0.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let head = self.0.split("\r\n\r\n").next().unwrap_or_default();
        let mut fields = head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

pub(crate) fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, LONG)?;
    stream.set_read_timeout(Some(LONG))?;
    stream.set_write_timeout(Some(LONG))?;
    Ok(stream)
}

/// Sends these bytes, and reads until the listener closes.
pub(crate) fn send(address: SocketAddr, request: &[u8]) -> Answer {
    let mut answer = Vec::new();
    // Whoever is turned away may be cut off before it has sent or read everything.
    let _ = connect(address).and_then(|mut stream| {
        stream.write_all(request)?;
        stream.read_to_end(&mut answer)
    });
    Answer(String::from_utf8_lossy(&answer).into_owned())
}

/// A request as browsers make it, with more fields.
pub(crate) fn ask(address: SocketAddr, method: &str, target: &str, fields: &str) -> Answer {
    let head = format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\nAccept: text/html\r\n{fields}\r\n");
    send(address, head.as_bytes())
}

pub(crate) fn get(address: SocketAddr, target: &str) -> Answer {
    ask(address, "GET", target, "")
}

/// Visits as a browser does: where it is sent on, it goes.
pub(crate) fn visit(address: SocketAddr, target: &str) -> Vec<Answer> {
    let first = get(address, target);
    let next = first.field("location").map(str::to_owned);
    let second = next.map(|next| get(address, &next));
    std::iter::once(first).chain(second).collect()
}

/// Visits as a user does who reloads while there is no answer: of many connections, one that has not yet said what it
/// wants may be closed for another. Also says how often.
pub(crate) fn reload(address: SocketAddr, target: &str) -> (Vec<Answer>, usize) {
    let mut tries = 0;
    loop {
        tries += 1;
        let pages = visit(address, target);
        if tries == 20 || pages.last().is_some_and(|page| page.status() != 0) {
            return (pages, tries);
        }
    }
}

pub(crate) fn is_refused(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, LONG)
        .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// Says that a test was not made, past the harness, which swallows what `eprintln` says.
pub(crate) fn skip(why: &str) {
    let _ = writeln!(io::stderr(), "SKIPPED {}: {why}", thread::current().name().unwrap_or_default());
}
