//! A provider that does much otherwise than the standards, and a profile that says so: the program stays the same.
//!
//! The provider is part of this program. It separates scopes by commas, calls the client's name a key, takes JSON with a
//! stamp in the head, and puts tokens into an envelope.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use serde_json::{Value, json};
use valetkey::{
    Client, Result,
    profile::{self, Hook, RequestKind},
};
use valetkey_http::{Backend, Failure, Limits, Request, Response};
use valetkey_testkit::{Provider, block_on};

/// What is otherwise. In a program of yours this is a file.
const PROFILE: &str = r#"
name = "odd"
source = "the provider's page for developers"
checked = "2026-11-27"
hooks = ["stamp"]

[endpoints]
authorization = "https://{host}/authorize"
token = "https://{host}/token"
api = ["https://{host}/"]

[authorize]
scope_separator = ","
rename = { client_id = "client_key" }

[token]
auth = "post"
body = "json"
rename = { client_id = "client_key" }

[answer]
path = "data.tokens"
keep = { account = "data.account" }

[answer.error]
code = ["fault.name"]
description = ["fault.text"]
"#;

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let provider = Provider::new();
    let issuer = provider.issuer();
    let host = issuer.strip_prefix("https://").ok_or("no host")?;
    block_on(sign_in(&provider, host))
}

async fn sign_in(provider: &Provider, host: &str) -> std::result::Result<(), Box<dyn Error>> {
    let odd = profile::from_toml(PROFILE)?.with_variable("host", host).with_hook(Stamp);
    let client = Client::builder(Odd(provider.clone()))
        .random(provider.random())
        .profile(odd)
        .id("app")
        .secret("app-secret")
        .redirect_uri("https://client.test/cb")
        .build()
        .await?;

    let (url, pending) = client.authorize().scope("read write").start().await?;
    assert!(url.as_str().contains("client_key=app") && url.as_str().contains("scope=read%2Cwrite"));
    println!("the user is sent to {}", url.as_str().split('?').next().unwrap_or_default());
    let callback = provider.visit(standard(url.as_str()))?;

    let session = client.redeem(pending, &callback).await?;
    let request = http::Request::get(provider.api("me")).body(Bytes::new())?;
    println!("the API answered {}", session.send(request).await?.status());
    let record = session.record().ok_or("no tokens")?;
    let account = record.tokens().kept().and_then(|kept| kept.value("account"));
    println!("the provider says that this is account {}", account.unwrap_or("none"));
    session.refresh().await?;
    println!("the tokens were renewed");

    // A mistake in a profile is found when it is loaded, with its line.
    let slip = PROFILE.replace("scope_separator", "scope_seperator");
    println!("{}", profile::from_toml(&slip).expect_err("a slip"));
    Ok(())
}

/// What no knob says: the provider wants to be told which request this is.
#[derive(Debug)]
struct Stamp;

impl Hook for Stamp {
    fn name(&self) -> &str {
        "stamp"
    }

    fn request(&self, kind: RequestKind, request: &mut Request) -> Result<()> {
        if matches!(kind, RequestKind::Token | RequestKind::Refresh) {
            request.headers_mut().insert("x-stamp", http::HeaderValue::from_static("tokens, please"));
        }
        Ok(())
    }
}

/// The odd provider: one that keeps to the standards, behind a door.
struct Odd(Provider);

#[async_trait::async_trait]
impl Backend for Odd {
    async fn send(&self, mut request: Request, limits: Limits) -> std::result::Result<Response, Failure> {
        let is_token = request.uri().path() == "/token";
        if is_token {
            let is_right = request.headers().get("x-stamp").is_some_and(|stamp| stamp == "tokens, please");
            let Some(form) = form_of(request.body()).filter(|_| is_right) else {
                let fault = json!({ "fault": { "name": "invalid_request", "text": "no stamp, or no JSON" } });
                return Ok(http::Response::new(fault.to_string().into()));
            };
            let media_type = http::HeaderValue::from_static("application/x-www-form-urlencoded");
            request.headers_mut().insert("content-type", media_type);
            *request.body_mut() = form.into();
        }
        let response = self.0.send(request, limits).await?;
        if !is_token {
            return Ok(response);
        }
        let (mut parts, body) = response.into_parts();
        let tokens: Value = serde_json::from_slice(&body).unwrap_or_default();
        let envelope = json!({ "data": { "account": 7, "tokens": tokens } }).to_string();
        parts.headers.remove("content-length");
        Ok(Response::from_parts(parts, envelope.into()))
    }

    async fn sleep(&self, time: Duration) {
        self.0.sleep(time).await;
    }

    fn now(&self) -> std::time::SystemTime {
        self.0.now()
    }
}

/// The form of the standard for the odd provider's JSON.
fn form_of(body: &[u8]) -> Option<String> {
    let members: serde_json::Map<String, Value> = serde_json::from_slice(body).ok()?;
    let mut form = valetkey_proto::form::Form::new();
    for (name, value) in &members {
        form.push(if name == "client_key" { "client_id" } else { name }, value.as_str()?);
    }
    Some(form.expose().to_owned())
}

/// The URL of the standard for the odd provider's.
fn standard(url: &str) -> String {
    url.replace("client_key=", "client_id=").replace("%2C", "+")
}
