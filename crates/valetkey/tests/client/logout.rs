//! Logouts that a client is told of, sign-ins that others begin, and request objects, against the provider in this
//! process.

use bytes::Bytes;
use http::Request;
use valetkey::{
    Client, ErrorKind, Reason, Runtime,
    crypto::{PrivateKey, SignatureAlgorithm},
    oauth2::{
        authorization::{AuthorizationRequest, RequestObject},
        client::{ClientAuth, ClientMetadata},
    },
    oidc::{
        initiated_login::InitiatedLogin,
        logout::{BackChannel, FrontChannel},
    },
};
use valetkey_proto::endpoint::Origin;
use valetkey_testkit::{OpenId, Provider, RegisteredClient, VisitError, block_on, keys};

const CALLBACK: &str = "https://shop.test/cb";
const HOSTED: &str = "https://shop.test/request.jwt";

fn provider() -> Provider {
    let shop = |id: &str| RegisteredClient::with_keys(id, keys::jwks()).redirect_uri(CALLBACK);
    Provider::builder()
        .openid(OpenId::new())
        .client(
            shop("shop")
                .back_channel_logout_uri("https://shop.test/logout")
                .initiate_login_uri("https://shop.test/login")
                .request_object_signed_by("ES256"),
        )
        .client(shop("news").front_channel_logout_uri("https://shop.test/gone"))
        .build()
}

fn client(provider: &Provider, id: &str) -> Client {
    let key = PrivateKey::parse(keys::es256().pem().as_bytes()).unwrap();
    let key = key.signing_key(SignatureAlgorithm::Es256, &valetkey::crypto::CryptoProvider::ring()).unwrap();
    let builder = Client::builder(provider.clone()).random(provider.random()).discover(&provider.issuer());
    block_on(builder.id(id).auth(ClientAuth::private_key_jwt(key)).redirect_uri(CALLBACK).build()).unwrap()
}

/// The `sid` of alice's session, as this client sees it.
fn sign_in(client: &Client, provider: &Provider) -> String {
    block_on(async {
        let (url, pending) = client.authorize().scope("openid").start().await?;
        let callback = provider.visit(&url).expect("the user gets through");
        let session = client.redeem(pending, &callback).await?;
        let user = session.identity().expect("an identity");
        Ok::<_, valetkey::Error>(user.session().expect("a session").to_owned())
    })
    .unwrap()
}

#[test]
fn s_lo_01_a_client_is_told_once_that_a_session_ended() {
    let provider = provider();
    let shop = client(&provider, "shop");
    let sid = sign_in(&shop, &provider);
    let (url, _) = block_on(shop.logout().start()).unwrap();
    let _ = provider.visit(&url);
    let told = provider.back_channel_logouts();
    let [request] = told.as_slice() else { panic!("one client is told") };
    let outcome = block_on(shop.receive_logout(request));
    assert_eq!(BackChannel::response(&outcome).status(), 200);
    let token = outcome.unwrap();
    assert!(token.ends("alice", Some(&sid)) && !token.ends("alice", Some("other")));
    let again = block_on(shop.receive_logout(request));
    assert_eq!(BackChannel::response(&again).status(), 400);
    assert_eq!(again.unwrap_err().reason(), Reason::Replayed);
    // It is another client's.
    let error = block_on(client(&provider, "news").receive_logout(request)).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::AudienceMismatch));
}

#[test]
fn s_lo_01_keys_that_are_new_are_fetched_for_a_logout() {
    let provider = provider();
    let shop = client(&provider, "shop");
    sign_in(&shop, &provider);
    provider.rotate_keys();
    let (url, _) = block_on(shop.logout().start()).unwrap();
    let _ = provider.visit(&url);
    let told = provider.back_channel_logouts();
    block_on(shop.receive_logout(&told[0])).expect("by the new keys");
}

#[test]
fn s_lo_02_a_browser_is_told_of_its_own_session() {
    let provider = provider();
    let news = client(&provider, "news");
    let sid = sign_in(&news, &provider);
    let (url, _) = block_on(news.logout().start()).unwrap();
    let _ = provider.visit(&url);
    let urls = provider.front_channel_logouts();
    let [url] = urls.as_slice() else { panic!("one client is told") };
    let issuer = block_on(news.server()).unwrap().issuer().clone();
    let channel = FrontChannel::new(&issuer).with_session_required();
    channel.check(url, Some(&sid)).unwrap();
    assert_eq!(channel.check(url, Some("other")).unwrap_err().reason(), Reason::SessionMismatch);
}

#[test]
fn s_md_16_the_provider_begins_a_sign_in() {
    let provider = provider();
    let shop = client(&provider, "shop");
    let url = provider.initiate_login("shop", "https://shop.test/cart?a=1").expect("it takes such requests");
    let issuers = [block_on(shop.server()).unwrap().issuer().clone()];
    let own = [Origin::parse("https://shop.test").unwrap()];
    let login =
        InitiatedLogin::parse(&Request::get(url).body(Bytes::new()).unwrap(), &issuers, &own).unwrap();
    assert_eq!(login.target().unwrap().as_str(), "https://shop.test/cart?a=1");
    assert_eq!(login.login_hint(), Some("alice"));
    let foreign = provider.initiate_login("shop", "https://evil.test/").expect("the provider does not mind");
    let error = InitiatedLogin::parse(&Request::get(foreign).body(Bytes::new()).unwrap(), &issuers, &own);
    assert_eq!(error.unwrap_err().reason(), Reason::RedirectUriMismatch);
}

#[test]
fn s_ja_01_and_s_oi_16_the_provider_takes_request_objects() {
    let provider = provider();
    let shop = client(&provider, "shop");
    let runtime = Runtime::new(provider.clone()).with_random(provider.random());
    let server = block_on(shop.server()).unwrap();
    let of_shop = ClientMetadata::new("shop").unwrap().with_redirect_uri(CALLBACK).unwrap();
    let request = AuthorizationRequest::new(&server, &of_shop).unwrap().with_scope("openid").unwrap();
    let key = PrivateKey::parse(keys::es256().pem().as_bytes()).unwrap();
    let key = key.signing_key(SignatureAlgorithm::Es256, runtime.env().crypto).unwrap();
    let signed = request.clone().with_request_object(RequestObject::signed(key).unwrap());
    let redeem = |url: &str, pending| {
        let callback = provider.visit(url).expect("the user gets through");
        block_on(shop.redeem(pending, &callback)).map(|session| session.identity().expect("an identity"))
    };
    let (url, pending) = signed.start(&runtime.env()).unwrap();
    assert_eq!(redeem(url.as_str(), pending).unwrap().subject(), "alice");
    let (url, pending, hosted) = signed.start_hosted(HOSTED, &runtime.env()).unwrap();
    provider.host(HOSTED, hosted.object());
    assert_eq!(redeem(url.as_str(), pending).unwrap().subject(), "alice");
    // An unsigned one is not what this client is registered with, and where the browser came from is not known then.
    let unsigned = request.with_request_object(RequestObject::unsigned());
    let (url, _) = unsigned.start(&runtime.env()).unwrap();
    assert!(matches!(provider.visit(&url), Err(VisitError::Page { .. })));
}
