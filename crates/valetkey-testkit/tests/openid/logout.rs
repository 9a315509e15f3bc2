//! Logout by the client, by the provider, and how other clients learn of it; logins that others begin.

use crate::{common::*, login::*};
use http::Method;
use valetkey_testkit::{Place, Provider, RegisteredClient, VisitError};

const BYE: &str = "https://client.test/bye";

fn provider_with_logout() -> Provider {
    let client = |id: &str| RegisteredClient::confidential(id, SECRET).redirect_uri(CB);
    builder()
        .client(
            client("shop")
                .post_logout_redirect_uri(BYE)
                .back_channel_logout_uri("https://shop.test/logout")
                .initiate_login_uri("https://shop.test/login?from=op"),
        )
        .client(client("news").front_channel_logout_uri("https://news.test/logout?x=1"))
        .build()
}

fn logout(provider: &Provider, pairs: &[(&str, &str)]) -> Result<String, VisitError> {
    provider.visit(format!("https://issuer.test/logout?{}", encode(pairs)))
}

#[test]
fn s_lo_02_the_browser_goes_back_only_to_what_is_registered() {
    let provider = provider_with_logout();
    let hint = text(&signed_in(&provider, "shop", &[]), "id_token");
    let hint = ("id_token_hint", hint.as_str());
    let back = ("post_logout_redirect_uri", BYE);
    assert_eq!(logout(&provider, &[hint, back, ("state", "a b")]).unwrap(), format!("{BYE}?state=a+b"));
    assert_eq!(logout(&provider, &[hint, back]).unwrap(), BYE);
    assert_eq!(logout(&provider, &[("client_id", "shop"), back]).unwrap(), BYE);
    let shown = |pairs: &[(&str, &str)]| match logout(&provider, pairs) {
        Err(VisitError::Page { status, .. }) => status.as_u16(),
        other => panic!("{other:?}"),
    };
    assert_eq!(shown(&[hint]), 200);
    assert_eq!(shown(&[]), 200);
    for bad in [
        &[back][..],
        &[hint, ("post_logout_redirect_uri", "https://client.test/bye/")],
        &[hint, back, ("client_id", "app")],
        &[hint, hint],
        &[("id_token_hint", "nonsense"), back],
    ] {
        assert_eq!(shown(bad), 400, "{bad:?}");
    }
    let mark = provider.mark();
    let posted = post(&provider, "/logout", None, &[hint, back]);
    assert_eq!(posted.headers()["location"], BYE);
    provider.assert_quiet_since(mark);
    assert_eq!(provider.count(Place::EndSession), 11);
}

#[test]
fn a_logout_ends_the_session_of_the_browser() {
    let provider = provider_with_logout();
    let sid = || part(&text(&signed_in(&provider, "shop", &[]), "id_token"), 1)["sid"].clone();
    let first = sid();
    assert_eq!(first, sid());
    provider.sign_out();
    assert_ne!(first, sid());
}

#[test]
fn s_lo_01_every_client_of_the_session_is_told() {
    let provider = provider_with_logout();
    let tokens = signed_in(&provider, "shop", &[]);
    signed_in(&provider, "news", &[]);
    signed_in(&provider, "app", &[]);
    assert!(provider.back_channel_logouts().is_empty());
    let sid = part(&text(&tokens, "id_token"), 1)["sid"].clone();
    logout(&provider, &[("id_token_hint", &text(&tokens, "id_token"))]).unwrap_err();

    let requests = provider.back_channel_logouts();
    assert_eq!(requests.len(), 1);
    let request = &requests[0];
    assert_eq!(
        (request.method(), request.uri().to_string()),
        (&Method::POST, "https://shop.test/logout".into())
    );
    let form: Vec<(String, String)> = form_urlencoded::parse(request.body()).into_owned().collect();
    assert_eq!((form.len(), form[0].0.as_str()), (1, "logout_token"));
    let token = &form[0].1;
    assert_eq!(part(token, 0)["typ"], "logout+jwt");
    let claims = verified(&provider, token).unwrap();
    assert_eq!((&claims["sub"], &claims["sid"], &claims["aud"]), (&"alice".into(), &sid, &"shop".into()));
    assert!(claims["events"]["http://schemas.openid.net/event/backchannel-logout"].is_object());
    assert!(claims["jti"].is_string() && claims.get("nonce").is_none());

    let urls = provider.front_channel_logouts();
    let query = encode(&[("iss", "https://issuer.test"), ("sid", sid.as_str().unwrap())]);
    assert_eq!(urls, [format!("https://news.test/logout?x=1&{query}")]);
    assert!(provider.back_channel_logouts().is_empty() && provider.front_channel_logouts().is_empty());
}

#[test]
fn somebody_else_begins_a_login() {
    let provider = provider_with_logout();
    let url = provider.initiate_login("shop", "https://shop.test/cart?a=1").unwrap();
    let url = url.strip_prefix("https://shop.test/login?from=op&").unwrap();
    let expected = [
        ("iss", "https://issuer.test"),
        ("login_hint", "alice"),
        ("target_link_uri", "https://shop.test/cart?a=1"),
    ];
    assert_eq!(url, encode(&expected));
    assert_eq!(provider.initiate_login("app", "https://shop.test/"), None);
}
