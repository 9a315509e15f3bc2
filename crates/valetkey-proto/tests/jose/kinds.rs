//! Kinds of JWT: none passes for another.

use http::{Method, Uri};
use valetkey_proto::{
    Reason,
    jose::jwt::{ClaimSet, Expected, Kind, ProofOf, Validator, Writer},
};

use crate::support::{NOW, env, refusal, signed, signing, verifying};

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// A good JWT of a kind, by whoever `iss` is and for whoever `aud` is.
fn sample(kind: Kind, iss: &str, aud: &str) -> String {
    let mut claims = ClaimSet::new();
    let subject = if kind == Kind::ClientAssertion { iss } else { "248289761001" };
    let text = |claims: &mut ClaimSet, name: &str, text: &str| {
        claims.text(name, text).unwrap();
    };
    if kind != Kind::DpopProof {
        text(&mut claims, "iss", iss);
    }
    if !matches!(kind, Kind::DpopProof | Kind::SignedMetadata) {
        text(&mut claims, "aud", aud);
    }
    let times = !matches!(kind, Kind::UserInfo | Kind::SignedMetadata);
    if times {
        claims.number("iat", NOW).unwrap();
    }
    if times && !matches!(kind, Kind::Introspection | Kind::DpopProof) {
        claims.number("exp", NOW + 60).unwrap();
    }
    match kind {
        Kind::IdToken => {
            text(&mut claims, "sub", subject);
            text(&mut claims, "nonce", "n");
        }
        Kind::LogoutToken => {
            text(&mut claims, "sub", subject);
            text(&mut claims, "jti", "1");
            claims.json("events", &serde_json::json!({ EVENT: {} }).to_string()).unwrap();
        }
        Kind::AuthorizationResponse => text(&mut claims, "code", "c"),
        Kind::AccessToken => {
            text(&mut claims, "sub", subject);
            text(&mut claims, "jti", "1");
            text(&mut claims, "client_id", "client");
        }
        Kind::Introspection => {
            claims.json("token_introspection", r#"{"active":true}"#).unwrap();
        }
        Kind::UserInfo => text(&mut claims, "sub", subject),
        Kind::SignedMetadata => text(&mut claims, "issuer", iss),
        Kind::ClientAssertion => {
            text(&mut claims, "sub", subject);
            text(&mut claims, "jti", "1");
        }
        Kind::AuthorizationGrant => text(&mut claims, "sub", subject),
        Kind::DpopProof => {
            text(&mut claims, "jti", "1");
            text(&mut claims, "htm", "POST");
            text(&mut claims, "htu", "https://op.example/token");
        }
        Kind::RequestObject => {
            text(&mut claims, "client_id", "client");
            text(&mut claims, "response_type", "code");
        }
        other => panic!("a kind without a sample: {other:?}"),
    }
    let writer = Writer::new(kind, signing()).unwrap();
    // Untyped, it could not be told from others.
    let writer = if kind == Kind::AuthorizationGrant { writer.with_typ() } else { writer };
    writer.sign(&claims).unwrap()
}

/// What a validator of this kind says of a token.
fn validate(kind: Kind, token: &str) -> valetkey_proto::Result<()> {
    let env = env();
    let expected = if kind == Kind::IdToken { Expected::new().nonce("n") } else { Expected::new() };
    match kind {
        Kind::DpopProof => {
            let (method, uri) = (Method::POST, Uri::from_static("https://op.example/token"));
            Validator::dpop_proof().validate_proof(token, &ProofOf::new(&method, &uri), &env).map(|_| ())
        }
        Kind::SignedMetadata => Validator::signed_metadata("https://iss.example")
            .validate(token, &verifying(), &expected, &env)
            .map(|_| ()),
        kind => {
            let validator = Validator::new(kind, "https://iss.example", "aud");
            validator.validate(token, &verifying(), &expected, &env).map(|_| ())
        }
    }
}

#[test]
fn s_jw_10_no_kind_passes_for_another() {
    for made in Kind::ALL {
        // By and for the same, with the same key: the kind alone tells them apart.
        let token = sample(made, "https://iss.example", "aud");
        for wanted in Kind::ALL {
            let verdict = validate(wanted, &token);
            if made == wanted {
                verdict.unwrap_or_else(|error| panic!("{made:?} is refused: {error}"));
            } else {
                refusal(verdict, &format!("{made:?} by the validator of {wanted:?}"));
            }
        }
    }
}

#[test]
fn s_jw_10_the_type_of_another_kind_is_refused_even_with_the_right_claims() {
    let types = [
        "JWT",
        "at+jwt",
        "logout+jwt",
        "dpop+jwt",
        "secevent+jwt",
        "oauth-authz-req+jwt",
        "token-introspection+jwt",
        "client-authentication+jwt",
        "authorization-grant+jwt",
        "entity-statement+jwt",
        "x",
        "",
    ];
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::DpopProof) {
        let payload = sample(kind, "https://iss.example", "aud");
        let payload = base64::Engine::decode(
            &base64::engine::general_purpose::URL_SAFE_NO_PAD,
            payload.split('.').nth(1).unwrap(),
        );
        let payload = String::from_utf8(payload.unwrap()).unwrap();
        let own = match kind {
            Kind::LogoutToken => "logout+jwt",
            Kind::AccessToken => "at+jwt",
            Kind::Introspection => "token-introspection+jwt",
            Kind::ClientAssertion => "client-authentication+jwt",
            Kind::RequestObject => "oauth-authz-req+jwt",
            Kind::AuthorizationGrant => "authorization-grant+jwt",
            _ => "JWT",
        };
        let untyped = !matches!(
            kind,
            Kind::AccessToken | Kind::Introspection | Kind::RequestObject | Kind::AuthorizationGrant
        );
        for typ in types {
            for written in [typ.to_owned(), typ.to_ascii_uppercase(), format!("application/{typ}")] {
                let token = signed(&signing(), &format!(r#"{{"alg":"ES256","typ":"{written}"}}"#), &payload);
                let is_taken = typ == own || untyped && typ == "JWT";
                match validate(kind, &token) {
                    Ok(()) => assert!(is_taken, "{kind:?} called {written}"),
                    Err(error) => {
                        assert!(!is_taken, "{kind:?} called {written}: {error}");
                        assert_eq!(error.reason(), Reason::KindMismatch);
                    }
                }
            }
        }
        let token = signed(&signing(), r#"{"alg":"ES256"}"#, &payload);
        assert_eq!(validate(kind, &token).is_ok(), untyped, "{kind:?} without a type");
    }
}

#[test]
fn s_jw_10_what_makes_a_kind_cannot_be_left_out() {
    let without = |kind: Kind, name: &str| {
        let token = sample(kind, "https://iss.example", "aud");
        let [header, payload]: [String; 2] = std::array::from_fn(|at| {
            let engine = &base64::engine::general_purpose::URL_SAFE_NO_PAD;
            String::from_utf8(base64::Engine::decode(engine, token.split('.').nth(at).unwrap()).unwrap())
                .unwrap()
        });
        let mut claims: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&payload).unwrap();
        claims.remove(name).unwrap_or_else(|| panic!("{kind:?} has no {name}"));
        validate(kind, &signed(&signing(), &header, &serde_json::Value::Object(claims).to_string()))
    };
    for (kind, names) in [
        (Kind::IdToken, &["iss", "sub", "aud", "exp", "iat", "nonce"][..]),
        (Kind::LogoutToken, &["iss", "sub", "aud", "exp", "iat", "jti", "events"]),
        (Kind::AuthorizationResponse, &["iss", "aud", "exp", "code"]),
        (Kind::AccessToken, &["iss", "sub", "aud", "exp", "iat", "jti", "client_id"]),
        (Kind::Introspection, &["iss", "aud", "iat", "token_introspection"]),
        (Kind::UserInfo, &["iss", "sub", "aud"]),
        (Kind::SignedMetadata, &["iss", "issuer"]),
        (Kind::ClientAssertion, &["iss", "sub", "aud", "exp", "jti"]),
        (Kind::AuthorizationGrant, &["iss", "sub", "aud", "exp"]),
        (Kind::DpopProof, &["jti", "htm", "htu", "iat"]),
        (Kind::RequestObject, &["iss", "aud", "exp", "client_id", "response_type"]),
    ] {
        for name in names {
            refusal(without(kind, name), &format!("{kind:?} without {name}"));
        }
    }
}

#[test]
fn s_lo_01_a_logout_token_says_that_a_session_ended() {
    let ask = |changes: serde_json::Value| {
        let mut claims = serde_json::json!({
            "iss": "https://iss.example", "aud": "aud", "iat": NOW, "exp": NOW + 60, "jti": "1", "sid": "s",
            "events": { EVENT: {} },
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let token = signed(&signing(), r#"{"alg":"ES256","typ":"logout+jwt"}"#, &claims.to_string());
        validate(Kind::LogoutToken, &token).err().map(|error| error.reason())
    };
    assert_eq!(ask(serde_json::json!({})), None, "a session is enough");
    assert_eq!(ask(serde_json::json!({ "events": { EVENT: { "more": 1 }, "other": {} } })), None);
    for events in [
        serde_json::json!({}),
        serde_json::json!({ EVENT: null }),
        serde_json::json!({ EVENT: "" }),
        serde_json::json!({ EVENT: [] }),
        serde_json::json!({ "other": {} }),
        serde_json::json!(EVENT),
        serde_json::json!([EVENT]),
        serde_json::Value::Null,
    ] {
        assert_eq!(ask(serde_json::json!({ "events": events })), Some(Reason::KindMismatch), "{events}");
    }
    assert_eq!(ask(serde_json::json!({ "nonce": "n" })), Some(Reason::KindMismatch));
    assert_eq!(ask(serde_json::json!({ "exp": NOW - 30 })), Some(Reason::JwtExpired));
}
