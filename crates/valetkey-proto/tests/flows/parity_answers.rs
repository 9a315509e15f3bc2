//! What users of oauthlib (OL) and Authlib (AL) have it read, read here: answers with tokens, errors, and tokens that were kept.
//! Where the outcome must be another than there, the test says so.

use std::time::Duration;

use valetkey_proto::{
    ErrorCode, ErrorKind, Reason, Result, Timestamp,
    oauth2::{
        Scope,
        client::ClientId,
        server::Issuer,
        token::{GrantedScope, Quirk, Strictness, TokenRecord, TokenResponse, TokenSet, TokenType},
    },
    secret::{AccessToken, RefreshToken},
};

use crate::transcript::{START, answer, json};

fn read(status: u16, media_type: &str, body: &str) -> Result<TokenResponse> {
    TokenResponse::parse(&answer(status, media_type, body), START, Strictness::Lenient)
}

/// A good answer with these members.
fn with(members: &str) -> Result<TokenResponse> {
    read(200, "application/json", &format!(r#"{{"access_token":"at"{members}}}"#))
}

fn held(members: &str, asked: &str) -> TokenSet {
    TokenSet::of(&with(members).unwrap(), Some(&Scope::parse(asked).unwrap())).unwrap()
}

#[test]
fn ol_1_what_came_can_be_read_part_by_part() {
    let members =
        r#","token_type":"bearer","expires_in":3600,"refresh_token":"rt","scope":"a b","user_id":7"#;
    let response = with(members).unwrap();
    assert_eq!(response.access_token().expose(), "at");
    assert_eq!(response.refresh_token().map(RefreshToken::expose), Some("rt"));
    assert_eq!((response.token_type(), response.token_type().as_str()), (&TokenType::Bearer, "Bearer"));
    assert_eq!(response.lifetime(), Some(Duration::from_secs(3600)));
    assert_eq!(response.expires_at(), Some(Timestamp::from_secs(START.as_secs() + 3600)));
    assert_eq!(response.scope().map(|scope| scope.iter().collect::<Vec<_>>()), Some(vec!["a", "b"]));
    assert_eq!(response.extra::<u8>("user_id"), Some(7));
    let tokens = TokenSet::of(&response, None).unwrap();
    assert_eq!(tokens.access_token(), response.access_token());
    assert_eq!(tokens.refresh_token(), response.refresh_token());
    assert_eq!((tokens.lifetime(), tokens.expires_at()), (response.lifetime(), response.expires_at()));
    assert_eq!(tokens.scope().scope(), response.scope());
}

#[test]
fn ol_7_answers_in_json_and_forms_and_lifetimes_of_every_kind() {
    let json = r#"{"access_token":"at","token_type":"Bearer","expires_in":60,"scope":"a b"}"#;
    let form = "access_token=at&token_type=Bearer&expires_in=60&scope=a+b";
    for (media_type, body) in [("application/json", json), ("text/plain", json), ("text/plain", form)] {
        let response = read(200, media_type, body).unwrap();
        assert_eq!(response.lifetime(), Some(Duration::from_secs(60)), "{body}");
        assert!(response.scope() == Some(&Scope::parse("b a").unwrap()), "{body}");
    }
    let lifetimes =
        [("60", Some(60)), ("60.4", Some(60)), ("\"60\"", Some(60)), ("null", None), ("\"soon\"", None)];
    for (text, seconds) in lifetimes {
        // There, what is no number is an error, and the token is lost.
        let response = with(&format!(r#","token_type":"Bearer","expires_in":{text}"#)).unwrap();
        assert_eq!(response.lifetime(), seconds.map(Duration::from_secs), "{text}");
        assert_eq!(response.quirks().contains(Quirk::LifetimeUnusable), text == "\"soon\"");
    }
    let list = with(r#","token_type":"Bearer","scope":["a","b"]"#).unwrap();
    assert!(list.scope() == Some(&Scope::parse("a b").unwrap()) && list.quirks().contains(Quirk::ScopeList));
    assert!(with("").unwrap().quirks().contains(Quirk::MissingTokenType));
    let strict = TokenResponse::parse(
        &answer(200, "application/json", r#"{"access_token":"at"}"#),
        START,
        Strictness::Strict,
    );
    assert_eq!(strict.unwrap_err().reason(), Reason::Malformed, "a token_type must be there if that is said");
    let refused =
        read(200, "application/json", r#"{"error":"invalid_scope","access_token":"at"}"#).unwrap_err();
    assert_eq!((refused.kind(), refused.reason()), (ErrorKind::Denied, Reason::RequestDenied));
    let missing = read(200, "application/json", r#"{"token_type":"Bearer"}"#).unwrap_err();
    assert_eq!((missing.kind(), missing.reason()), (ErrorKind::Protocol, Reason::MissingParameter));
    // There, a page is a missing token, and a list is no OAuth error at all.
    let page = read(502, "text/html", "<h1>Bad gateway</h1>").unwrap_err();
    assert_eq!((page.kind(), page.status().unwrap().as_u16()), (ErrorKind::Server, 502));
    assert_eq!(read(200, "application/json", "[]").unwrap_err().reason(), Reason::Malformed);
}

#[test]
fn ol_7_netatmo_says_expire_in_besides_and_lists_its_scopes() {
    let body = r#"{"scope":["read_station","read_thermostat"],"access_token":"5a2|91","refresh_token":"5a2|92",
                   "expires_in":10800,"expire_in":10800}"#;
    let response = read(200, "application/json", body).unwrap();
    assert_eq!(response.lifetime(), Some(Duration::from_secs(10_800)));
    assert_eq!(response.scope().unwrap().as_str(), "read_station read_thermostat");
    assert_eq!(response.extra::<u32>("expire_in"), Some(10_800));
    assert_eq!(
        response.quirks().iter().collect::<Vec<_>>(),
        [Quirk::MissingTokenType, Quirk::ScopeList],
        "all of it is noted"
    );
}

#[test]
fn ol_8_and_t8_another_scope_is_a_note_and_no_error() {
    let bearer = |scope: &str| format!(r#","token_type":"Bearer","scope":{scope}"#);
    for (scope, granted) in
        [("\"a\"", "a"), ("\"a b c\"", "a b c"), ("\"a,b\"", "a,b"), ("\"\"", ""), ("[\"c\"]", "c")]
    {
        let tokens = held(&bearer(scope), "a b");
        assert!(matches!(tokens.scope(), GrantedScope::Explicit(is) if is.as_str() == granted), "{scope}");
        assert_eq!(tokens.access_token().expose(), "at", "nothing is lost");
    }
    // What is missing and what is more is for who wants to know.
    let (asked, tokens) = (Scope::parse("a b").unwrap(), held(&bearer("\"b c\""), "a b"));
    let granted = tokens.scope().scope().unwrap();
    assert_eq!(asked.iter().filter(|scope| !granted.contains(scope)).collect::<Vec<_>>(), ["a"]);
    assert_eq!(granted.iter().filter(|scope| !asked.contains(scope)).collect::<Vec<_>>(), ["c"]);
}

#[test]
fn t8_a_scope_that_is_not_said_is_what_was_asked_for() {
    for members in [r#","token_type":"Bearer""#, r#","token_type":"Bearer","scope":null"#] {
        let tokens = held(members, "a b");
        assert!(matches!(tokens.scope(), GrantedScope::Requested(Some(scope)) if scope.as_str() == "a b"));
    }
}

#[test]
fn ol_14_tokens_of_another_library_are_taken_over() {
    // As its dictionary has them: a lifetime that has begun long ago, and when it ends.
    let text = r#"{"access_token":"at","token_type":"Bearer","expires_in":3600,"expires_at":1700000900.5,
                   "refresh_token":"rt","scope":["a","b"]}"#;
    let kept: serde_json::Value = serde_json::from_str(text).unwrap();
    let member = |name: &str| kept[name].as_str().unwrap();
    let expires_at = kept["expires_at"].as_f64().map(|secs| Timestamp::from_secs(secs as i64));
    let tokens = TokenSet::of_parts(AccessToken::bearer(member("access_token")).unwrap(), expires_at, START)
        .with_refresh_token(RefreshToken::new(member("refresh_token")))
        .with_scope(Scope::parse("a b").unwrap());
    assert_eq!(tokens.expires_at(), Some(Timestamp::from_secs(1_700_000_900)));
    let is_early = |secs: i64| tokens.is_stale(Timestamp::from_secs(1_700_000_900 + secs));
    assert!(!tokens.is_stale(START) && !is_early(-11) && is_early(-10));
    assert!(is_kept_as_it_is(tokens));
}

fn is_kept_as_it_is(tokens: TokenSet) -> bool {
    let (issuer, client) = (Issuer::parse("https://as.example").unwrap(), ClientId::parse("app").unwrap());
    let record = TokenRecord::new(issuer, client, 0, tokens);
    TokenRecord::parse(record.to_text().expose()).unwrap().tokens() == record.tokens()
}

#[test]
fn ol_14_tokens_that_have_expired_or_never_do_are_taken_over_as_such() {
    let token = || AccessToken::bearer("at").unwrap();
    for ago in [0, 1, 86_400, i64::MAX / 2000] {
        let tokens = TokenSet::of_parts(token(), Some(Timestamp::from_secs(START.as_secs() - ago)), START);
        assert!(tokens.is_expired(START) && tokens.is_stale(START), "{ago}");
    }
    let unknown = TokenSet::of_parts(token(), None, START);
    assert_eq!((unknown.expires_at(), unknown.refresh_token()), (None, None));
    assert!(!unknown.is_stale(Timestamp::from_millis(i64::MAX)));
    for end in [i64::MIN, i64::MAX] {
        let tokens = TokenSet::of_parts(token(), Some(Timestamp::from_millis(end)), START);
        assert_eq!(tokens.is_expired(START), end == i64::MIN);
        assert!(is_kept_as_it_is(tokens));
    }
    // It ends when it ended, and is renewed ten seconds before.
    for (now, left) in [(0, 900_000), (1, 899_999), (999, 899_001), (0, 1), (500, 10_000), (0, 10_001)] {
        let (now, end) = (START + Duration::from_millis(now), START + Duration::from_millis(now + left));
        let tokens = TokenSet::of_parts(token(), Some(end), now);
        assert!(tokens.expires_at() == Some(end) && !tokens.is_expired(now), "{left}");
        assert_eq!(tokens.is_stale(now), left <= 10_000, "{left}");
        assert!(is_kept_as_it_is(tokens), "{left}");
    }
}

#[test]
fn al_22_a_token_knows_when_it_ends_or_that_nobody_said() {
    for lifetime in ["100", "\"100\"", "100.0"] {
        let tokens = held(&format!(r#","token_type":"Bearer","expires_in":{lifetime}"#), "a");
        let expired = |secs: u64| tokens.is_expired(START + Duration::from_secs(secs));
        assert_eq!(tokens.expires_at(), Some(START + Duration::from_secs(100)), "{lifetime}");
        assert!(!expired(99) && expired(100), "{lifetime}");
        // The leeway: a tenth of the lifetime, ten seconds at most.
        let stale = |secs: u64| tokens.is_stale(START + Duration::from_secs(secs));
        assert!(!stale(89) && stale(90), "{lifetime}");
    }
    let silent = held(r#","token_type":"Bearer""#, "a");
    assert_eq!((silent.expires_at(), silent.lifetime()), (None, None));
    assert!(!silent.is_expired(Timestamp::from_millis(i64::MAX)), "unknown is not expired");
}

/// The names that oauthlib gives to what servers say.
const NAMES: [&str; 20] = [
    "invalid_request",
    "unauthorized_client",
    "access_denied",
    "unsupported_response_type",
    "invalid_scope",
    "server_error",
    "temporarily_unavailable",
    "invalid_client",
    "invalid_grant",
    "unsupported_grant_type",
    "unsupported_token_type",
    "invalid_token",
    "insufficient_scope",
    "consent_required",
    "login_required",
    "account_selection_required",
    "interaction_required",
    "authorization_pending",
    "slow_down",
    "expired_token",
];

#[test]
fn ol_22_every_error_has_a_name_and_what_has_none_keeps_its_text() {
    for name in NAMES {
        let code = ErrorCode::from(name);
        assert!(!matches!(code, ErrorCode::Other(_)) && code.as_str() == name, "{name}");
        let body = format!(
            r#"{{"error":"{name}","error_description":"why","error_uri":"https://as.example/{name}"}}"#
        );
        let error = TokenResponse::parse(&json(400, &body), START, Strictness::Lenient).unwrap_err();
        let response = error.response().unwrap();
        assert_eq!((response.code(), response.description()), (&code, Some("why")));
        assert_eq!(response.uri(), Some(format!("https://as.example/{name}").as_str()));
        assert_eq!((error.kind(), error.status().unwrap().as_u16()), (ErrorKind::Denied, 400));
    }
    let other =
        TokenResponse::parse(&json(400, r#"{"error":"bad_verification_code"}"#), START, Strictness::Lenient);
    let other = other.unwrap_err();
    assert_eq!(other.response().unwrap().code(), &ErrorCode::Other("bad_verification_code".into()));
    assert!(other.to_string().contains("bad_verification_code"), "{other}");
}
