//! Signs a user in without async, over ureq: as `sign_in`, with the client of `valetkey::blocking`.
//!
//! Each call waits on this thread until it is done. There is no runtime: the provider, which is part of this program,
//! runs on a thread of its own.

use std::error::Error;

use bytes::Bytes;
use valetkey::blocking::{Client, block_on};
use valetkey_examples::user_name;
use valetkey_testkit::{Provider, User};
use valetkey_ureq::UreqBackend;

fn main() -> Result<(), Box<dyn Error>> {
    let provider = Provider::builder().real_clock().user(User::approves("alice")).build();
    let _server = block_on(provider.serve())?;
    let issuer = provider.issuer();
    println!("a provider runs at {issuer}");

    let client = Client::build(
        valetkey::Client::builder(UreqBackend::new()?)
            .discover(&issuer)
            .id("native")
            .redirect_uri("http://127.0.0.1:9999/cb")
            .api(&issuer),
    )?;
    let (url, pending) = client.authorize().scope("read").start()?;
    let callback = provider.visit(&url)?;
    println!("the browser came back");
    let session = client.redeem(pending, &callback)?;
    println!("the code was exchanged for tokens");

    session.refresh()?;
    println!("the tokens were renewed");
    let response = session.send(http::Request::get(format!("{issuer}/api/me")).body(Bytes::new())?)?;
    println!("signed in as {}", user_name(&response));
    Ok(())
}
