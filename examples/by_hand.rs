//! The core by hand: no HTTP client, no runtime, no async. You step a flow, and do what it asks for.
//!
//! Any client that can send a request can be driven like this; the answers here are made up on the spot.

use std::error::Error;

use bytes::Bytes;
use valetkey_http::{Request, Response};
use valetkey_proto::{
    Call, Env, Event, Flow, Party, Step, Timestamp,
    crypto::{CryptoProvider, SystemRandom},
    oauth2::{
        authorization::AuthorizationRequest,
        client::{ClientAuth, ClientMetadata},
        grant::AuthorizationCodeGrant,
        server::{Discovery, Issuer},
    },
};

fn main() -> Result<(), Box<dyn Error>> {
    // Time and randomness are handed in: the core has neither.
    let (random, crypto) = (SystemRandom::new(), CryptoProvider::ring());
    let env = Env { now: Timestamp::from_secs(1_700_000_000), random: &random, crypto: &crypto };

    let issuer = Issuer::parse("https://as.example")?;
    let server = drive(Discovery::new(&issuer)?, &env)?;

    let client = ClientMetadata::new("my-app")?
        .with_auth(ClientAuth::secret_basic("s3cret"))
        .with_redirect_uri("https://my-app.example/cb")?;
    let (url, pending) = AuthorizationRequest::new(&server, &client)?.with_scope("read")?.start(&env)?;
    println!("the browser goes to {url}");

    // The browser comes back; the user's server has added a code.
    let state =
        url.as_str().split("state=").nth(1).and_then(|rest| rest.split('&').next()).unwrap_or_default();
    let received = pending.receive(format!("https://my-app.example/cb?code=c0de&state={state}"))?;

    let party = Party::client(issuer, client.id(), client.auth())?;
    let tokens = drive(Call::new(AuthorizationCodeGrant::new(&server, received)?, party.into()), &env)?;
    println!("the access token lives for {:?}", tokens.lifetime());
    Ok(())
}

/// All there is to a driver.
fn drive<F: Flow>(mut flow: F, env: &Env<'_>) -> valetkey_proto::Result<F::Output> {
    let mut event = Event::Go;
    loop {
        event = match flow.step(event, env)? {
            Step::Send(request, _) => Event::Response(answer(&request)),
            Step::Sign(_) => Event::Signed(Err("no key is elsewhere".into())),
            Step::Wait(_) => Event::Go,
            Step::Done(output) => return Ok(output),
        };
    }
}

/// In place of a server.
fn answer(request: &Request) -> Response {
    println!("{} {}", request.method(), request.uri());
    let body: &str = match request.uri().path() {
        "/.well-known/openid-configuration" => {
            r#"{"issuer": "https://as.example",
                "authorization_endpoint": "https://as.example/authorize",
                "token_endpoint": "https://as.example/token"}"#
        }
        _ => r#"{"access_token": "mF_9.B5f-4.1JqM", "token_type": "Bearer", "expires_in": 3600}"#,
    };
    let mut response = Response::new(Bytes::from_static(body.as_bytes()));
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    response
}
