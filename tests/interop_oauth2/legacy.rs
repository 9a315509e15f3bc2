//! What is called legacy: passwords, and tokens that the browser brings.

use http::StatusCode;
use valetkey::{ErrorCode, ErrorKind, Reason, oauth2::authorization::Callback, secret::Secret};

use crate::{
    Server,
    browser::End,
    description::{Flow, Quirk},
};

#[tokio::test]
async fn ol_17_servers_take_a_password() {
    for (server, known) in Server::each(Flow::Password) {
        let client = server.known(known).build().await.expect("discovery");
        let alice = server.user("alice");
        let username = alice.username.as_deref().expect("it is described");
        let password = alice.password.as_deref().expect("it is described");
        let login =
            |password: &str| client.legacy().password(username, Secret::new(password)).scope("api:read");
        let session = login(password).sign_in().await.expect("the right password");
        assert_eq!(server.call_api(&session).await, StatusCode::OK);
        session.refresh().await.expect("a renewal");
        assert_eq!(server.call_api(&session).await, StatusCode::OK);

        let wrong = format!("{password}-but-wrong");
        let error = login(&wrong).sign_in().await.expect_err("another password");
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RequestDenied));
        assert!(!format!("{error} {error:?}").contains(&wrong));
    }
}

/// Where the server sends the user's browser.
async fn visit(server: &Server, user: &str, url: &str) -> String {
    match server.end_of(user, "", url).await {
        End::Away(url) => url,
        End::Posted(_) | End::Page(_) => panic!("{server}: the answer is in no fragment"),
    }
}

/// The same, with `iss` where RFC 9207 §2 has it, if this server puts it into the query.
fn mended(server: &Server, location: &str) -> Callback {
    if !server.has(Quirk::ImplicitIssuerInQuery) {
        return Callback::uri(location);
    }
    let (page, fragment) = location.split_once('#').expect("a fragment");
    let (page, issuer) = page.split_once('?').expect("a query");
    Callback::uri(format!("{page}#{fragment}&{issuer}"))
}

#[tokio::test]
async fn ol_16_servers_have_a_browser_bring_a_token() {
    for (server, known) in Server::each(Flow::Implicit) {
        let client = server.known(known).build().await.expect("discovery");
        let begin = |user: &str| {
            let request = client.legacy().implicit().scope("api:read");
            let parameters = server.user(user).parameters.iter();
            parameters.fold(request, |request, (name, value)| request.parameter(name, value))
        };
        let (url, pending) = begin("alice").start().await.expect("a sign-in");
        let callback = mended(&server, &visit(&server, "alice", url.as_str()).await);
        assert!(pending.matches(&callback));
        let session = client.redeem(pending, callback).await.expect("a token");
        assert_eq!(server.call_api(&session).await, StatusCode::OK);
        assert!(session.tokens().await.expect("tokens").refresh_token().is_none());

        if server.has(Quirk::ImplicitIssuerInQuery) {
            // Half of an answer in the query, and half in the fragment, is none.
            let (url, pending) = begin("alice").start().await.expect("a sign-in");
            let callback = visit(&server, "alice", url.as_str()).await;
            let error = client.redeem(pending, callback).await.expect_err("in two places");
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Protocol, Reason::ResponseModeMismatch));
        }

        if server.has_refuser() {
            let (url, pending) = begin("deny").start().await.expect("a sign-in");
            let callback = mended(&server, &visit(&server, "deny", url.as_str()).await);
            let error = client.redeem(pending, callback).await.expect_err("the user refused");
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::AuthorizationDenied));
            let code = error.response().map(|refused| refused.code().clone());
            assert_eq!(code, Some(ErrorCode::AccessDenied));
        }
    }
}
