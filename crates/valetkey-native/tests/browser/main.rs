//! The whole sign-in in a real browser: Chromium, without a window, over its debugging pipe.
//!
//! It is skipped, aloud, where there is no Chromium. The screenshots stay in the target folder.

mod chromium;

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::mpsc,
    time::Duration,
};

use chromium::Chromium;
use valetkey::{Client, ErrorKind, Session};
use valetkey_hyper::HyperBackend;
use valetkey_native::{LoopbackListener, NativeLogin};
use valetkey_testkit::{Provider, User};

/// What a browser that went through it ends with.
struct Seen {
    /// Every address in its history.
    history: Vec<String>,
    heading: String,
    /// What it complained about in its console.
    complaints: Vec<String>,
    screenshots: Vec<PathBuf>,
}

/// Signs in with a browser in which this button is pressed.
async fn sign_in(name: &'static str, button: &'static str) -> Option<(valetkey::Result<Session>, Seen)> {
    let Some(mut chromium) = Chromium::launch(name) else {
        // The harness swallows what `eprintln` says.
        let _ = writeln!(io::stderr(), "SKIPPED {name}: there is no chromium on this machine");
        return None;
    };
    let provider = Provider::builder().real_clock().user(User::interactive()).build();
    let _served = provider.serve().await.expect("a provider");
    let deadline = Duration::from_secs(60);
    let listener = LoopbackListener::builder().path("/cb").deadline(deadline).bind().expect("a port");
    let client = Client::builder(HyperBackend::new().expect("a backend"))
        .discover(&provider.issuer())
        .id("native")
        .redirect_uri(listener.redirect_uri())
        .build()
        .await
        .expect("a client");
    let (seen, was_seen) = mpsc::channel();
    let login = NativeLogin::new(listener).browser(move |url| {
        chromium.open(url.as_str());
        chromium.wait_for(&format!("document.querySelector('button[value={button}]') !== null"));
        chromium.evaluate(&format!("document.querySelector('button[value={button}]').click()"));
        chromium.wait_for("location.pathname.startsWith('/cb/') && document.querySelector('h1') !== null");
        let light = chromium.screenshot(&format!("{name}-light"), "light");
        let dark = chromium.screenshot(&format!("{name}-dark"), "dark");
        let heading = chromium.evaluate("document.querySelector('h1').textContent");
        let it = Seen {
            history: chromium.history(),
            heading: heading.as_str().unwrap_or_default().to_owned(),
            complaints: chromium.complaints(),
            screenshots: vec![light, dark],
        };
        // Nobody waits for this thread, so that it is for the test to end the browser.
        let _ = seen.send((chromium, it));
    });
    let session = login.sign_in(&client, client.authorize().scope("read")).await;
    let seen = tokio::task::spawn_blocking(move || was_seen.recv_timeout(deadline));
    let (_chromium, seen) = seen.await.expect("no panic").expect("the browser got there");
    Some((session, seen))
}

#[tokio::test]
async fn s_az_20_a_user_approves_in_chromium() {
    let Some((session, seen)) = sign_in("approved", "approve").await else { return };
    session.expect("a session").tokens().await.expect("tokens");
    assert_eq!(seen.heading, "You can close this tab");
    seen.check("/cb/done");
}

#[tokio::test]
async fn s_az_20_a_user_refuses_in_chromium() {
    let Some((session, seen)) = sign_in("refused", "refuse").await else { return };
    assert_eq!(session.expect_err("a refusal").kind(), ErrorKind::Denied);
    seen.check("/cb/told");
}

impl Seen {
    fn check(&self, end: &str) {
        let last = self.history.last().expect("a page");
        assert!(last.starts_with("http://127.0.0.1:") && last.ends_with(end), "{last}");
        for address in self.history.iter().filter(|address| address.contains("/cb")) {
            assert!(!address.contains('?'), "the response is in the history: {address}");
        }
        assert!(self.complaints.is_empty(), "{:?}", self.complaints);
        for screenshot in &self.screenshots {
            check_png(screenshot);
        }
        let [light, dark] = [0, 1].map(|at| fs::read(&self.screenshots[at]).expect("a file"));
        assert!(light != dark, "there is a light page and a dark one");
    }
}

fn check_png(path: &Path) {
    let png = fs::read(path).expect("a screenshot");
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().expect("four bytes"));
    assert!(number(16) >= 400 && number(20) >= 300, "{} x {}", number(16), number(20));
    // An empty page of this size is a third of this.
    assert!(png.len() > 6_000, "{}: {} bytes", path.display(), png.len());
}
