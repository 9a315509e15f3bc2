//! One program, many accounts: sign in as several users, pick one, and log out, with what is kept sealed by a key.

use std::{error::Error, fs};

use bytes::Bytes;
use valetkey::{
    Client,
    seal::{SealingKey, SealingKeys},
    store::{FileStore, SealedStore},
};
use valetkey_hyper::HyperBackend;
use valetkey_testkit::{Provider, User};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let provider = Provider::builder().real_clock().build();
    let _server = provider.serve().await?;
    let client = Client::builder(HyperBackend::new()?)
        .discover(&provider.issuer())
        .id("app")
        .secret("app-secret")
        .redirect_uri("https://client.test/cb")
        .api(&provider.issuer())
        .build()
        .await?;

    // A program of yours has the key from a keyring or a KMS.
    let keys = SealingKeys::new(SealingKey::new([7; 32]));
    let folder = std::env::temp_dir().join(format!("valetkey-accounts-{}", std::process::id()));
    let sessions = client.sessions(SealedStore::new(FileStore::open(&folder)?, keys));

    for name in ["alice", "bob"] {
        provider.set_user(User::approves(name));
        let (url, pending) = client.authorize().scope("read").start().await?;
        let session = client.redeem(pending, provider.visit(&url)?).await?;
        sessions.save(name, &session).await?;
    }
    println!("signed in: {}", sessions.accounts().await?.join(", "));

    let bob = sessions.open("bob").await?.ok_or("bob is signed in")?;
    let response = bob.send(http::Request::get(provider.api("me")).body(Bytes::new())?).await?;
    println!("the API calls this one {}", valetkey_examples::user_name(&response));

    sessions.log_out("bob").await?;
    println!("after bob has gone: {}", sessions.accounts().await?.join(", "));
    Ok(fs::remove_dir_all(folder)?)
}
