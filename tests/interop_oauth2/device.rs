//! A user who signs in elsewhere, by the robot's browser.

use http::StatusCode;
use valetkey::{ErrorKind, Reason, oauth2::client::ClientAuth};

use crate::Server;

#[tokio::test]
async fn s_dv_01_oidc_provider_signs_a_user_in_on_a_device() {
    let Some(server) = Server::oidc_provider() else { return };
    let client = server.client("device").auth(ClientAuth::none()).build().await.expect("discovery");
    let request = client.device().scope("openid offline_access api:read").parameter("prompt", "consent");
    let login = request.start().await.expect("a code");
    let page = login.verification_uri_complete().expect("a page");
    assert!(login.verification_uri().ends_with("/device") && page.contains(login.user_code()));
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let (uri, code) = (encode(login.verification_uri()), encode(login.user_code()));
    let robot = format!("{}/__robot?url={uri}&user_code={code}", server.issuer);
    assert_eq!(server.get(&robot).await.status(), StatusCode::OK);
    let session = login.wait().await.expect("the user approved");
    assert_eq!(session.identity().expect("openid was asked for").subject(), "alice");
    assert_eq!(server.call_api(&session).await, StatusCode::OK);
    session.refresh().await.expect("a renewal");
    assert_eq!(session.user_info().await.expect("claims").claims().sub().as_deref(), Some("alice"));

    // A code that the server does not know, or has forgotten, is the last poll.
    let again = server.client("basic").auth(ClientAuth::none()).build().await.expect("discovery");
    let error = again.device().start().await.expect_err("not this client's grant");
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RequestDenied));
}
