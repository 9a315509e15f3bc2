//! Signs a user in as a command line does: it opens the browser, and waits on loopback for it to come back.
//!
//! The provider is part of this program, so that nothing has to be set up. With `--robot`, a robot plays the user
//! and the browser.

use std::{
    error::Error,
    io::{self, Read, Write},
    net::TcpStream,
    process::ExitCode,
};

use bytes::Bytes;
use valetkey::{Client, oauth2::authorization::AuthorizationUrl};
use valetkey_hyper::HyperBackend;
use valetkey_native::{LoopbackListener, NativeLogin, open_browser};
use valetkey_testkit::{Provider, User};

#[tokio::main]
async fn main() -> ExitCode {
    match sign_in().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn sign_in() -> Result<(), Box<dyn Error>> {
    let is_robot = std::env::args().any(|argument| argument == "--robot");
    let user = if is_robot { User::approves("alice") } else { User::interactive() };
    let provider = Provider::builder().real_clock().user(user).build();
    let _server = provider.serve().await?;
    let issuer = provider.issuer();

    // First the port, then the client that names it, which is public: such a program can keep no secret.
    let listener = LoopbackListener::builder().path("/cb").bind()?;
    let client = Client::builder(HyperBackend::new()?)
        .discover(&issuer)
        .id("native")
        .redirect_uri(listener.redirect_uri())
        .api(&issuer)
        .build()
        .await?;

    let login = NativeLogin::new(listener)
        .announce(|url| println!("your browser opens; if it does not, open this:\n\n  {url}\n"))
        .browser(if is_robot { robot } else { browser });
    let session = login.sign_in(&client, client.authorize().scope("read")).await?;

    let request = http::Request::get(provider.api("me")).body(Bytes::new())?;
    let response = session.send(request).await?;
    let user = String::from_utf8_lossy(response.body());
    let name = user.split("\"sub\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("nobody");
    println!("signed in as {name}");
    Ok(())
}

fn browser(url: &AuthorizationUrl) {
    if let Err(error) = open_browser(url) {
        println!("{error}");
    }
}

/// Goes where it is sent, as far as that is.
fn robot(url: &AuthorizationUrl) {
    let mut next = Some(url.to_string());
    while let Some(url) = next {
        next = visit(&url).unwrap_or_else(|error| {
            eprintln!("the robot is lost: {error}");
            None
        });
    }
}

/// Visits a page by plain HTTP, and says where it leads.
fn visit(url: &str) -> io::Result<Option<String>> {
    let (host, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).unwrap_or_default();
    let mut stream = TcpStream::connect(host)?;
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let mut fields = answer.lines().filter_map(|line| line.split_once(": "));
    let location = fields.find(|(name, _)| name.eq_ignore_ascii_case("location")).map(|(_, url)| url);
    Ok(location.map(|next| match next.strip_prefix('/') {
        Some(path) => format!("http://{host}/{path}"),
        None => next.to_owned(),
    }))
}
