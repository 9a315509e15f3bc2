//! The examples stand beside this file, one a file; run one with `cargo run --example NAME`. Here is what those that
//! sign a user in have in common: all but the backend.

use std::error::Error;

use bytes::Bytes;
use valetkey::{Client, Session};
use valetkey_http::Backend;
use valetkey_testkit::{Provider, User};

/// Signs a user in over this backend, at a provider that is part of this program; a robot plays the user.
///
/// # Errors
///
/// Whatever signing in ends with.
pub async fn sign_in(backend: impl Backend) -> Result<(), Box<dyn Error>> {
    let provider = Provider::builder().real_clock().user(User::approves("alice")).build();
    let _server = provider.serve().await?;
    let issuer = provider.issuer();
    println!("a provider runs at {issuer}");

    let client = Client::builder(backend)
        .discover(&issuer)
        .id("native")
        .redirect_uri("http://127.0.0.1:9999/cb")
        .api(&issuer)
        .build()
        .await?;
    let (url, pending) = client.authorize().scope("read").start().await?;
    let callback = provider.visit(&url)?;
    println!("the browser came back");
    let session = client.redeem(pending, &callback).await?;
    println!("the code was exchanged for tokens");
    use_session(&session, &issuer).await
}

/// Calls the API in the user's name, renews the tokens, and calls it again.
///
/// # Errors
///
/// Whatever calling and renewing end with.
pub async fn use_session(session: &Session, issuer: &str) -> Result<(), Box<dyn Error>> {
    let me = || http::Request::get(format!("{issuer}/api/me")).body(Bytes::new());
    let response = session.send(me()?).await?;
    println!("the API answered {}", response.status());

    session.refresh().await?;
    println!("the tokens were renewed");

    let response = session.send(me()?).await?;
    println!("signed in as {}", user_name(&response));
    Ok(())
}

/// The user's name in the API's answer.
#[must_use]
pub fn user_name(response: &http::Response<Bytes>) -> String {
    let user = String::from_utf8_lossy(response.body());
    user.split("\"sub\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("nobody").to_owned()
}

/// The pages for those who come from other libraries, so that what they show is compiled and run.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../docs/FROM_AUTHLIB.md")]
    mod from_authlib {}
    #[doc = include_str!("../docs/FROM_GO_OAUTH2.md")]
    mod from_go_oauth2 {}
    #[doc = include_str!("../docs/FROM_OAUTH2_RS.md")]
    mod from_oauth2_rs {}
    #[doc = include_str!("../docs/FROM_OAUTHLIB.md")]
    mod from_oauthlib {}
    #[doc = include_str!("../docs/FROM_REQUESTS_OAUTHLIB.md")]
    mod from_requests_oauthlib {}
}
