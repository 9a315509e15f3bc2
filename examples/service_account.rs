//! Service accounts: a key file that is exchanged for tokens, and tokens that a program signs itself.

use std::error::Error;

use bytes::Bytes;
use valetkey::{
    Client,
    crypto::{CryptoProvider, PrivateKey, SignatureAlgorithm},
    oauth2::assertion::ServiceAccount,
};
use valetkey_hyper::HyperBackend;
use valetkey_testkit::{Audience, Provider, SERVICE_ACCOUNT, keys};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A provider of our own, so that nothing has to be set up. As Google does, it wants assertions that are for its
    // token endpoint.
    let provider = Provider::builder().real_clock().audience(Audience::TokenEndpoint).build();
    let _server = provider.serve().await?;
    let crypto = CryptoProvider::ring();

    // The key file, as it is downloaded from the console.
    let file = serde_json::json!({
        "type": "service_account",
        "client_email": SERVICE_ACCOUNT,
        "private_key": keys::rs256().pem(),
        "token_uri": format!("{}/token", provider.issuer()),
    });
    let account = ServiceAccount::google(&file.to_string(), "read", &crypto)?.with_subject("alice")?;
    let backend = HyperBackend::new()?;
    let builder = Client::builder(backend.clone()).service_account(&account).api(&provider.issuer());
    let session = builder.build().await?.service_account(&account)?;

    let request = http::Request::get(provider.api("me")).body(Bytes::new())?;
    let response = session.send(request).await?;
    println!("the API answered {}: {}", response.status(), String::from_utf8_lossy(response.body()));
    session.refresh().await?;
    println!("another assertion brought another token");

    // A GitHub App needs no server: what it signs is the token. Nothing is sent here.
    let key = PrivateKey::parse(keys::rs256().pem().as_bytes())?;
    let app = ServiceAccount::github_app("12345", key.signing_key(SignatureAlgorithm::Rs256, &crypto)?)?;
    let client = Client::builder(backend).service_account(&app).build().await?;
    let tokens = client.service_account(&app)?.tokens().await?;
    println!(
        "the app signed a token itself, good for {:?} from a minute ago",
        tokens.lifetime().unwrap_or_default()
    );
    Ok(())
}
