//! What is called legacy, at Authlib: passwords, and tokens that the browser brings.

use http::StatusCode;
use valetkey::{ErrorCode, ErrorKind, Reason, oauth2::client::ClientAuth, secret::Secret};

use crate::{SECRET, Server};

#[tokio::test]
async fn ol_17_authlib_takes_a_password() {
    let Some(server) = Server::authlib() else { return };
    let client = server.client("ropc").secret(SECRET).build().await.expect("discovery");
    let login = |password: &str| client.legacy().password("alice", Secret::new(password)).scope("api:read");
    let session = login("password").sign_in().await.expect("the right password");
    assert_eq!(server.call_api(&session).await, StatusCode::OK);
    session.refresh().await.expect("a renewal");
    assert_eq!(server.call_api(&session).await, StatusCode::OK);

    let error = login("wrong").sign_in().await.expect_err("another password");
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RequestDenied));
    assert!(!format!("{error} {error:?}").contains("wrong"));
}

/// Where Authlib sends the browser: as it is, and with `iss` where RFC 9207 §2 has it. Authlib puts it into the query,
/// although everything else is in the fragment.
async fn visit(server: &Server, url: &str) -> [String; 2] {
    let response = server.get(url).await;
    let location = response.headers()["location"].to_str().expect("a callback").to_owned();
    let (page, fragment) = location.split_once('#').expect("a fragment");
    let (page, issuer) = page.split_once('?').expect("a query");
    let mended = format!("{page}#{fragment}&{issuer}");
    [location, mended]
}

#[tokio::test]
async fn ol_16_authlib_has_a_browser_bring_a_token() {
    let Some(server) = Server::authlib() else { return };
    let client = server.client("implicit").auth(ClientAuth::none()).build().await.expect("discovery");
    let begin = |user: &str| client.legacy().implicit().scope("api:read").parameter("login_hint", user);
    let (url, pending) = begin("alice").start().await.expect("a sign-in");
    let [_, callback] = visit(&server, url.as_str()).await;
    assert!(pending.matches(&callback.as_str().into()));
    let session = client.redeem(pending, callback).await.expect("a token");
    assert_eq!(server.call_api(&session).await, StatusCode::OK);
    assert!(session.tokens().await.expect("tokens").refresh_token().is_none());

    // Half of an answer in the query, and half in the fragment, is none.
    let (url, pending) = begin("alice").start().await.expect("a sign-in");
    let [callback, _] = visit(&server, url.as_str()).await;
    let error = client.redeem(pending, callback).await.expect_err("in two places");
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Protocol, Reason::ResponseModeMismatch));

    let (url, pending) = begin("deny").start().await.expect("a sign-in");
    let [_, callback] = visit(&server, url.as_str()).await;
    let error = client.redeem(pending, callback).await.expect_err("the user refused");
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::AuthorizationDenied));
    assert_eq!(error.response().map(|refused| refused.code().clone()), Some(ErrorCode::AccessDenied));
}
