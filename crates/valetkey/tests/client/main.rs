//! The client on its boundary: the provider in this process, virtual time, many callers, callers who leave.

mod assertion;
mod blocking;
mod device;
mod dpop;
mod early;
mod exchange;
mod hostile;
mod introspection;
mod keep_alive;
mod keeping;
mod learned;
mod leases;
mod legacy;
mod logout;
mod machine;
mod metadata;
mod oauth1;
mod oauth1_parity;
mod openid;
mod parity;
mod parts;
mod profile;
mod protected_resource;
mod registration;
mod renewal;
mod resource_server;
mod revocation;
mod session;
mod sessions;
mod sign_in;
mod source;
mod step_up;
mod targets;
mod trackers;

use bytes::Bytes;
use valetkey::{Client, Session};
use valetkey_testkit::{Provider, block_on};

/// The client `app` of a provider.
fn client(provider: &Provider) -> Client {
    block_on(builder(provider).build()).expect("the provider is well")
}

fn builder(provider: &Provider) -> valetkey::ClientBuilder {
    builder_over(provider.clone(), provider)
}

/// The same over another backend.
fn builder_over(backend: impl valetkey_http::Backend, provider: &Provider) -> valetkey::ClientBuilder {
    Client::builder(backend)
        .random(provider.random())
        .discover(&provider.issuer())
        .id("app")
        .secret("app-secret")
        .redirect_uri("https://client.test/cb")
        .api(&provider.issuer())
}

/// Signs alice in.
fn sign_in(client: &Client, provider: &Provider) -> valetkey::Result<Session> {
    block_on(async {
        let (url, pending) = client.authorize().scope("read").start().await?;
        let callback = provider.visit(&url).expect("the user gets through");
        client.redeem(pending, &callback).await
    })
}

fn get(url: impl AsRef<str>) -> http::Request<Bytes> {
    http::Request::get(url.as_ref()).body(Bytes::new()).expect("a request")
}
