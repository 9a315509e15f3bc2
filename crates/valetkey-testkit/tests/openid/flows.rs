//! Logins by every response type and mode, ID tokens, refreshes, and the document that says so.

use std::time::Duration;

use crate::{common::*, login::*};
use valetkey_testkit::{Place, Provider, ResponseMode, ResponseType, User, VisitError, WellKnown};

#[test]
fn the_document_says_what_there_is() {
    let provider = provider();
    let document = json(&get(&provider, "https://issuer.test/.well-known/openid-configuration", None));
    for (name, path) in [
        ("jwks_uri", "/jwks"),
        ("userinfo_endpoint", "/userinfo"),
        ("end_session_endpoint", "/logout"),
        ("registration_endpoint", "/register"),
    ] {
        assert_eq!(document[name], format!("https://issuer.test{path}"));
    }
    let kinds = document["response_types_supported"].as_array().unwrap();
    assert_eq!(kinds.len(), 6);
    assert!(document["id_token_signing_alg_values_supported"].as_array().unwrap().contains(&"ES256".into()));
    for name in
        ["claims_parameter_supported", "backchannel_logout_supported", "request_uri_parameter_supported"]
    {
        assert_eq!(document[name], true, "{name}");
    }
}

#[test]
fn an_oauth_provider_has_nothing_of_openid() {
    let provider = Provider::new();
    for path in ["/jwks", "/userinfo", "/logout", "/register", "/claims", "/.well-known/webfinger"] {
        assert_eq!(get(&provider, &format!("https://issuer.test{path}"), None).status(), 404, "{path}");
    }
    let more = [("scope", "openid"), ("nonce", "n")];
    let callback = provider.visit(authorize_url(&provider, "app", CB, &more)).unwrap();
    let tokens = json(&redeem(&provider, &param(&callback, "code").unwrap()));
    assert!(tokens.get("id_token").is_none());
    let implicit = authorize_url(&provider, "app", CB, &[("response_type", "id_token"), ("nonce", "n")]);
    let callback = provider.visit(implicit).unwrap();
    assert_eq!(param(&callback, "error").as_deref(), Some("unsupported_response_type"));
}

#[test]
fn s_oi_01_to_07_an_id_token_by_the_code_flow() {
    let provider = provider();
    for (client, algorithm) in [("app", "RS256"), ("es256", "ES256"), ("eddsa", "EdDSA"), ("hs256", "HS256")]
    {
        let tokens = signed_in(&provider, client, &[]);
        let id_token = text(&tokens, "id_token");
        assert_eq!(part(&id_token, 0)["alg"], algorithm);
        let claims = verified(&provider, &id_token).expect("a good signature");
        assert_eq!(
            (&claims["iss"], &claims["sub"], &claims["aud"], &claims["nonce"]),
            (&"https://issuer.test".into(), &"alice".into(), &client.into(), &"nonce-1".into())
        );
        assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 600);
        assert!(claims["auth_time"].is_u64() && claims["acr"] == "1" && claims["sid"].is_string());
        if algorithm == "RS256" {
            assert_eq!(claims["at_hash"], half(&text(&tokens, "access_token")));
        }
        assert!(claims.get("email").is_none(), "there is UserInfo for that");
    }
    let unsigned = text(&signed_in(&provider, "none", &[]), "id_token");
    assert!(unsigned.ends_with('.') && part(&unsigned, 0) == serde_json::json!({ "alg": "none" }));
}

#[test]
fn every_response_type_comes_by_every_mode_that_it_may() {
    let provider = provider();
    for asked in ResponseType::ALL {
        for mode in [ResponseMode::Query, ResponseMode::Fragment, ResponseMode::FormPost] {
            let more = [("response_type", asked.name()), ("response_mode", mode.name())];
            let url = url(&provider, "app", &more);
            let callback = match mode {
                ResponseMode::FormPost => {
                    let post = provider.posted(&url).unwrap();
                    assert_eq!((post.method(), post.uri().to_string()), (&http::Method::POST, CB.to_owned()));
                    assert_eq!(post.headers()["content-type"], "application/x-www-form-urlencoded");
                    format!("{CB}?{}", String::from_utf8(post.body().to_vec()).unwrap())
                }
                _ => provider.visit(&url).unwrap(),
            };
            if mode == ResponseMode::Query && asked != ResponseType::Code {
                // Multiple Response Types §5.
                assert_eq!(answered(&callback, "error").as_deref(), Some("invalid_request"), "{asked:?}");
                assert!(callback.contains('#'));
                continue;
            }
            assert_eq!(callback.contains('#'), mode == ResponseMode::Fragment);
            assert_eq!(answered(&callback, "state").as_deref(), Some("state-1"));
            assert_eq!(answered(&callback, "iss").as_deref(), Some("https://issuer.test"));
            let (code, token) = (answered(&callback, "code"), answered(&callback, "access_token"));
            assert_eq!((code.is_some(), token.is_some()), (asked.has_code(), asked.has_token()), "{asked:?}");
            let id_token = answered(&callback, "id_token");
            assert_eq!(id_token.is_some(), asked.has_id_token());
            if let Some(id_token) = id_token {
                let claims = verified(&provider, &id_token).unwrap();
                assert_eq!(claims["c_hash"].as_str().map(str::to_owned), code.as_deref().map(half));
                assert_eq!(claims["at_hash"].as_str().map(str::to_owned), token.as_deref().map(half));
                assert_eq!(claims.get("email").is_some(), asked == ResponseType::IdToken);
            }
            if let Some(code) = code {
                let tokens = redeemed(&provider, "app", "app-secret", &code);
                let claims = verified(&provider, &text(&tokens, "id_token")).unwrap();
                assert_eq!(claims["sub"], "alice");
            }
        }
    }
}

#[test]
fn a_browser_gets_a_page_that_posts_itself() {
    let provider = provider();
    let url = url(&provider, "app", &[("response_mode", "form_post"), ("state", "\"><script>")]);
    let Err(VisitError::Page { html, .. }) = provider.visit(&url) else { panic!("a page") };
    assert!(
        html.contains("action=\"https://client.test/cb\"") && html.contains("document.forms[0].submit()")
    );
    assert!(html.contains("value=\"&quot;&gt;&lt;script&gt;\""));
    let page = get(&provider, &url, None);
    assert!(page.headers()["content-security-policy"].to_str().unwrap().contains("script-src 'sha256-"));
    assert_eq!(provider.posted(crate::login::url(&provider, "app", &[])).unwrap_err(), VisitError::Elsewhere);
}

#[test]
fn s_oi_07_a_nonce_is_demanded_where_an_id_token_comes_by_the_browser() {
    let provider = provider();
    for asked in ResponseType::ALL {
        let url = url(&provider, "app", &[("response_type", asked.name()), ("nonce", "")]);
        let error = answered(&provider.visit(url).unwrap(), "error");
        assert_eq!(error.is_some(), asked.has_id_token(), "{asked:?}");
    }
}

#[test]
fn s_oi_13_a_refresh_brings_an_id_token_of_the_same_sign_in() {
    let provider = provider();
    let tokens = signed_in(&provider, "app", &[]);
    provider.advance(Duration::from_secs(1000));
    let renewed = json(&refresh(&provider, &text(&tokens, "refresh_token")));
    let [old, new] = [tokens, renewed].map(|tokens| verified(&provider, &text(&tokens, "id_token")).unwrap());
    for name in ["iss", "sub", "aud", "auth_time", "acr", "sid"] {
        assert_eq!(old[name], new[name], "{name}");
    }
    assert!(new.get("nonce").is_none() && new["iat"].as_u64() > old["iat"].as_u64());
}

#[test]
fn s_oi_08_max_age_and_prompt_decide_who_signs_in_again() {
    let provider = provider();
    let auth_time = |more: &[(&str, &str)]| {
        let tokens = signed_in(&provider, "app", more);
        part(&text(&tokens, "id_token"), 1)["auth_time"].as_u64().unwrap()
    };
    let first = auth_time(&[]);
    provider.advance(Duration::from_secs(100));
    assert_eq!(auth_time(&[]), first);
    assert_eq!(auth_time(&[("max_age", "100")]), first);
    assert_eq!(auth_time(&[("max_age", "99")]), first + 100);
    provider.advance(Duration::from_secs(1));
    assert_eq!(auth_time(&[("prompt", "login")]), first + 101);
}

#[test]
fn prompt_none_never_shows_a_page() {
    let provider = provider();
    let error =
        |more: &[(&str, &str)]| answered(&provider.visit(url(&provider, "app", more)).unwrap(), "error");
    let none = ("prompt", "none");
    let login_required = Some("login_required".to_owned());
    assert_eq!(error(&[none]), login_required, "nobody has signed in yet");
    let id_token = text(&signed_in(&provider, "app", &[]), "id_token");
    assert_eq!(error(&[none]), None);
    assert_eq!(error(&[none, ("id_token_hint", &id_token)]), None);
    assert_eq!(error(&[none, ("max_age", "0")]), login_required);
    assert_eq!(error(&[("prompt", "none login")]), Some("invalid_request".into()));
    provider.set_user(User::approves("bob"));
    assert_eq!(error(&[none]), login_required);
    signed_in(&provider, "app", &[]);
    assert_eq!(error(&[none, ("id_token_hint", &id_token)]), login_required, "it is another user");
    provider.set_user(User::interactive());
    assert_eq!(error(&[none]), None);
    provider.sign_out();
    assert_eq!(error(&[none]), login_required);
    provider.set_user(User::refuses());
    assert_eq!(error(&[none]), Some("consent_required".into()));
    // The suite's way: the error comes by form post.
    let more = [none, ("max_age", "0"), ("response_mode", "form_post")];
    let post = provider.posted(url(&provider, "app", &more)).unwrap();
    assert!(post.body().starts_with(b"error=consent_required"));
}

#[test]
fn claims_and_classes_are_given_as_asked() {
    let provider = provider();
    let claims = r#"{"id_token":{"email":null,"acr":{"essential":true,"values":["phr"]}},"userinfo":{"phone_number":null}}"#;
    let tokens = signed_in(&provider, "app", &[("claims", claims), ("scope", "openid")]);
    let id_token = part(&text(&tokens, "id_token"), 1);
    assert_eq!((&id_token["email"], &id_token["acr"]), (&"alice@people.test".into(), &"phr".into()));
    assert!(id_token.get("phone_number").is_none());
    let token = text(&tokens, "access_token");
    let user_info = json(&get(&provider, "https://issuer.test/userinfo", Some(&token)));
    assert_eq!(user_info["phone_number"], "+1 555 0100");
    assert!(user_info.get("email").is_none());
    let tokens = signed_in(&provider, "app", &[("acr_values", "unknown 2")]);
    assert_eq!(part(&text(&tokens, "id_token"), 1)["acr"], "2");
}

#[test]
fn an_authentication_request_may_be_posted() {
    let provider = provider();
    let url = url(&provider, "app", &[]);
    let form: Vec<(String, String)> =
        form_urlencoded::parse(url.split_once('?').unwrap().1.as_bytes()).into_owned().collect();
    let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(post(&provider, "/authorize", None, &form).status(), 303);
    assert_eq!(post(&Provider::new(), "/authorize", None, &form).status(), 405);
}

#[test]
fn keys_rotate() {
    let provider = provider();
    let kids = || jwks(&provider).iter().map(|key| text(key, "kid")).collect::<Vec<_>>();
    let (before, id_token) = (kids(), text(&signed_in(&provider, "app", &[]), "id_token"));
    assert_eq!(before, ["rs256-1", "es256-1", "eddsa-1"]);
    provider.rotate_keys();
    assert!(kids().iter().all(|kid| !before.contains(kid)));
    assert!(verified(&provider, &id_token).is_none(), "the old key is published no longer");
    assert!(verified(&provider, &text(&signed_in(&provider, "app", &[]), "id_token")).is_some());
    assert_eq!(provider.count(Place::Keys), 4);
    assert!(jwks(&provider).iter().all(|key| key.get("d").is_none()));
}

#[test]
fn issuers_with_a_path_have_all_of_it_below() {
    let issuer = "https://login.test/tenant";
    let builder = builder().issuer(issuer).documents([WellKnown::OpenIdConfiguration]);
    let provider = builder.build();
    let tokens = signed_in(&provider, "app", &[]);
    assert_eq!(verified(&provider, &text(&tokens, "id_token")).unwrap()["iss"], issuer);
    let document = json(&get(&provider, &format!("{issuer}/.well-known/openid-configuration"), None));
    assert_eq!(document["userinfo_endpoint"], "https://login.test/tenant/userinfo");
}
