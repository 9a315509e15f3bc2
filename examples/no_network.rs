//! A login tested without a socket, without a runtime and without waiting.
//!
//! In a program of yours this is the body of a `#[test]`.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use valetkey::{Client, ErrorKind, Reason, Session};
use valetkey_testkit::{Place, Provider, User, block_on};

fn main() -> Result<(), Box<dyn Error>> {
    let provider = Provider::new();
    let session = block_on(sign_in(&provider))?;
    println!("signed in, and no socket was opened");

    // Time is the provider's: an hour passes at once, and the token with it.
    assert_eq!(block_on(call(&session, &provider))?, 200);
    provider.advance(Duration::from_secs(3601));
    assert_eq!(block_on(call(&session, &provider))?, 200);
    assert_eq!(provider.count(Place::Token), 2);
    println!("an hour later the token had expired, and the session renewed it");

    // What does your program do if the user says no?
    provider.set_user(User::refuses());
    let error = block_on(sign_in(&provider)).expect_err("the user refused");
    let error = error.downcast::<valetkey::Error>()?;
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::AuthorizationDenied));
    println!("a user said no: {error}");

    // And if the provider is broken? There is a table of such faults.
    provider.set_user(User::approves("alice"));
    provider.set_fault(valetkey_testkit::fault("token-html"));
    let error = block_on(sign_in(&provider)).expect_err("the provider is broken");
    println!("a broken provider: {error}");
    Ok(())
}

async fn sign_in(provider: &Provider) -> Result<Session, Box<dyn Error>> {
    let client = Client::builder(provider.clone())
        .random(provider.random())
        .discover(&provider.issuer())
        .id("app")
        .secret("app-secret")
        .redirect_uri("https://client.test/cb")
        .api(&provider.issuer())
        .build()
        .await?;
    let (url, pending) = client.authorize().scope("read").start().await?;
    let callback = provider.visit(&url)?;
    Ok(client.redeem(pending, &callback).await?)
}

async fn call(session: &Session, provider: &Provider) -> Result<u16, Box<dyn Error>> {
    let request = http::Request::get(provider.api("me")).body(Bytes::new())?;
    Ok(session.send(request).await?.status().as_u16())
}
