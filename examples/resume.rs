//! A program that restarts and carries on: it keeps its tokens in a file, and signs in only if there are none.
//!
//! Every new refresh token is in the file before the new access token is used, so that a crash costs nothing.
//! A program of yours encrypts the file, by `TokenRecord::seal`, or puts it where only its user can read it.

use std::{error::Error, fs, path::PathBuf};

use bytes::Bytes;
use valetkey::{BoxError, Client, Session, TokenKeeper, TokenRecord};
use valetkey_hyper::HyperBackend;
use valetkey_testkit::Provider;

/// Keeps the tokens in a file: written beside it first, then put in its place.
struct File(PathBuf);

#[async_trait::async_trait]
impl TokenKeeper for File {
    async fn keep(&self, record: &TokenRecord) -> Result<(), BoxError> {
        let beside = self.0.with_extension("new");
        fs::write(&beside, record.to_text().expose())?;
        fs::rename(&beside, &self.0)?;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let provider = Provider::builder().real_clock().build();
    let _server = provider.serve().await?;
    let file = std::env::temp_dir().join(format!("valetkey-example-{}.json", std::process::id()));

    for run in ["first", "second"] {
        let session = begin(&provider, &file).await?;
        let response = session.send(http::Request::get(provider.api("me")).body(Bytes::new())?).await?;
        println!("the {run} run called the API: {}", response.status());
        session.refresh().await?;
        session.close().await?;
    }
    println!("one sign-in, two runs, and {} sets of tokens", provider.count(valetkey_testkit::Place::Token));
    Ok(fs::remove_file(file)?)
}

/// What a program does when it starts.
async fn begin(provider: &Provider, file: &PathBuf) -> Result<Session, Box<dyn Error>> {
    let client = Client::builder(HyperBackend::new()?)
        .discover(&provider.issuer())
        .id("app")
        .secret("app-secret")
        .redirect_uri("https://client.test/cb")
        .api(&provider.issuer())
        .build()
        .await?;
    let session = match fs::read_to_string(file) {
        Ok(text) => {
            println!("there are tokens from before");
            client.restore(TokenRecord::parse(&text)?)?
        }
        Err(_) => {
            println!("there are no tokens yet: the user signs in");
            let (url, pending) = client.authorize().scope("read").start().await?;
            client.redeem(pending, provider.visit(&url)?).await?
        }
    };
    session.keep(File(file.clone())).await?;
    Ok(session)
}
