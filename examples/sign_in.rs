//! Signs a user in, calls an API in the user's name, and renews the tokens.
//!
//! The provider is part of this program, so that nothing has to be set up; a real one differs in its issuer
//! and in the client that is registered there. A robot plays the user, unless you say `--browser`.

use std::{error::Error, io, process::ExitCode};

use valetkey::{
    Client,
    oauth2::authorization::{Callback, PendingAuthorization},
};
use valetkey_examples::use_session;
use valetkey_hyper::HyperBackend;
use valetkey_native::{LoopbackListener, open_browser};
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
    let in_browser = std::env::args().any(|argument| argument == "--browser");
    let user = if in_browser { User::interactive() } else { User::approves("alice") };
    let provider = Provider::builder().real_clock().user(user).build();
    let _server = provider.serve().await?;
    let issuer = provider.issuer();
    println!("a provider runs at {issuer}");

    // The browser comes back to a port of this machine. Without one, the user pastes where it ended.
    let listener = if in_browser { LoopbackListener::builder().path("/cb").bind().ok() } else { None };
    let redirect_uri = listener.as_ref().map_or("http://127.0.0.1:9999/cb", LoopbackListener::redirect_uri);

    // A program on a user's machine has no secret: it is a public client.
    let client = Client::builder(HyperBackend::new()?)
        .discover(&issuer)
        .id("native")
        .redirect_uri(redirect_uri)
        .api(&issuer)
        .build()
        .await?;
    println!("the client has read the provider's metadata");

    // `url` is for the user's browser; `pending` stays here until the browser comes back.
    let (url, pending) = client.authorize().scope("read").start().await?;
    let callback = if !in_browser {
        Callback::from(provider.visit(&url)?)
    } else if let Some(listener) = listener {
        println!("open this in your browser, if it does not open by itself:\n\n  {url}\n");
        // Whoever sees no browser has the address.
        let _ = open_browser(&url);
        listener.wait(&pending).await?
    } else {
        ask_user(url.as_str(), &pending)?
    };
    println!("the browser came back");

    // State, issuer and errors are checked, then the code is exchanged for tokens.
    let session = client.redeem(pending, callback).await?;
    println!("the code was exchanged for tokens");

    use_session(&session, &issuer).await
}

/// Has the user open the URL, and takes the address at which the browser ends.
fn ask_user(url: &str, pending: &PendingAuthorization) -> io::Result<Callback> {
    println!("open this in your browser:\n\n  {url}\n");
    println!("then paste the address at which it ends (the page will not load):");
    for line in io::stdin().lines() {
        let callback = Callback::from(line?.trim());
        // Whatever is pasted by mistake does not cost the user the sign-in.
        if pending.matches(&callback) {
            return Ok(callback);
        }
        println!("that is not where this sign-in ended; paste the whole address:");
    }
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "no address was pasted"))
}
