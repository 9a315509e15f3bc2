//! A program that restarts and carries on: it keeps its session in a folder, and signs in only if there is none.
//!
//! Every new refresh token is on the disk before the new access token is used, so that a crash costs nothing. Others of the
//! same user can read the files: a program of yours seals them, by `SealedStore`.

use std::{error::Error, fs, path::PathBuf};

use bytes::Bytes;
use valetkey::{Client, Session, store::FileStore};
use valetkey_hyper::HyperBackend;
use valetkey_testkit::Provider;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let provider = Provider::builder().real_clock().build();
    let _server = provider.serve().await?;
    let folder = std::env::temp_dir().join(format!("valetkey-resume-{}", std::process::id()));

    for run in ["first", "second"] {
        let session = begin(&provider, &folder).await?;
        let response = session.send(http::Request::get(provider.api("me")).body(Bytes::new())?).await?;
        println!("the {run} run called the API: {}", response.status());
        session.refresh().await?;
        session.close().await?;
    }
    println!("one sign-in, two runs, and {} sets of tokens", provider.count(valetkey_testkit::Place::Token));
    Ok(fs::remove_dir_all(folder)?)
}

/// What a program does when it starts.
async fn begin(provider: &Provider, folder: &PathBuf) -> Result<Session, Box<dyn Error>> {
    let client = Client::builder(HyperBackend::new()?)
        .discover(&provider.issuer())
        .id("app")
        .secret("app-secret")
        .redirect_uri("https://client.test/cb")
        .api(&provider.issuer())
        .build()
        .await?;
    let sessions = client.sessions(FileStore::open(folder)?);
    if let Some(session) = sessions.open("me").await? {
        println!("there is a session from before");
        return Ok(session);
    }
    println!("there is no session yet: the user signs in");
    let (url, pending) = client.authorize().scope("read").start().await?;
    let session = client.redeem(pending, provider.visit(&url)?).await?;
    sessions.save("me", &session).await?;
    Ok(session)
}
