//! Every row of the table of faults that is about OpenID Connect happens, and expects what a validator says.

use bytes::Bytes;
use http::Request;
use serde_json::Value;
use std::time::Duration;
use valetkey_http::{Backend, Limits};
use valetkey_proto::jose::jwt::{Expected, Kind};
use valetkey_testkit::{
    Effect, Expect, Fault, Feature, Place, Provider, RegisteredClient, block_on, fault, faults,
};

use crate::{common::*, judge::*, login::*};

const PHR: &str = r#"{"id_token":{"acr":{"essential":true,"values":["phr"]}}}"#;

fn rows(is: impl Fn(&Fault) -> bool) -> Vec<Fault> {
    let rows: Vec<_> = faults().copied().filter(is).collect();
    assert!(!rows.is_empty());
    rows
}

fn with(fault: Fault) -> Provider {
    let client = RegisteredClient::confidential("app", "app-secret")
        .redirect_uri(CB)
        .back_channel_logout_uri("https://client.test/logout");
    let signed =
        RegisteredClient::confidential("signed-info", SECRET).redirect_uri(CB).user_info_signed_by("RS256");
    builder().client(client).client(signed).fault(fault).build()
}

fn is_jwt(fault: &Fault) -> bool {
    matches!(fault.effect, Effect::Jwt(_))
}

#[test]
fn every_id_token_is_judged_as_its_row_says() {
    let is_here = |fault: &Fault| {
        let kinds = [Feature::OpenId, Feature::MaxAge, Feature::Acr];
        is_jwt(fault) && fault.at == Place::Token && fault.feature.is_some_and(|own| kinds.contains(&own))
    };
    for fault in rows(is_here) {
        let provider = with(fault);
        let (more, expected): (&[_], _) = match fault.feature {
            Some(Feature::MaxAge) => {
                (&[("max_age", "600")], Expected::new().max_age(Duration::from_secs(600)))
            }
            Some(Feature::Acr) => (&[("claims", PHR)], Expected::new().acr(&["phr"])),
            _ => (&[], Expected::new()),
        };
        let tokens = signed_in(&provider, "app", more);
        let token = text(&tokens, "access_token");
        let expected = expected.nonce("nonce-1").access_token(&token);
        let verdict =
            Judge::new(&provider, "app").validate(Kind::IdToken, &text(&tokens, "id_token"), &expected);
        assert_eq!(verdict, fault.expect, "{}", fault.name);
        assert_eq!(provider.faults_happened(), 1, "{}", fault.name);
    }
}

#[test]
fn s_oi_13_every_refreshed_id_token_is_judged_as_its_row_says() {
    for fault in rows(|fault| fault.feature == Some(Feature::Refresh)) {
        let provider = with(fault);
        let tokens = signed_in(&provider, "app", &[]);
        assert_eq!(provider.faults_happened(), 0, "{}: not before the refresh", fault.name);
        let before = part(&text(&tokens, "id_token"), 1);
        let renewed = json(&refresh(&provider, &text(&tokens, "refresh_token")));
        assert_eq!(provider.faults_happened(), 1, "{}", fault.name);
        let Some(id_token) = renewed.get("id_token").and_then(Value::as_str) else {
            assert_eq!(fault.name, "refreshed-id-token-not-there");
            continue;
        };
        // That the sign-in is the same is not for a validator of single tokens.
        if fault.name == "refreshed-id-token-of-another-sign-in" {
            assert_ne!(before["auth_time"], part(id_token, 1)["auth_time"]);
            continue;
        }
        let verdict = Judge::new(&provider, "app").validate(Kind::IdToken, id_token, &Expected::new());
        assert_eq!(verdict, fault.expect, "{}", fault.name);
    }
}

#[test]
fn s_oi_10_both_id_tokens_of_the_hybrid_flow_are_judged_as_their_rows_say() {
    for fault in rows(|fault| fault.feature == Some(Feature::Hybrid)) {
        let provider = with(fault);
        let callback = provider.visit(url(&provider, "app", &[("response_type", "code id_token")])).unwrap();
        let judge = Judge::new(&provider, "app");
        let code = answered(&callback, "code").unwrap();
        let expected = Expected::new().nonce("nonce-1").subject("alice");
        let Some(first) = answered(&callback, "id_token") else {
            assert_eq!(fault.name, "hybrid-id-token-not-there");
            continue;
        };
        let first = judge.validate(Kind::IdToken, &first, &expected.code(&code).through_browser());
        if fault.at == Place::Token {
            assert_eq!(first, Expect::Accepted);
            let tokens = redeemed(&provider, "app", "app-secret", &code);
            let second = judge.validate(Kind::IdToken, &text(&tokens, "id_token"), &expected);
            assert_eq!(second, fault.expect, "{}", fault.name);
        } else if is_jwt(&fault) || fault.name == "hybrid-code-of-another" {
            assert_eq!(first, fault.expect, "{}", fault.name);
        } else {
            // It is the callback that is wrong, and not the token.
            assert_eq!(first, Expect::Accepted, "{}", fault.name);
        }
        assert_eq!(provider.faults_happened(), 1, "{}", fault.name);
    }
}

#[test]
fn s_oi_12_every_signed_user_info_is_judged_as_its_row_says() {
    for fault in rows(|fault| fault.feature == Some(Feature::SignedUserInfo) && is_jwt(fault)) {
        let provider = with(fault);
        let token = text(&signed_in(&provider, "signed-info", &[]), "access_token");
        let response = get(&provider, "https://issuer.test/userinfo", Some(&token));
        let jwt = std::str::from_utf8(response.body()).unwrap();
        let expected = Expected::new().subject("alice");
        let verdict = Judge::new(&provider, "signed-info").validate(Kind::UserInfo, jwt, &expected);
        assert_eq!(verdict, fault.expect, "{}", fault.name);
    }
}

#[test]
fn s_lo_01_every_logout_token_is_judged_as_its_row_says() {
    for fault in rows(|fault| fault.feature == Some(Feature::BackChannelLogout)) {
        let provider = with(fault);
        signed_in(&provider, "app", &[]);
        provider.sign_out();
        let requests = provider.back_channel_logouts();
        let token = requests[0].body().strip_prefix(b"logout_token=").unwrap();
        let token = std::str::from_utf8(token).unwrap();
        let verdict = Judge::new(&provider, "app").validate(Kind::LogoutToken, token, &Expected::new());
        assert_eq!(verdict, fault.expect, "{}", fault.name);
        assert_eq!(provider.faults_happened(), 1, "{}", fault.name);
    }
}

#[test]
fn every_key_set_is_judged_as_its_row_says() {
    for fault in rows(|fault| fault.at == Place::Keys) {
        let provider = with(fault);
        let id_token = text(&signed_in(&provider, "app", &[]), "id_token");
        let url = Request::get("https://issuer.test/jwks");
        let sent = block_on(provider.send(url.body(Bytes::new()).unwrap(), Limits::default()));
        assert_eq!(provider.faults_happened(), 1, "{}", fault.name);
        // What is no answer, or no set, is for whoever fetches it.
        let is_set = |kind: &http::HeaderValue| kind == "application/json";
        let is_set = sent.is_ok_and(|response| {
            response.status() == 200 && response.headers().get("content-type").is_some_and(is_set)
        });
        if is_set && fault.times.is_none() {
            let expected = Expected::new().nonce("nonce-1");
            let verdict = Judge::new(&provider, "app").validate(Kind::IdToken, &id_token, &expected);
            assert_eq!(verdict, fault.expect, "{}", fault.name);
        }
    }
}

#[test]
fn every_other_fault_of_openid_happens() {
    let is_other = |fault: &Fault| {
        use Feature::{OpenId, Registration, SignedUserInfo, WebFinger};
        let is_openid = matches!(fault.feature, Some(OpenId | Registration | SignedUserInfo | WebFinger));
        is_openid && !is_jwt(fault) && fault.at != Place::Keys
    };
    for fault in rows(is_other) {
        let provider = with(fault);
        let request = match fault.at {
            Place::Metadata => Request::get("https://issuer.test/.well-known/openid-configuration"),
            Place::UserInfo => {
                let token = text(&signed_in(&provider, "app", &[]), "access_token");
                Request::get("https://issuer.test/userinfo")
                    .header("authorization", format!("Bearer {token}"))
            }
            Place::Registration => Request::post("https://issuer.test/register"),
            Place::WebFinger => {
                Request::get("https://issuer.test/.well-known/webfinger?resource=acct:alice@issuer.test")
            }
            place => {
                assert_eq!(place, Place::Token, "{}", fault.name);
                signed_in_raw(&provider);
                assert_eq!(provider.faults_happened(), 1, "{}", fault.name);
                continue;
            }
        };
        // What comes of it differs: an answer, one that is too large, or none.
        let _ = block_on(provider.send(request.body(Bytes::new()).unwrap(), Limits::default()));
        assert_eq!(provider.faults_happened(), 1, "{}", fault.name);
    }
}

/// The code flow, whatever the token endpoint answers.
fn signed_in_raw(provider: &Provider) {
    let callback = provider.visit(url(provider, "app", &[])).unwrap();
    let _ = redeem(provider, &answered(&callback, "code").unwrap());
}

#[test]
fn a_user_info_of_100_mb_ends_at_the_limit() {
    let provider = with(fault("user-info-of-100-mb"));
    let token = text(&signed_in(&provider, "app", &[]), "access_token");
    let request =
        Request::get("https://issuer.test/userinfo").header("authorization", format!("Bearer {token}"));
    let sent = block_on(provider.send(request.body(Bytes::new()).unwrap(), Limits::default()));
    assert_eq!(sent.unwrap_err().kind(), valetkey_http::FailureKind::TooLarge);
}

#[test]
fn what_a_client_does_after_a_fault_is_seen() {
    let provider = with(fault("id-token-alg-none"));
    let tokens = signed_in(&provider, "app", &[]);
    jwks(&provider);
    provider.assert_no_call_after_fault();
    let _ = get(&provider, "https://issuer.test/userinfo", Some(&text(&tokens, "access_token")));
    let seen =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| provider.assert_no_call_after_fault()));
    let message = *seen.unwrap_err().downcast::<String>().unwrap();
    assert!(
        message.contains("1 requests left the client") && !message.contains(&text(&tokens, "access_token"))
    );
    let nothing = std::panic::catch_unwind(|| Provider::new().assert_no_call_after_fault());
    assert!(nothing.is_err(), "a fault that never happened shows nothing");
}
