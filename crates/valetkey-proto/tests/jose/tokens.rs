//! Tokens: each claim, its type and its meaning.

use std::time::Duration;

use serde_json::{Value, json};
use valetkey_proto::{
    Env, ErrorKind, Reason, Timestamp,
    crypto::SignatureAlgorithm,
    jose::jwt::{Expected, Jwt, Kind, TokenHash, Validator, token_hash},
};

use crate::support::{NOW, env, refusal, signed, signing, verifying};

const ISSUER: &str = "https://op.example";

/// The claims of a good ID token, changed: `null` takes one away.
fn claims(changes: &Value) -> String {
    let mut claims = json!({
        "iss": ISSUER, "sub": "248289761001", "aud": "app", "exp": NOW + 600, "iat": NOW, "nonce": "n",
    });
    let members = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(members.remove(name)),
            value => drop(members.insert(name.clone(), value.clone())),
        }
    }
    claims.to_string()
}

fn validate_raw(payload: &str, expected: &Expected<'_>, env: &Env<'_>) -> valetkey_proto::Result<Jwt> {
    let token = signed(&signing(), r#"{"alg":"ES256"}"#, payload);
    Validator::new(Kind::IdToken, ISSUER, "app").validate(&token, &verifying(), expected, env)
}

fn validate(changes: Value) -> valetkey_proto::Result<Jwt> {
    validate_raw(&claims(&changes), &Expected::new().nonce("n"), &env())
}

fn reason(changes: Value) -> Reason {
    let what = changes.to_string();
    refusal(validate(changes), &what).1
}

#[test]
fn s_oi_01_the_issuer_is_exact() {
    assert!(validate(json!({})).is_ok());
    for iss in ["https://op.example/", "https://OP.example", "https://op.example:443", "op.example", ""] {
        assert_eq!(reason(json!({ "iss": iss })), Reason::IssuerMismatch, "{iss}");
    }
}

#[test]
fn s_oi_02_the_audience_is_the_client_and_nobody_else() {
    for aud in [
        json!("app2"),
        json!("ap"),
        json!("APP"),
        json!(""),
        json!([]),
        json!(["other"]),
        json!(["app", "other"]),
    ] {
        assert_eq!(reason(json!({ "aud": aud })), Reason::AudienceMismatch, "{aud}");
    }
    assert!(validate(json!({ "aud": ["app"] })).is_ok());
}

#[test]
fn s_oi_03_of_several_audiences_one_was_given_the_token() {
    assert!(validate(json!({ "aud": ["app"], "azp": "app" })).is_ok());
    assert_eq!(reason(json!({ "azp": "other" })), Reason::AudienceMismatch);
    let two = |azp: Value| {
        let token =
            signed(&signing(), r#"{"alg":"ES256"}"#, &claims(&json!({ "aud": ["api", "app"], "azp": azp })));
        let validator = Validator::new(Kind::IdToken, ISSUER, "app").with_trusted_audience("api");
        validator.validate(&token, &verifying(), &Expected::new().nonce("n"), &env()).map(|_| ())
    };
    assert!(two(json!("app")).is_ok());
    for azp in [Value::Null, json!("api")] {
        assert_eq!(refusal(two(azp.clone()), "azp").1, Reason::AudienceMismatch, "{azp}");
    }
}

#[test]
fn s_oi_06_times_are_compared_with_one_leeway() {
    let cases = [
        (json!({ "exp": NOW - 29 }), None),
        (json!({ "exp": NOW - 30 }), Some(Reason::JwtExpired)),
        (json!({ "exp": 0 }), Some(Reason::JwtExpired)),
        (json!({ "exp": NOW as f64 + 0.5 }), None),
        (json!({ "exp": i64::MAX }), None),
        (json!({ "exp": u64::MAX }), None),
        (json!({ "exp": 1e300 }), None),
        (json!({ "nbf": NOW + 30 }), None),
        (json!({ "nbf": NOW + 31 }), Some(Reason::NotYetValid)),
        (json!({ "iat": NOW + 30 }), None),
        (json!({ "iat": NOW + 31 }), Some(Reason::NotYetValid)),
        (json!({ "iat": i64::MAX }), Some(Reason::NotYetValid)),
        (json!({ "iat": NOW - 86_400 - 30 }), None),
        (json!({ "iat": NOW - 86_400 - 31 }), Some(Reason::JwtExpired)),
        (json!({ "iat": NOW - 7 * 86_400 }), Some(Reason::JwtExpired)),
        (json!({ "auth_time": NOW + 31 }), Some(Reason::NotYetValid)),
    ];
    for (changes, expected) in cases {
        let refused = validate(changes.clone()).err().map(|error| error.reason());
        assert_eq!(refused, expected, "{changes}");
    }
    // A leeway is at most a minute.
    let token = signed(&signing(), r#"{"alg":"ES256"}"#, &claims(&json!({ "exp": NOW - 60 })));
    let generous = Validator::new(Kind::IdToken, ISSUER, "app").with_leeway(Duration::from_secs(1_000_000));
    let refused =
        refusal(generous.validate(&token, &verifying(), &Expected::new().nonce("n"), &env()), "a minute");
    assert_eq!(refused, (ErrorKind::Expired, Reason::JwtExpired));
    // No clock breaks the arithmetic.
    for now in [i64::MIN, -1, 0, i64::MAX] {
        let env = Env { now: Timestamp::from_millis(now), ..env() };
        assert!(validate_raw(&claims(&json!({})), &Expected::new().nonce("n"), &env).is_err());
    }
}

#[test]
fn s_jw_11_a_claim_of_a_wrong_type_is_not_absent() {
    let wrong_times = [r#""1700000600""#, "null", "[]", "{}", "true", "1e400", "-1", "-0.5", r#""""#, "NaN"];
    let wrong_texts = ["null", "[]", "{}", "true", "1", r#"["x"]"#];
    let cases = [
        ("exp", &wrong_times[..]),
        ("iat", &wrong_times),
        ("nbf", &wrong_times),
        ("auth_time", &wrong_times),
    ]
    .into_iter()
    .chain(
        ["iss", "sub", "nonce", "jti", "azp", "acr", "at_hash", "c_hash", "s_hash", "sid"]
            .map(|name| (name, &wrong_texts[..])),
    )
    .chain([("aud", &["null", "1", "{}", "true", r#"["app",1]"#, r#"[["app"]]"#, r#"[null]"#][..])]);
    for (name, values) in cases {
        for value in values {
            let mut rest = claims(&json!({ name: null }));
            rest.pop();
            let payload = format!(r#"{rest},"{name}":{value}}}"#);
            let refused = refusal(validate_raw(&payload, &Expected::new().nonce("n"), &env()), &payload);
            assert_eq!(refused, (ErrorKind::Protocol, Reason::Malformed), "{payload}");
        }
    }
    let twice = claims(&json!({})).replace('{', r#"{"aud":"other","#);
    assert_eq!(
        refusal(validate_raw(&twice, &Expected::new().nonce("n"), &env()), "twice").1,
        Reason::DuplicateParameter
    );
    for payload in ["", "null", "[]", "\"x\"", "{", "{}x", "\u{feff}{}"] {
        let refused = refusal(validate_raw(payload, &Expected::new(), &env()), payload);
        assert_eq!(refused, (ErrorKind::Protocol, Reason::Malformed), "{payload}");
    }
    let deep = claims(&json!({})).replace('{', &format!(r#"{{"x":{}0{},"#, "[".repeat(16), "]".repeat(16)));
    assert_eq!(refusal(validate_raw(&deep, &Expected::new(), &env()), "deep").1, Reason::TooLarge);
}

#[test]
fn subjects_are_texts_of_a_length_and_never_the_issuer() {
    assert!(validate(json!({ "sub": "s".repeat(255) })).is_ok());
    for sub in ["", &"s".repeat(256)] {
        assert_eq!(reason(json!({ "sub": sub })), Reason::Malformed);
    }
    assert_eq!(reason(json!({ "sub": ISSUER })), Reason::KindMismatch);
    let other = validate_raw(&claims(&json!({})), &Expected::new().nonce("n").subject("other"), &env());
    assert_eq!(refusal(other, "subject"), (ErrorKind::Untrusted, Reason::SubjectMismatch));
}

#[test]
fn s_oi_07_the_nonce_that_was_sent_comes_back_and_no_other() {
    for nonce in [json!("N"), json!("n "), json!(""), Value::Null] {
        assert_eq!(reason(json!({ "nonce": nonce })), Reason::NonceMismatch, "{nonce}");
    }
    let unasked = validate_raw(&claims(&json!({})), &Expected::new(), &env());
    assert_eq!(refusal(unasked, "a nonce that was not sent"), (ErrorKind::Untrusted, Reason::NonceMismatch));
    assert!(validate_raw(&claims(&json!({ "nonce": null })), &Expected::new(), &env()).is_ok());
}

#[test]
fn s_oi_08_the_user_was_authenticated_as_was_asked_for() {
    let ask = |changes: Value, expected: Expected<'_>| {
        validate_raw(&claims(&changes), &expected.nonce("n"), &env()).err().map(|error| error.reason())
    };
    let recent = Expected::new().max_age(Duration::from_secs(300));
    assert_eq!(ask(json!({ "auth_time": NOW - 330 }), recent), None);
    assert_eq!(ask(json!({ "auth_time": NOW - 331 }), recent), Some(Reason::AuthenticationTooOld));
    assert_eq!(ask(json!({}), recent), Some(Reason::MissingParameter));
    let silver = Expected::new().acr(&["silver", "gold"]);
    assert_eq!(ask(json!({ "acr": "gold" }), silver), None);
    for changes in [json!({}), json!({ "acr": "Gold" }), json!({ "acr": "" })] {
        assert_eq!(ask(changes, silver), Some(Reason::AuthenticationMismatch));
    }
}

#[test]
fn s_oi_09_hashes_bind_the_token_to_what_came_with_it() {
    let hash = |value| token_hash(SignatureAlgorithm::Es256, value, env().crypto);
    let came = Expected::new().nonce("n").access_token("token").code("code").state("state");
    let ask = |changes: Value, expected: Expected<'_>| {
        validate_raw(&claims(&changes), &expected, &env()).err().map(|error| error.reason())
    };
    assert_eq!(ask(json!({}), came), None, "without the browser they may be left out");
    assert_eq!(ask(json!({}), came.through_browser()), Some(Reason::MissingParameter));
    assert_eq!(
        ask(json!({ "at_hash": hash("token") }), came.through_browser()),
        Some(Reason::MissingParameter)
    );
    let good = json!({ "at_hash": hash("token"), "c_hash": hash("code"), "s_hash": hash("state") });
    assert_eq!(ask(good.clone(), came.through_browser()), None);
    for kind in [TokenHash::AccessToken, TokenHash::Code, TokenHash::State] {
        let other = token_hash(SignatureAlgorithm::Es384, "token", env().crypto);
        for wrong in [hash("another"), String::new(), format!("{}=", hash("token")), other] {
            let mut changes = good.clone();
            changes[kind.claim()] = json!(wrong);
            assert_eq!(ask(changes, came), Some(Reason::BindingMismatch), "{}: {wrong}", kind.claim());
        }
    }
}

#[test]
fn s_oi_11_the_hash_of_the_state_is_compared() {
    let hash = |value| token_hash(SignatureAlgorithm::Es256, value, env().crypto);
    let came = Expected::new().nonce("n").state("state");
    for (claim, taken) in [(hash("state"), true), (hash("State"), false), (String::new(), false)] {
        let verdict = validate_raw(&claims(&json!({ "s_hash": claim })), &came, &env());
        assert_eq!(verdict.is_ok(), taken, "{claim}");
    }
}

#[test]
fn what_was_validated_can_be_asked() {
    let jwt = validate(json!({ "sub": "\u{e9}\"", "sid": "s", "auth_time": NOW - 5, "groups": ["a", "b"] }))
        .unwrap();
    assert_eq!((jwt.kind(), jwt.algorithm()), (Kind::IdToken, SignatureAlgorithm::Es256));
    assert_eq!((jwt.issuer(), jwt.subject(), jwt.nonce()), (Some(ISSUER), Some("\u{e9}\""), Some("n")));
    assert_eq!((jwt.session(), jwt.id()), (Some("s"), None));
    assert_eq!(jwt.expires_at(), Some(Timestamp::from_secs(NOW + 600)));
    assert_eq!(
        (jwt.issued_at(), jwt.authenticated_at()),
        (Some(Timestamp::from_secs(NOW)), Some(Timestamp::from_secs(NOW - 5)))
    );
    assert_eq!(jwt.claim::<Vec<String>>("groups").unwrap(), ["a", "b"]);
    assert_eq!((jwt.claim::<String>("groups"), jwt.claim::<String>("none")), (None, None));
    assert!(!format!("{jwt:?}").contains("op.example"));
}
