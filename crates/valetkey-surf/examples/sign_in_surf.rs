//! Signs a user in on surf and async-std. But for the backend and the executor this is the example `sign_in`, which
//! has a browser, too.
//!
//! The provider is part of this program, and a robot plays the user.

#![expect(clippy::print_stdout, reason = "an example talks")]

use std::error::Error;

use bytes::Bytes;
use valetkey::Client;
use valetkey_surf::SurfBackend;
use valetkey_testkit::{Provider, User};

fn main() -> Result<(), Box<dyn Error>> {
    async_std::task::block_on(sign_in())
}

async fn sign_in() -> Result<(), Box<dyn Error>> {
    let provider = Provider::builder().real_clock().user(User::approves("alice")).build();
    let _server = provider.serve().await?;
    let issuer = provider.issuer();
    println!("a provider runs at {issuer}");

    let client = Client::builder(SurfBackend::new()?)
        .discover(&issuer)
        .id("native")
        .redirect_uri("http://127.0.0.1:9999/cb")
        .api(&issuer)
        .build()
        .await?;
    let (url, pending) = client.authorize().scope("read").start().await?;
    let session = client.redeem(pending, provider.visit(&url)?).await?;
    println!("the code was exchanged for tokens");

    session.refresh().await?;
    println!("the tokens were renewed");

    let me = http::Request::get(format!("{issuer}/api/me")).body(Bytes::new())?;
    let response = session.send(me).await?;
    let user = String::from_utf8_lossy(response.body());
    let name = user.split("\"sub\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("nobody");
    println!("signed in as {name}");
    Ok(())
}
