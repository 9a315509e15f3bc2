//! Grants that are registered one by one, at a provider that misbehaves.

use std::sync::Arc;

use valetkey::{
    Client, Result,
    oauth2::grant::{TokenTypeIdentifier, TypedToken},
    secret::Secret,
};
use valetkey_http::{Backend, Limits, Response};
use valetkey_testkit::{Fault, Feature, Grant, Provider, ProviderBuilder, RegisteredClient};

use crate::{callback, get};

/// A token of somebody else's.
const OUTSIDE: &str = "eyJhbGciOi.e30.c2ln";

/// Whether a row is met by one of them.
pub(crate) fn has(fault: &Fault) -> bool {
    matches!(fault.feature, Some(Feature::TokenExchange | Feature::Implicit))
}

/// A provider whose client may use them.
pub(crate) fn register(provider: ProviderBuilder) -> ProviderBuilder {
    let client = RegisteredClient::confidential("grants", "s3cret")
        .redirect_uri("https://client.test/cb")
        .grants([Grant::TokenExchange, Grant::Implicit]);
    provider.client(client).outside_token(OUTSIDE, "alice")
}

/// Gets a token as the row says, and calls the API with it.
pub(crate) async fn get_and_call(
    fault: &Fault,
    backend: Arc<dyn Backend>,
    provider: &Provider,
    limits: Limits,
) -> Result<Response> {
    let client = Client::builder(backend)
        .random(provider.random())
        .limits(limits)
        .discover(&provider.issuer())
        .id("grants")
        .secret("s3cret")
        .redirect_uri("https://client.test/cb")
        .api(&provider.issuer())
        .build()
        .await?;
    let session = if fault.feature == Some(Feature::Implicit) {
        let (url, pending) = client.legacy().implicit().scope("read").start().await?;
        let callback = callback(provider, &url, |callback| pending.matches(callback));
        client.redeem(pending, &callback).await?
    } else {
        let subject = TypedToken::new(Secret::new(OUTSIDE), TokenTypeIdentifier::Jwt);
        let exchange = client.exchange(subject).requested_token_type(TokenTypeIdentifier::AccessToken);
        exchange.audience("https://issuer.test/api").scope("read").session()?
    };
    session.send(get(&provider.api("me"))).await
}
