//! A user signs in on a device without a browser, by a browser elsewhere.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use valetkey::{Client, Reason};
use valetkey_hyper::HyperBackend;
use valetkey_testkit::{OpenId, Provider, User};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A provider of our own, whose user comes after the device has asked twice.
    let provider = Provider::builder().openid(OpenId::new()).real_clock();
    let provider = provider.device_interval(Duration::from_secs(1)).device_polls(2).build();
    let _server = provider.serve().await?;
    let issuer = provider.issuer();

    // A program that users install has no secret.
    let client =
        Client::builder(HyperBackend::new()?).discover(&issuer).id("native").api(&issuer).build().await?;

    let login = client.device().scope("openid read").start().await?;
    println!("go to {} and type {}", login.verification_uri(), login.user_code());
    let session = login.wait().await?;
    if let Some(user) = session.identity() {
        println!("signed in: {}", user.subject());
    }
    let response = session.send(http::Request::get(provider.api("me")).body(Bytes::new())?).await?;
    println!("the API answered {}", response.status());

    // The device is given away: nobody else uses its tokens.
    session.revoke().await?;

    provider.set_user(User::refuses());
    match client.device().scope("read").start().await?.wait().await {
        Err(error) if error.reason() == Reason::AuthorizationDenied => println!("the next user said no"),
        outcome => drop(outcome?),
    }
    Ok(())
}
