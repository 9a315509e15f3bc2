//! A key that never leaves where it is: a signer that answers asynchronously, as a KMS or an HSM does.

use std::error::Error;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use valetkey::{
    BoxError, Client, RemoteSigner, Signing,
    crypto::{CryptoProvider, PrivateKey, RemoteKey, Signature, SignatureAlgorithm, SigningKey},
    oauth2::client::{AssertionKey, ClientAuth},
};
use valetkey_hyper::HyperBackend;
use valetkey_testkit::{Provider, keys};

/// What the program has of the key: a way to ask.
#[derive(Debug)]
struct Kms(mpsc::Sender<Order>);

/// A message to be signed, and where the signature goes.
type Order = (Bytes, oneshot::Sender<Result<Vec<u8>, valetkey::Error>>);

#[async_trait]
impl RemoteSigner for Kms {
    async fn sign(&self, signing: &Signing) -> Result<Vec<u8>, BoxError> {
        println!("{} is to sign {} bytes", signing.key.name(), signing.message.len());
        let (answer, signature) = oneshot::channel();
        self.0.send((signing.message.clone(), answer)).await?;
        Ok(signature.await??)
    }
}

/// Stands in for the KMS: it alone has the key.
async fn kms(key: SigningKey, mut orders: mpsc::Receiver<Order>) {
    while let Some((message, answer)) = orders.recv().await {
        let SigningKey::Local(signer) = &key else { return };
        let mut signature = Signature::new();
        let signed = signer.sign(&message, &mut signature).map(|()| signature.as_ref().to_vec());
        // Whoever asked may have gone away.
        let _ = answer.send(signed);
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A provider of our own, which knows the public key of the client `signed`.
    let provider = Provider::builder().real_clock().build();
    let _server = provider.serve().await?;

    let key = PrivateKey::parse(keys::es256().pem().as_bytes())?;
    let key = key.signing_key(SignatureAlgorithm::Es256, &CryptoProvider::ring())?;
    let (orders, received) = mpsc::channel(8);
    tokio::spawn(kms(key, received));

    // The program has the name of the key.
    let key = SigningKey::Remote(RemoteKey::new("kms/login", SignatureAlgorithm::Es256));
    let client = Client::builder(HyperBackend::new()?)
        .discover(&provider.issuer())
        .id("signed")
        .auth(ClientAuth::assertion(AssertionKey::new(key)))
        .signer(Kms(orders))
        .api(&provider.issuer())
        .build()
        .await?;

    let session = client.client_credentials().scope("read").session()?;
    for _ in 0..2 {
        let request = http::Request::get(provider.api("me")).body(Bytes::new())?;
        println!("the API answered {}", session.send(request).await?.status());
        session.refresh().await?;
    }
    Ok(())
}
