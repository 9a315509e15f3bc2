//! Grants that are registered one by one, by requests made by hand (RFC 8693, RFC 7522, RFC 6749 §4.2, §4.3, §4.5).

use crate::common::*;
use http::StatusCode;
use serde_json::Value;
use valetkey_http::Response;
use valetkey_testkit::{Grant, Provider, RegisteredClient};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

fn provider() -> Provider {
    let grants = [
        Grant::TokenExchange,
        Grant::SamlBearer,
        Grant::Password,
        Grant::Implicit,
        Grant::Extension("urn:own".into()),
    ];
    Provider::builder()
        .client(RegisteredClient::confidential("all", "s3cret").redirect_uri(CB).grants(grants))
        .outside_token("alices", "alice")
        .outside_token("robots", "robot")
        .password("alice", "pw")
        .build()
}

fn ask(provider: &Provider, form: &[(&str, &str)]) -> Response {
    post(provider, "/token", basic("all", "s3cret"), form)
}

fn exchange(provider: &Provider, more: &[(&str, &str)]) -> Response {
    let mut form = vec![("grant_type", EXCHANGE)];
    form.extend(more);
    ask(provider, &form)
}

fn who(provider: &Provider, answer: &Response) -> Value {
    assert_eq!(answer.status(), StatusCode::OK, "{:?}", error(answer));
    let token = text(&json(answer), "access_token");
    json(&get(provider, &provider.api("me"), Some(&token)))
}

#[test]
fn an_exchange_names_the_subject_the_actor_and_what_was_issued() {
    let provider = provider();
    let subject = [("subject_token", "alices"), ("subject_token_type", JWT)];
    let answer = exchange(&provider, &subject);
    assert_eq!(json(&answer)["issued_token_type"], ACCESS_TOKEN);
    assert_eq!(json(&answer)["token_type"], "Bearer");
    assert!(json(&answer).get("refresh_token").is_none());
    let said = who(&provider, &answer);
    assert!(said["sub"] == "alice" && said.get("act").is_none());

    let own = text(&json(&answer), "access_token");
    let both = [
        ("subject_token", own.as_str()),
        ("subject_token_type", ACCESS_TOKEN),
        ("actor_token", "robots"),
        ("actor_token_type", JWT),
        ("audience", "a"),
        ("audience", "b"),
        ("resource", "https://a.test"),
        ("resource", "https://b.test"),
        ("scope", "read"),
    ];
    let said = who(&provider, &exchange(&provider, &both));
    assert_eq!(
        (&said["sub"], &said["act"]["sub"], &said["scope"]),
        (&"alice".into(), &"robot".into(), &"read".into())
    );
}

#[test]
fn what_is_no_access_token_opens_no_api_and_can_be_exchanged_again() {
    let provider = provider();
    let subject = [("subject_token", "alices"), ("subject_token_type", JWT), ("requested_token_type", JWT)];
    let answer = json(&exchange(&provider, &subject));
    assert_eq!((&answer["token_type"], &answer["issued_token_type"]), (&"N_A".into(), &JWT.into()));
    let ticket = text(&answer, "access_token");
    assert_eq!(me(&provider, &ticket), StatusCode::UNAUTHORIZED);
    let again = exchange(&provider, &[("subject_token", &ticket), ("subject_token_type", JWT)]);
    assert_eq!(who(&provider, &again)["sub"], "alice");
}

#[test]
fn an_exchange_is_refused_by_the_letter() {
    let provider = provider();
    let good = ("subject_token", "alices");
    let typed = ("subject_token_type", JWT);
    for (form, code) in [
        (vec![], "invalid_request"),
        (vec![good], "invalid_request"),
        (vec![typed], "invalid_request"),
        (vec![good, typed, ("actor_token", "robots")], "invalid_request"),
        (vec![good, typed, ("actor_token_type", JWT)], "invalid_request"),
        (vec![good, typed, ("requested_token_type", "urn:x")], "invalid_request"),
        (vec![good, typed, good], "invalid_request"),
        (vec![good, typed, ("scope", "a\"b")], "invalid_scope"),
        (vec![("subject_token", "unknown"), typed], "invalid_grant"),
        (vec![("subject_token", "unknown"), ("subject_token_type", ACCESS_TOKEN)], "invalid_request"),
        (vec![good, typed, ("actor_token", "unknown"), ("actor_token_type", JWT)], "invalid_grant"),
    ] {
        assert_eq!(
            error(&exchange(&provider, &form)),
            (StatusCode::BAD_REQUEST, code.to_owned()),
            "{form:?}"
        );
    }
}

#[test]
fn grants_are_for_clients_that_registered_them() {
    let provider = provider();
    let forms: [(&[(&str, &str)], &str); 5] = [
        (
            &[("grant_type", EXCHANGE), ("subject_token", "alices"), ("subject_token_type", JWT)],
            "unauthorized_client",
        ),
        (
            &[("grant_type", "urn:ietf:params:oauth:grant-type:saml2-bearer"), ("assertion", "alices")],
            "unauthorized_client",
        ),
        (&[("grant_type", "password"), ("username", "alice"), ("password", "pw")], "unauthorized_client"),
        (&[("grant_type", "urn:own")], "unsupported_grant_type"),
        (&[("grant_type", "implicit")], "unsupported_grant_type"),
    ];
    for (form, code) in forms {
        assert_eq!(error(&post(&provider, "/token", app(), form)).1, code, "{form:?}");
        let own = ask(&provider, form);
        assert_eq!(own.status() == StatusCode::OK, form[0].1 != "implicit", "{form:?}");
    }
    for wrong in [[("username", "alice"), ("password", "other")], [("username", "bob"), ("password", "pw")]] {
        let form = [&[("grant_type", "password")], &wrong[..]].concat();
        assert_eq!(error(&ask(&provider, &form)).1, "invalid_grant");
    }
}

#[test]
fn a_token_comes_by_the_fragment_and_to_registered_clients_alone() {
    let provider = provider();
    let url = |client: &str, more: &[(&str, &str)]| {
        let more =
            [&[("response_type", "token"), ("code_challenge", ""), ("code_challenge_method", "")], more]
                .concat();
        authorize_url(&provider, client, CB, &more)
    };
    let callback = provider.visit(url("all", &[])).unwrap();
    let (page, fragment) = callback.split_once('#').unwrap();
    assert_eq!(page, CB);
    let answer: Vec<(String, String)> = form_urlencoded::parse(fragment.as_bytes()).into_owned().collect();
    let part = |name: &str| answer.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    assert_eq!((part("token_type"), part("state"), part("code")), (Some("Bearer"), Some("state-1"), None));
    assert_eq!(me(&provider, part("access_token").unwrap()), StatusCode::OK);

    let refused = provider.visit(url("app", &[])).unwrap();
    assert_eq!(param(&refused, "error").as_deref(), Some("unsupported_response_type"));
    let in_query = provider.visit(url("all", &[("response_mode", "query")])).unwrap();
    assert!(in_query.contains("#error=invalid_request"), "{in_query}");

    let document = json(&get(&provider, "https://issuer.test/.well-known/openid-configuration", None));
    let has =
        |member: &str, value: &str| document[member].as_array().unwrap().iter().any(|known| known == value);
    assert!(has("response_types_supported", "token") && has("grant_types_supported", EXCHANGE));
    let plain = Provider::new();
    let document = json(&get(&plain, "https://issuer.test/.well-known/openid-configuration", None));
    assert_eq!(document["response_types_supported"], serde_json::json!(["code"]));
}
