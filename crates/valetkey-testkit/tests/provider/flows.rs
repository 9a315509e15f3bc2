//! The code flow, refresh tokens, revocation and resources, and how the provider is handled.

use std::{panic::AssertUnwindSafe, time::Duration};

use crate::common::*;
use http::StatusCode;
use valetkey_http::Backend;
use valetkey_testkit::{
    AuthMethod, Place, Provider, RegisteredClient, SPECIAL_SECRET, User, VisitError, WellKnown,
};

const INVALID_GRANT: (StatusCode, &str) = (StatusCode::BAD_REQUEST, "invalid_grant");

fn assert_error(response: &valetkey_http::Response, expected: (StatusCode, &str)) {
    assert_eq!(error(response), (expected.0, expected.1.to_owned()));
}

#[test]
fn the_code_flow_ends_at_the_user() {
    let provider = Provider::new();
    let callback = provider.visit(authorize_url(&provider, "app", CB, &[])).unwrap();
    assert!(callback.starts_with("https://client.test/cb?"));
    assert_eq!(param(&callback, "state").as_deref(), Some("state-1"));
    assert_eq!(param(&callback, "iss").as_deref(), Some("https://issuer.test"));
    let response = redeem(&provider, &param(&callback, "code").unwrap());
    assert_eq!(response.headers()["cache-control"], "no-store");
    let tokens = json(&response);
    assert_eq!((tokens["token_type"].as_str(), tokens["expires_in"].as_u64()), (Some("Bearer"), Some(3600)));
    assert_eq!(tokens["scope"], "read write");
    let me = get(&provider, &provider.api("me"), Some(&text(&tokens, "access_token")));
    assert_eq!(json(&me)["sub"], "alice");
}

#[test]
fn the_same_seed_brings_the_same_flow() {
    let tokens = |seed| log_in(&Provider::builder().seed(seed).build());
    assert_eq!(tokens(1), tokens(1));
    assert_ne!(tokens(1), tokens(2));
}

#[test]
fn s_tk_18_a_code_is_good_once_and_its_tokens_die_with_the_second_try() {
    let provider = Provider::new();
    let callback = provider.visit(authorize_url(&provider, "app", CB, &[])).unwrap();
    let code = param(&callback, "code").unwrap();
    let tokens = json(&redeem(&provider, &code));
    let token = text(&tokens, "access_token");
    assert_eq!(me(&provider, &token), StatusCode::OK);
    assert_error(&redeem(&provider, &code), INVALID_GRANT);
    assert_eq!(me(&provider, &token), StatusCode::UNAUTHORIZED);
    assert_error(&refresh(&provider, &text(&tokens, "refresh_token")), INVALID_GRANT);
}

#[test]
fn a_code_is_bound_to_time_client_redirect_uri_and_verifier() {
    let provider = Provider::new();
    let redeem_with = |more: &[(&str, &str)], authorization: Option<String>, wait: u64| {
        let callback = provider.visit(authorize_url(&provider, "app", CB, &[])).unwrap();
        provider.advance(Duration::from_secs(wait));
        let code = param(&callback, "code").unwrap();
        let mut form = vec![("grant_type", "authorization_code"), ("code", code.as_str())];
        form.extend([("redirect_uri", CB), ("code_verifier", VERIFIER)]);
        form.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
        form.extend(more);
        post(&provider, "/token", authorization, &form)
    };
    assert_eq!(redeem_with(&[], app(), 59).status(), StatusCode::OK);
    assert_error(&redeem_with(&[], app(), 60), INVALID_GRANT);
    assert_error(&redeem_with(&[], basic("special", SPECIAL_SECRET), 0), INVALID_GRANT);
    assert_error(&redeem_with(&[("redirect_uri", "")], app(), 0), INVALID_GRANT);
    assert_error(&redeem_with(&[("redirect_uri", "https://client.test/cb/")], app(), 0), INVALID_GRANT);
    assert_error(&redeem_with(&[("code_verifier", "")], app(), 0), INVALID_GRANT);
    assert_error(&redeem_with(&[("code_verifier", &"x".repeat(43))], app(), 0), INVALID_GRANT);
    let twice = redeem_with(&[("code", "one"), ("code", "two")], app(), 0);
    assert_error(&twice, (StatusCode::BAD_REQUEST, "invalid_request"));
}

#[test]
fn a_verifier_without_a_challenge_is_a_downgrade() {
    let provider = Provider::new();
    let without = [("code_challenge", ""), ("code_challenge_method", "")];
    let callback = provider.visit(authorize_url(&provider, "app", CB, &without)).unwrap();
    assert_error(&redeem(&provider, &param(&callback, "code").unwrap()), INVALID_GRANT);
}

#[test]
fn refresh_tokens_rotate_and_reuse_ends_the_grant() {
    let provider = Provider::new();
    let first = log_in(&provider);
    let second = json(&refresh(&provider, &text(&first, "refresh_token")));
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    let token = text(&second, "access_token");
    assert_eq!(me(&provider, &token), StatusCode::OK);
    assert_error(&refresh(&provider, &text(&first, "refresh_token")), INVALID_GRANT);
    assert_eq!(me(&provider, &token), StatusCode::UNAUTHORIZED);
    assert_error(&refresh(&provider, &text(&second, "refresh_token")), INVALID_GRANT);
}

#[test]
fn rotation_may_be_off_or_graceful_and_tokens_end() {
    let steady = Provider::builder().rotation(false).build();
    let tokens = log_in(&steady);
    for _ in 0..2 {
        let again = json(&refresh(&steady, &text(&tokens, "refresh_token")));
        assert!(again.get("refresh_token").is_none());
    }
    let graceful = Provider::builder().rotation_grace(Duration::from_secs(10)).build();
    let token = text(&log_in(&graceful), "refresh_token");
    assert_eq!(refresh(&graceful, &token).status(), StatusCode::OK);
    graceful.advance(Duration::from_secs(9));
    assert_eq!(refresh(&graceful, &token).status(), StatusCode::OK);
    graceful.advance(Duration::from_secs(1));
    assert_error(&refresh(&graceful, &token), INVALID_GRANT);
    let short = Provider::builder().refresh_token_lifetime(Duration::from_secs(5)).build();
    let token = text(&log_in(&short), "refresh_token");
    short.advance(Duration::from_secs(5));
    assert_error(&refresh(&short, &token), INVALID_GRANT);
    let none = Provider::builder().refresh_tokens(false).build();
    assert!(log_in(&none).get("refresh_token").is_none());
}

#[test]
fn s_tk_14_a_refresh_may_narrow_the_scope_and_not_widen_it() {
    let provider = Provider::new();
    let token = text(&log_in(&provider), "refresh_token");
    let ask = |scope, token: &str| {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token), ("scope", scope)];
        post(&provider, "/token", app(), &form)
    };
    assert_error(&ask("read admin", &token), (StatusCode::BAD_REQUEST, "invalid_scope"));
    let narrowed = json(&ask("read", &token));
    assert_eq!(narrowed["scope"], "read");
    let restored = json(&refresh(&provider, &text(&narrowed, "refresh_token")));
    assert_eq!(restored["scope"], "read write");
}

#[test]
fn s_tk_03_each_way_of_client_authentication() {
    let provider = Provider::new();
    let ask = |authorization: Option<String>, more: &[(&str, &str)]| {
        let mut form = vec![("grant_type", "client_credentials"), ("scope", "read")];
        form.extend(more);
        post(&provider, "/token", authorization, &form)
    };
    let good = [
        ask(basic("service", "service-secret"), &[]),
        ask(basic("service", "service-secret"), &[("client_id", "service")]),
        ask(None, &[("client_id", "service"), ("client_secret", "service-secret")]),
        ask(basic("special", SPECIAL_SECRET), &[]),
        ask(None, &[("client_id", "special"), ("client_secret", SPECIAL_SECRET)]),
        // Unreserved characters left alone, all others as %XX: `base64("special:p%40ss…")`.
        ask(Some(format!("basic {}", base64(&format!("special:{}", percent(SPECIAL_SECRET))))), &[]),
    ];
    for response in &good {
        assert_eq!(response.status(), StatusCode::OK);
        assert!(json(response).get("refresh_token").is_none());
    }
    let wrong = (StatusCode::UNAUTHORIZED, "invalid_client");
    for authorization in [
        basic("service", "wrong"),
        basic("nobody", "x"),
        basic("service", ""),
        Some(String::from("Basic !!!")),
        Some(String::from("Bearer x")),
        Some(format!("Basic {}", base64(&format!("special:{SPECIAL_SECRET}")))),
    ] {
        let response = ask(authorization, &[]);
        assert_error(&response, wrong);
        assert!(response.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic "));
    }
    let refused = ask(None, &[("client_id", "service"), ("client_secret", "wrong")]);
    assert_error(&refused, (StatusCode::BAD_REQUEST, "invalid_client"));
    assert_error(&ask(None, &[]), (StatusCode::BAD_REQUEST, "invalid_client"));
    let both = ask(app(), &[("client_id", "app"), ("client_secret", "app-secret")]);
    assert_error(&both, (StatusCode::BAD_REQUEST, "invalid_request"));
    let other = ask(app(), &[("client_id", "service")]);
    assert_error(&other, (StatusCode::BAD_REQUEST, "invalid_request"));
    let public = ask(None, &[("client_id", "native")]);
    assert_error(&public, (StatusCode::BAD_REQUEST, "unauthorized_client"));
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn percent(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encode).collect()
}

#[test]
fn a_method_may_be_closed_for_all_or_for_one() {
    let post_only = Provider::builder().auth_methods([AuthMethod::Post]).build();
    let form = [("grant_type", "client_credentials")];
    assert_eq!(post(&post_only, "/token", app(), &form).status(), StatusCode::UNAUTHORIZED);
    let metadata = get(&post_only, "https://issuer.test/.well-known/openid-configuration", None);
    assert_eq!(
        json(&metadata)["token_endpoint_auth_methods_supported"],
        serde_json::json!(["client_secret_post"])
    );
    let client = RegisteredClient::confidential("app", "other").auth_methods([AuthMethod::Basic]);
    let provider = Provider::builder().client(client).build();
    assert_eq!(post(&provider, "/token", basic("app", "other"), &form).status(), StatusCode::OK);
    let by_post = [form[0], ("client_id", "app"), ("client_secret", "other")];
    assert_error(&post(&provider, "/token", None, &by_post), (StatusCode::BAD_REQUEST, "invalid_client"));
}

#[test]
fn a_public_client_logs_in_on_any_loopback_port_and_with_pkce_only() {
    let provider = Provider::new();
    let uri = "http://127.0.0.1:49152/cb";
    let callback = provider.visit(authorize_url(&provider, "native", uri, &[])).unwrap();
    let code = param(&callback, "code").unwrap();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", "native"),
        ("code", &code),
        ("redirect_uri", uri),
        ("code_verifier", VERIFIER),
    ];
    assert_eq!(post(&provider, "/token", None, &form).status(), StatusCode::OK);
    for bare in [
        [("code_challenge", ""), ("code_challenge_method", "")],
        [("code_challenge", VERIFIER), ("code_challenge_method", "plain")],
        [("code_challenge", "short"), ("code_challenge_method", "S256")],
    ] {
        let callback = provider.visit(authorize_url(&provider, "native", uri, &bare)).unwrap();
        assert_eq!(param(&callback, "error").as_deref(), Some("invalid_request"));
        assert_eq!(param(&callback, "state").as_deref(), Some("state-1"));
    }
}

#[test]
fn s_az_14_what_cannot_be_trusted_gets_a_page_and_no_redirect() {
    let provider = Provider::new();
    for more in [
        &[("client_id", "nobody")][..],
        &[("redirect_uri", "https://client.test/cb2")],
        &[("redirect_uri", "")],
        &[("state", "one"), ("state", "two")],
    ] {
        match provider.visit(authorize_url(&provider, "app", CB, more)).unwrap_err() {
            VisitError::Page { status, .. } => assert_eq!(status, StatusCode::BAD_REQUEST),
            other => panic!("{other}"),
        }
    }
    for (more, code) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("response_mode", "fragment"), "invalid_request"),
        (("scope", "a  b"), "invalid_scope"),
    ] {
        let callback = provider.visit(authorize_url(&provider, "app", CB, &[more])).unwrap();
        assert_eq!(param(&callback, "error").as_deref(), Some(code));
    }
    assert_eq!(provider.visit("https://evil.test/authorize").unwrap_err(), VisitError::Elsewhere);
    assert_eq!(provider.visit("no url").unwrap_err(), VisitError::Elsewhere);
}

#[test]
fn a_user_may_refuse_or_be_another() {
    let provider = Provider::new();
    provider.set_user(User::refuses());
    let callback = provider.visit(authorize_url(&provider, "app", CB, &[])).unwrap();
    assert_eq!(param(&callback, "error").as_deref(), Some("access_denied"));
    assert_eq!(param(&callback, "iss").as_deref(), Some("https://issuer.test"));
    provider.set_user(User::approves("bob"));
    let token = text(&log_in(&provider), "access_token");
    assert_eq!(json(&get(&provider, &provider.api("me"), Some(&token)))["sub"], "bob");
}

#[test]
fn a_human_decides_once_on_a_page() {
    let provider = Provider::builder().user(User::interactive()).build();
    let url = authorize_url(&provider, "app", CB, &[("scope", "read <b>")]);
    let Err(VisitError::Page { status, html }) = provider.visit(url) else { panic!("no page") };
    assert_eq!(status, StatusCode::OK);
    assert!(html.contains("<li>&lt;b&gt;</li>") && !html.contains("<script"));
    let (_, rest) = html.split_once("name=\"ticket\" value=\"").unwrap();
    let (ticket, _) = rest.split_once('"').unwrap();
    let form = [("ticket", ticket), ("user", "bob"), ("decision", "approve")];
    let answer = post(&provider, "/authorize/decision", None, &form);
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert!(answer.headers()["location"].to_str().unwrap().contains("code="));
    assert_eq!(post(&provider, "/authorize/decision", None, &form).status(), StatusCode::BAD_REQUEST);
}

#[test]
fn resources_want_a_token_in_the_header_and_the_scope() {
    let provider = Provider::new();
    let token = text(&log_in(&provider), "access_token");
    let challenge = |response: &valetkey_http::Response| {
        (response.status(), response.headers()["www-authenticate"].to_str().unwrap().to_owned())
    };
    let admin = challenge(&get(&provider, &provider.api("admin"), Some(&token)));
    assert_eq!(admin.0, StatusCode::FORBIDDEN);
    assert!(admin.1.contains("error=\"insufficient_scope\""));
    let bare = challenge(&get(&provider, &provider.api("me"), None));
    assert_eq!(bare, (StatusCode::UNAUTHORIZED, String::from("Bearer realm=\"api\"")));
    let in_query = format!("{}?access_token={token}", provider.api("me"));
    assert_eq!(get(&provider, &in_query, Some(&token)).status(), StatusCode::BAD_REQUEST);
    provider.advance(Duration::from_secs(3600));
    let expired = challenge(&get(&provider, &provider.api("me"), Some(&token)));
    assert_eq!(expired.0, StatusCode::UNAUTHORIZED);
    assert!(expired.1.starts_with("Bearer ") && expired.1.contains("error=\"invalid_token\""));
}

#[test]
fn revocation_ends_a_token_or_a_whole_grant() {
    let provider = Provider::new();
    let tokens = log_in(&provider);
    let (access, renew) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
    let foreign = post(&provider, "/revoke", basic("service", "service-secret"), &[("token", &access)]);
    assert_error(&foreign, (StatusCode::BAD_REQUEST, "unauthorized_client"));
    let unknown = post(&provider, "/revoke", app(), &[("token", "unknown")]);
    assert_eq!((unknown.status(), unknown.body().len()), (StatusCode::OK, 0));
    assert_eq!(me(&provider, &access), StatusCode::OK);
    assert_eq!(post(&provider, "/revoke", app(), &[("token", &access)]).status(), StatusCode::OK);
    assert_eq!(me(&provider, &access), StatusCode::UNAUTHORIZED);
    let renewed = json(&refresh(&provider, &renew));
    let hint = [("token", renewed["refresh_token"].as_str().unwrap()), ("token_type_hint", "access_token")];
    assert_eq!(post(&provider, "/revoke", app(), &hint).status(), StatusCode::OK);
    assert_eq!(me(&provider, &text(&renewed, "access_token")), StatusCode::UNAUTHORIZED);
    assert_error(
        &post(&provider, "/revoke", None, &[("token", "x")]),
        (StatusCode::BAD_REQUEST, "invalid_client"),
    );
}

#[test]
fn the_test_may_revoke_behind_the_clients_back() {
    let provider = Provider::new();
    let tokens = log_in(&provider);
    provider.revoke_access_tokens();
    assert_eq!(me(&provider, &text(&tokens, "access_token")), StatusCode::UNAUTHORIZED);
    let renewed = json(&refresh(&provider, &text(&tokens, "refresh_token")));
    provider.revoke_grants();
    assert_error(&refresh(&provider, &text(&renewed, "refresh_token")), INVALID_GRANT);
}

#[test]
fn s_md_03_metadata_stands_where_it_was_told_to() {
    let provider = Provider::builder()
        .issuer("https://login.test/tenant")
        .documents([WellKnown::OAuthAuthorizationServer])
        .sends_iss(false)
        .build();
    let found = get(&provider, "https://login.test/.well-known/oauth-authorization-server/tenant", None);
    let document = json(&found);
    assert_eq!(document["issuer"], "https://login.test/tenant");
    assert_eq!(document["token_endpoint"], "https://login.test/tenant/token");
    assert!(document.get("authorization_response_iss_parameter_supported").is_none());
    for missing in [
        "https://login.test/tenant/.well-known/openid-configuration",
        "https://login.test/.well-known/oauth-authorization-server",
        "https://other.test/.well-known/oauth-authorization-server/tenant",
    ] {
        assert_eq!(get(&provider, missing, None).status(), StatusCode::NOT_FOUND);
    }
    let callback = provider.visit(authorize_url(&provider, "app", CB, &[])).unwrap();
    assert_eq!(param(&callback, "iss"), None);
}

#[test]
fn the_transcript_tells_what_came_and_shows_no_secret() {
    let provider = Provider::new();
    let mark = provider.mark();
    let callback = provider.visit(authorize_url(&provider, "app", CB, &[])).unwrap();
    provider.assert_quiet_since(mark);
    let code = param(&callback, "code").unwrap();
    let tokens = json(&redeem(&provider, &code));
    me(&provider, &text(&tokens, "access_token"));
    refresh(&provider, &text(&tokens, "refresh_token"));
    assert_eq!((provider.count(Place::Token), provider.count(Place::Authorize)), (2, 1));
    let transcript = provider.transcript();
    let token = &transcript[1];
    assert_eq!((token.place(), token.path(), token.param("code")), (Place::Token, "/token", Some(&*code)));
    assert_eq!(token.status(), Some(StatusCode::OK));
    assert!(!token.limits().unwrap().fresh);
    let shown = format!("{transcript:#?}");
    assert!(shown.contains("grant_type") && shown.contains("Basic ***") && shown.contains("Bearer ***"));
    for secret in
        [&code, VERIFIER, &text(&tokens, "access_token"), &text(&tokens, "refresh_token"), "state-1"]
    {
        assert!(!shown.contains(secret), "{secret}");
    }
    let quiet = std::panic::catch_unwind(AssertUnwindSafe(|| provider.assert_quiet_since(mark))).unwrap_err();
    assert!(quiet.downcast_ref::<String>().unwrap().starts_with("3 requests left the client"));
    assert_eq!(provider.requests_since(mark).len(), 4);
}

#[test]
fn tasks_are_handed_back_or_run() {
    use std::sync::mpsc;
    use valetkey_testkit::Spawning;

    assert!(Provider::new().spawn(Box::pin(async {})).is_err());
    let (sender, receiver) = mpsc::channel();
    for spawning in [Spawning::Thread, Spawning::with(valetkey_testkit::block_on)] {
        let sender = sender.clone();
        let provider = Provider::builder().spawning(spawning).build();
        assert!(provider.spawn(Box::pin(async move { sender.send(()).unwrap() })).is_ok());
        receiver.recv().unwrap();
    }
}

#[test]
fn a_provider_that_yields_can_be_left_half_way() {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };
    let provider = Provider::builder().yields(true).build();
    let request = || http::Request::get(provider.api("me")).body(bytes::Bytes::new()).unwrap();
    let mut context = Context::from_waker(Waker::noop());
    let mut send = pin!(provider.send(request(), valetkey_http::Limits::default()));
    let mut counts = Vec::new();
    loop {
        let polled = send.as_mut().poll(&mut context);
        counts.push(provider.count(Place::Resource));
        if let Poll::Ready(answer) = polled {
            assert_eq!(answer.unwrap().status(), StatusCode::UNAUTHORIZED);
            break;
        }
    }
    assert_eq!(counts, [0, 1, 1], "not yet arrived, arrived, answered");
}

#[test]
fn what_is_not_recorded_is_still_counted() {
    let provider = Provider::builder().records(false).build();
    let mark = provider.mark();
    log_in(&provider);
    assert!(provider.transcript().is_empty());
    assert_eq!(provider.count(Place::Token), 1);
    assert!(std::panic::catch_unwind(AssertUnwindSafe(|| provider.assert_quiet_since(mark))).is_err());
}
