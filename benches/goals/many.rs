//! Row 9: what a session takes in memory, as one of very many in a store, and what it takes to renew it.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, header::CONTENT_TYPE};
use valetkey::{
    Session, Sessions, Timestamp,
    oauth2::{
        Scope,
        client::ClientId,
        server::Issuer,
        token::{TokenRecord, TokenSet},
    },
    secret::{AccessToken, RefreshToken},
    store::{MemoryStore, Put, Store, StoreKey},
};
use valetkey_http::{Backend, Failure, Limits, Request, Response};

use crate::{
    session::{self, LIFETIME, TOKEN_LENGTH},
    world::{API, CLIENT_ID, ISSUER, JSON, SCOPES, TOKEN, now},
};

/// How many there are when it is measured.
pub(crate) const SESSIONS: usize = 100_000;
/// Characters of the refresh token.
pub(crate) const REFRESH_TOKEN_LENGTH: usize = 44;

/// The sessions of a client whose store has a grant of each account.
pub(crate) struct Many(Sessions);

impl Many {
    pub(crate) async fn kept(accounts: usize) -> Self {
        let client = session::client(Server(answer()), TOKEN, API).await;
        let (issuer, id) =
            (Issuer::parse(ISSUER).expect("an issuer"), ClientId::parse(CLIENT_ID).expect("an id"));
        let store = MemoryStore::new();
        for account in 0..accounts {
            let key = StoreKey::grant(&issuer, &id, &account.to_string());
            let text = TokenRecord::new(issuer.clone(), id.clone(), 0, tokens()).to_text();
            assert_eq!(store.put(&key, 1, &text, None).await.expect("room"), Put::Written);
        }
        Self(client.sessions(store))
    }

    pub(crate) async fn open(&self, account: usize) -> Session {
        self.0.open(&account.to_string()).await.expect("a session").expect("an account")
    }
}

fn tokens() -> TokenSet {
    let token = AccessToken::bearer(&"x".repeat(TOKEN_LENGTH)).expect("a token");
    let now: Timestamp = now().into();
    TokenSet::of_parts(token, Some(now + Duration::from_secs(LIFETIME)), now)
        .with_refresh_token(RefreshToken::new("r".repeat(REFRESH_TOKEN_LENGTH)))
        .with_scope(Scope::parse(&SCOPES.join(" ")).expect("a scope"))
}

/// New tokens, as long as the old ones.
fn answer() -> Bytes {
    let (token, refresh_token) = ("x".repeat(TOKEN_LENGTH), "r".repeat(REFRESH_TOKEN_LENGTH));
    let scope = SCOPES.join(" ");
    let body = format!(
        r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{LIFETIME},"refresh_token":"{refresh_token}","scope":"{scope}"}}"#
    );
    body.into()
}

/// Answers at once, so that nobody ever waits.
struct Server(Bytes);

#[async_trait]
impl Backend for Server {
    async fn send(&self, _: Request, _: Limits) -> Result<Response, Failure> {
        let mut response = Response::new(self.0.clone());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        Ok(response)
    }

    async fn sleep(&self, _: Duration) {
        std::future::pending().await
    }

    fn now(&self) -> SystemTime {
        now()
    }
}
