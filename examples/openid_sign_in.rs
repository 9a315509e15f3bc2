//! Signs a user in by OpenID Connect, and says who it is.
//!
//! The provider is part of this program, so that nothing has to be set up; a real one differs in its issuer and in the
//! client that is registered there. A robot plays the user, unless you say `--browser`.

use std::{error::Error, process::ExitCode, time::Duration};

use valetkey::Client;
use valetkey_hyper::HyperBackend;
use valetkey_native::{LoopbackListener, open_browser};
use valetkey_testkit::{OpenId, Provider, User};

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
    let provider = Provider::builder().openid(OpenId::new()).real_clock().user(user).build();
    let _server = provider.serve().await?;
    println!("a provider runs at {}", provider.issuer());

    let listener = LoopbackListener::builder().path("/cb").bind()?;
    let client = Client::builder(HyperBackend::new()?)
        .discover(&provider.issuer())
        .id("native")
        .redirect_uri(listener.redirect_uri())
        .build()
        .await?;

    // The scope `openid` asks who the user is; the others, for more about the user.
    let request = client.authorize().scope("openid profile email").max_age(Duration::from_secs(3600));
    let (url, pending) = request.start().await?;
    let session = if in_browser {
        println!("open this in your browser, if it does not open by itself:\n\n  {url}\n");
        // Whoever sees no browser has the address.
        let _ = open_browser(&url);
        let callback = listener.wait(&pending).await?;
        client.redeem(pending, callback).await?
    } else {
        client.redeem(pending, provider.visit(&url)?).await?
    };

    // It is here because it was verified: by the server's keys, for this client, for this sign-in.
    let user = session.identity().ok_or("nobody signed in")?;
    let (issuer, subject) = user.key();
    println!("{subject} of {issuer} signed in");
    println!("  authenticated at {:?}, by {:?}", user.authenticated_at(), user.amr());

    let info = session.user_info().await?;
    let claims = info.claims();
    println!("  called {}", claims.name().unwrap_or_default());
    let verified = if claims.is_email_verified() { "verified" } else { "not verified" };
    println!("  e-mail {} ({verified})", claims.email().unwrap_or_default());
    println!("  whatever else there is: {:?}", claims.get::<String>("locale"));
    println!("signed in as {subject}");
    Ok(())
}
