//! `UserInfo` and the claims of others.

use crate::{common::*, login::*};
use bytes::Bytes;
use http::{Request, StatusCode};
use valetkey_http::{Backend, Limits, Response};
use valetkey_testkit::{
    ClaimSource, OpenId, Place, Provider, RegisteredClient, SubjectType, TokenPlacement, block_on,
};

const USER_INFO: &str = "https://issuer.test/userinfo";

fn by_header(provider: &Provider, token: &str) -> Response {
    get(provider, USER_INFO, Some(token))
}

fn by_form(provider: &Provider, token: &str) -> Response {
    post(provider, "/userinfo", None, &[("access_token", token)])
}

#[test]
fn s_oi_12_user_info_is_about_the_user_of_the_token() {
    let provider = provider();
    let token = text(&signed_in(&provider, "app", &[]), "access_token");
    for response in [by_header(&provider, &token), by_form(&provider, &token)] {
        let claims = json(&response);
        assert_eq!((&claims["sub"], &claims["email_verified"]), (&"alice".into(), &true.into()));
        assert!(claims.get("address").is_none(), "nobody asked for it");
    }
    let posted = Request::post(USER_INFO).header("authorization", format!("Bearer {token}"));
    let response = block_on(provider.send(posted.body(Bytes::new()).unwrap(), Limits::default())).unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let all = signed_in(&provider, "app", &[("scope", "openid profile email address phone")]);
    let claims = json(&by_header(&provider, &text(&all, "access_token")));
    assert!(claims["address"].is_object() && claims["phone_number"].is_string());
    assert_eq!(provider.count(Place::UserInfo), 4);
}

#[test]
fn a_token_without_the_scope_openid_is_not_enough() {
    let provider = provider();
    let token = text(&signed_in(&provider, "app", &[("scope", "email")]), "access_token");
    let response = by_header(&provider, &token);
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(response.headers()["www-authenticate"].to_str().unwrap().contains("insufficient_scope"));
    assert_eq!(by_header(&provider, "nonsense").status(), StatusCode::UNAUTHORIZED);
    assert_eq!(by_form(&provider, "nonsense").status(), StatusCode::UNAUTHORIZED);
    let both = post(&provider, "/userinfo", Some(format!("Bearer {token}")), &[("access_token", &token)]);
    assert_eq!(both.status(), StatusCode::BAD_REQUEST);
}

#[test]
fn where_the_token_stands_can_be_prescribed() {
    for (placement, header, form) in [
        (TokenPlacement::Header, StatusCode::OK, StatusCode::UNAUTHORIZED),
        (TokenPlacement::Form, StatusCode::UNAUTHORIZED, StatusCode::OK),
    ] {
        let provider = Provider::builder().openid(OpenId::new().user_info_token(placement)).build();
        let token = text(&signed_in(&provider, "app", &[]), "access_token");
        assert_eq!(by_header(&provider, &token).status(), header, "{placement:?}");
        assert_eq!(by_form(&provider, &token).status(), form, "{placement:?}");
    }
}

#[test]
fn user_info_is_signed_for_clients_that_registered_so() {
    let provider = provider();
    let response = by_header(&provider, &text(&signed_in(&provider, "es256", &[]), "access_token"));
    assert_eq!(response.headers()["content-type"], "application/jwt");
    let claims = verified(&provider, std::str::from_utf8(response.body()).unwrap()).unwrap();
    assert_eq!((&claims["sub"], &claims["aud"]), (&"alice".into(), &"es256".into()));
    assert_eq!(claims["iss"], "https://issuer.test");
}

#[test]
fn s_oi_15_claims_of_others_come_within_or_from_an_endpoint() {
    let provider = |source| Provider::builder().openid(OpenId::new().claim_source(source)).build();
    let source = |provider: &Provider| {
        let claims = json(&by_header(provider, &text(&signed_in(provider, "app", &[]), "access_token")));
        let name = claims["_claim_names"]["credit_score"].as_str().unwrap().to_owned();
        claims["_claim_sources"][name].clone()
    };
    let aggregated = provider(ClaimSource::Aggregated);
    let claims = verified(&aggregated, &text(&source(&aggregated), "JWT")).unwrap();
    assert_eq!(claims["credit_score"], 650);
    let distributed = provider(ClaimSource::Distributed);
    let source = source(&distributed);
    let url = text(&source, "endpoint");
    assert_eq!(get(&distributed, &url, None).status(), StatusCode::UNAUTHORIZED);
    let response = get(&distributed, &url, Some(&text(&source, "access_token")));
    let claims = verified(&distributed, std::str::from_utf8(response.body()).unwrap()).unwrap();
    assert_eq!((&claims["credit_score"], distributed.count(Place::Claims)), (&650.into(), 2));
}

#[test]
fn a_pairwise_subject_is_another_before_each_sector() {
    let client = |id: &str, uri: &str| {
        RegisteredClient::confidential(id, SECRET).redirect_uri(uri).subject_type(SubjectType::Pairwise)
    };
    let provider = builder()
        .client(client("one", CB))
        .client(client("two", CB))
        .client(client("far", "https://other.test/cb").redirect_uri(CB))
        .build();
    let sub = |client| {
        let tokens = signed_in(&provider, client, &[]);
        let sub = text(&part(&text(&tokens, "id_token"), 1), "sub");
        assert_eq!(json(&by_header(&provider, &text(&tokens, "access_token")))["sub"], sub);
        sub
    };
    assert_eq!(sub("one"), sub("two"));
    assert_ne!(sub("one"), sub("far"));
    assert_ne!(sub("one"), "alice");
}

#[test]
fn a_user_is_looked_up_by_account_or_url() {
    let provider = provider();
    let ask = |resource: &str| {
        let url = format!("https://issuer.test/.well-known/webfinger?{}", encode(&[("resource", resource)]));
        get(&provider, &url, None)
    };
    for resource in ["acct:alice@issuer.test", "https://issuer.test/bob"] {
        let response = ask(resource);
        assert_eq!(response.headers()["content-type"], "application/jrd+json");
        let found = json(&response);
        assert_eq!(found["subject"], resource);
        assert_eq!(found["links"][0]["href"], "https://issuer.test");
    }
    for resource in ["acct:eve@issuer.test", "acct:alice@other.test", "https://other.test/alice", "alice"] {
        assert_eq!(ask(resource).status(), StatusCode::NOT_FOUND, "{resource}");
    }
    assert_eq!(provider.count(Place::WebFinger), 6);
}
