//! Tokens that are bound to a key (RFC 9449): whoever steals them can do nothing with them.

use std::error::Error;

use bytes::Bytes;
use valetkey::{Client, TokenRecord};
use valetkey_examples::{use_session, user_name};
use valetkey_http::{Backend, Limits};
use valetkey_hyper::HyperBackend;
use valetkey_testkit::{Dpop, DpopNonces, Provider, User};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A provider of our own, which demands proofs, and nonces in them.
    let provider = Provider::builder().real_clock().user(User::approves("alice"));
    let provider = provider.dpop(Dpop::Demanded).dpop_nonces(DpopNonces::Both).build();
    let _server = provider.serve().await?;
    let issuer = provider.issuer();

    let backend = HyperBackend::new()?;
    let client = Client::builder(HyperBackend::new()?)
        .discover(&issuer)
        .id("native")
        .redirect_uri("http://127.0.0.1:9999/cb")
        .api(&issuer)
        .dpop()
        .build()
        .await?;
    let (url, pending) = client.authorize().scope("read").start().await?;
    let session = client.redeem(pending, &provider.visit(&url)?).await?;
    use_session(&session, &issuer).await?;

    // A thief who has the token alone is turned away.
    let tokens = session.tokens().await?;
    let theft =
        http::Request::get(provider.api("me")).header("authorization", tokens.access_token().header());
    let answer = backend.send(theft.body(Bytes::new())?, Limits::default()).await?;
    println!("without the key the API answers {}", answer.status());

    // The record holds the key, so that another process goes on.
    let record = session.record().ok_or("a session has tokens")?.to_text();
    let restored = client.restore(TokenRecord::parse(record.expose())?)?;
    let response = restored.send(http::Request::get(provider.api("me")).body(Bytes::new())?).await?;
    println!("restored, the session is {}'s", user_name(&response));
    Ok(())
}
