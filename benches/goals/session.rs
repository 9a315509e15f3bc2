//! Sessions in the client's own name, at a server whose answers are known.

use bytes::Bytes;
use http::{HeaderValue, header::CONTENT_TYPE};
use valetkey::{
    Client, Session,
    oauth2::server::{Issuer, ServerMetadata},
};
use valetkey_http::{Backend, Response, backend_fn, block_on};

use crate::world::{API, CLIENT_ID, CLIENT_SECRET, ISSUER, JSON, TOKEN};

/// Characters of the access token: as many as one with a few claims has.
pub(crate) const TOKEN_LENGTH: usize = 921;
/// Seconds that it is good for.
pub(crate) const LIFETIME: u64 = 3600;

/// A session that asks `token` for its tokens and sends them to `api`. It has none yet.
pub(crate) async fn new(backend: impl Backend, token: &str, api: &str) -> Session {
    client(backend, token, api).await.client_credentials().session().expect("a session")
}

/// A client whose server has its tokens there.
pub(crate) async fn client(backend: impl Backend, token: &str, api: &str) -> Client {
    let server = ServerMetadata::new(Issuer::parse(ISSUER).expect("an issuer"));
    let server = server.with_token_endpoint(token).expect("an endpoint");
    let builder = Client::builder(backend).server(server).id(CLIENT_ID).secret(CLIENT_SECRET).api(api);
    builder.build().await.expect("a client")
}

/// A session with a token at hand, by the clock of the system.
pub(crate) fn cached() -> Session {
    block_on(async {
        let session = new(backend_fn(|_, _| async { Ok(token_answer()) }), TOKEN, API).await;
        session.tokens().await.expect("tokens");
        session
    })
}

/// The server's answer.
pub(crate) fn token_answer() -> Response {
    let mut response = Response::new(token_body());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    response
}

pub(crate) fn token_body() -> Bytes {
    let token = "x".repeat(TOKEN_LENGTH);
    let body = [
        r#"{"access_token":""#,
        &token,
        r#"","token_type":"Bearer","expires_in":"#,
        &LIFETIME.to_string(),
        "}",
    ];
    body.concat().into()
}
