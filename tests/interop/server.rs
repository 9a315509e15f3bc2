//! Real servers, and how a user gets through their pages.

use std::sync::Arc;

use bytes::Bytes;
use valetkey::{Client, ClientBuilder, Session, oauth2::authorization::Callback};
use valetkey_http::{Backend, Limits, Response};

use crate::adapter;

pub(crate) const SECRET: &str = "interop-secret-0123456789-0123456789-0123456789-0123456789-abcdef";
pub(crate) const CALLBACK: &str = "http://127.0.0.1:9999/cb";

/// Where the issuer of oidc-provider is that demands nonces in proofs.
pub(crate) const WITH_NONCES: &str = "/dpop-nonce";

/// A server under test: where it is, and how a user gets through its pages.
pub(crate) struct Server {
    pub(crate) issuer: String,
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) robot: Robot,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Robot {
    /// oidc-provider has a page that visits a URL as a browser would, and says where it ended.
    Page,
    /// Authlib's authorization endpoint answers at once.
    Redirect,
}

impl Server {
    pub(crate) fn oidc_provider() -> Option<Self> {
        Self::named("VALETKEY_OP", Robot::Page)
    }

    pub(crate) fn authlib() -> Option<Self> {
        Self::named("VALETKEY_AUTHLIB", Robot::Redirect)
    }

    pub(crate) fn named(variable: &str, robot: Robot) -> Option<Self> {
        let issuer = variable_of(variable)?;
        Some(Self { issuer, backend: adapter::backend(None), robot })
    }

    pub(crate) fn client(&self, id: &str) -> ClientBuilder {
        Client::builder(Arc::clone(&self.backend))
            .discover(&self.issuer)
            .id(id)
            .redirect_uri(CALLBACK)
            .api(&self.issuer)
    }

    pub(crate) async fn get(&self, url: &str) -> Response {
        let request = http::Request::get(url).body(Bytes::new()).expect("a request");
        self.backend.send(request, Limits::default()).await.expect("an answer")
    }

    /// Visits a page as the user's browser, and says where it ended, or what it posted there.
    pub(crate) async fn visit(&self, url: &str) -> Callback {
        self.visit_in("", url).await
    }

    /// The same in the browser of this name, which keeps its cookies; without a name it has none before and after.
    pub(crate) async fn visit_in(&self, browser: &str, url: &str) -> Callback {
        match self.robot {
            Robot::Page => {
                let url: String = form_urlencoded::byte_serialize(url.as_bytes()).collect();
                let base = self.issuer.trim_end_matches(WITH_NONCES);
                let response = self.get(&format!("{base}/__robot?browser={browser}&url={url}")).await;
                let page: serde_json::Value = serde_json::from_slice(response.body()).expect("JSON");
                match page["form"].as_str() {
                    Some(form) => Callback::form(form),
                    None => Callback::uri(page["location"].as_str().expect("a callback")),
                }
            }
            Robot::Redirect => {
                let response = self.get(url).await;
                Callback::uri(response.headers()["location"].to_str().expect("a callback"))
            }
        }
    }

    /// Signs the user in. oidc-provider gives a refresh token for `offline_access` with consent.
    pub(crate) async fn sign_in(&self, client: &Client, user: &str) -> valetkey::Result<Session> {
        let request = client.authorize().scope("openid offline_access api:read");
        let request = request.parameter("prompt", "consent").parameter("login_hint", user);
        let (url, pending) = request.start().await?;
        let callback = self.visit(url.as_str()).await;
        client.redeem(pending, callback).await
    }
}

/// What `up.sh` says, or nothing, and then the test is skipped aloud.
pub(crate) fn variable_of(name: &str) -> Option<String> {
    let value = std::env::var(name).ok();
    if value.is_none() {
        println!("skipped: {name} is not set; run it through tests/interop/up.sh");
    }
    value
}
