//! Answers of a token endpoint, one by one: what is read, what is forgiven, what is refused.

use std::time::Duration;

use crate::transcript::{START, answer, json};
use bytes::Bytes;
use valetkey_http::Response;
use valetkey_proto::{
    Error, ErrorCode, ErrorKind, Reason, Timestamp,
    oauth2::{
        Scope,
        token::{GrantedScope, Quirk, Strictness, TokenResponse, TokenSet},
    },
};

fn read(response: &Response) -> Result<TokenResponse, Error> {
    TokenResponse::parse(response, START, Strictness::Lenient)
}

/// Reads a good token response with these members added.
fn with(members: &str) -> Result<TokenResponse, Error> {
    read(&json(200, &format!(r#"{{"access_token":"canary"{members}}}"#)))
}

/// Reads what must be refused, and says why; the error shows nothing of the body.
fn refused(response: &Response) -> (ErrorKind, Reason) {
    let error = read(response).expect_err("a refusal");
    assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    (error.kind(), error.reason())
}

fn raw(status: u16, media_type: &str, body: &[u8]) -> Response {
    answer(status, media_type, "").map(|_| Bytes::copy_from_slice(body))
}

#[test]
fn s_net_04_an_encoded_body_is_no_json() {
    // We never say that we take encodings. What a server encodes all the same is not decoded: a small body
    // could be made a large one.
    const EMPTY_OBJECT: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xab\xae\x05\0\x43\xbf\xa6\xa3\x02\0\0\0";
    for encoding in ["gzip", "GZIP", "br"] {
        let mut response = raw(200, "application/json", EMPTY_OBJECT);
        response.headers_mut().insert("content-encoding", encoding.parse().unwrap());
        assert_eq!(refused(&response), (ErrorKind::Protocol, Reason::Malformed), "{encoding}");
    }
}

#[test]
fn s_net_05_only_an_object_in_utf_8_is_read() {
    let object = r#"{"access_token":"canary"}"#;
    let utf_16 = |big: bool| {
        let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
        object.encode_utf16().flat_map(bytes).collect::<Vec<u8>>()
    };
    let mut bodies = vec![utf_16(true), utf_16(false)];
    bodies.extend(
        [true, false].map(|big| [if big { b"\xfe\xff" } else { b"\xff\xfe" }, &utf_16(big)[..]].concat()),
    );
    bodies.extend(
        [&b"{\"access_token\":\"canary\xff\"}"[..], b"\"canary\"", b"[]", b"null", b"17", b""]
            .map(Into::into),
    );
    bodies.extend(["x", "{}", ",", "\u{0}", "</script>"].map(|end| [object, end].concat().into_bytes()));
    for body in &bodies {
        for media_type in ["application/json", "application/vnd.x+json; charset=utf-8", ""] {
            let (kind, reason) = refused(&raw(200, media_type, body));
            let text = String::from_utf8_lossy(body);
            assert_eq!((kind, reason), (ErrorKind::Protocol, Reason::Malformed), "{media_type}: {text}");
        }
    }
    let page = raw(200, "text/html", b"<!doctype html><p>canary, please sign in");
    assert_eq!(refused(&page), (ErrorKind::Protocol, Reason::UnexpectedMediaType));
    // Forgiven: an object is an object, whatever its type is said to be; but not in strict mode.
    let plain = raw(200, "text/plain", object.as_bytes());
    assert!(read(&plain).unwrap().quirks().contains(Quirk::MediaType));
    let strict = TokenResponse::parse(&plain, START, Strictness::Strict).unwrap_err();
    assert_eq!((strict.kind(), strict.reason()), (ErrorKind::Protocol, Reason::Malformed));
}

#[test]
fn s_net_06_names_are_compared_with_case_and_escapes() {
    for twice in [
        r#","access_token":"b""#,
        r#","\u0061ccess_token":"b""#,
        r#","scope":"a","scope":"a""#,
        r#","error":null,"error":null"#,
        r#","x":{},"x":{}"#,
    ] {
        assert_eq!(with(twice).unwrap_err().reason(), Reason::DuplicateParameter, "{twice}");
    }
    let others = r#","Access_Token":"b","ACCESS_TOKEN":"c","Scope":"all","Error":"x","refresh_Token":"d""#;
    let response = with(others).unwrap();
    assert_eq!(response.access_token().expose(), "canary");
    assert!(response.scope().is_none() && response.refresh_token().is_none());
}

#[test]
fn s_net_07_ten_thousand_unknown_members_are_passed_over() {
    let many = (0..10_000).map(|index| format!(",\"k{index}\":[{index}]")).collect::<String>();
    let response = with(&format!("{many},\"error\":\"\",\"refresh_token\":\"\"")).unwrap();
    assert_eq!(response.extra::<[u16; 1]>("k9999"), Some([9999]));
    assert!(response.refresh_token().is_none(), "empty is absent");
}

#[test]
fn s_az_19_the_scope_that_was_granted_is_told_from_the_one_that_was_asked_for() {
    let asked = Scope::parse("read write").unwrap();
    let granted = |members: &str| {
        let tokens = TokenSet::of(&with(members).unwrap(), Some(&asked)).unwrap();
        match tokens.scope().clone() {
            GrantedScope::Requested(scope) => (false, scope.unwrap().as_str().to_owned()),
            GrantedScope::Explicit(scope) => (true, scope.as_str().to_owned()),
        }
    };
    assert_eq!(granted(""), (false, "read write".to_owned()));
    assert_eq!(granted(r#","scope":null"#), (false, "read write".to_owned()));
    for scope in ["", "read", "read write admin", "read read write", "write read", "read,write"] {
        assert_eq!(granted(&format!(r#","scope":"{scope}""#)), (true, scope.to_owned()), "{scope}");
    }
    assert_eq!(granted(r#","scope":["read","admin"]"#), (true, "read admin".to_owned()));
    let explicit = |text: &str| with(&format!(r#","scope":"{text}""#)).unwrap().scope().cloned().unwrap();
    assert!(explicit("write read") == asked && explicit("read read write") == asked, "sets");
    assert!(explicit("read") != asked && explicit("") != asked && explicit("read,write") != asked);

    // In a form, too: nothing is not everything.
    let form = raw(200, "application/x-www-form-urlencoded", b"access_token=t&scope=");
    let tokens = TokenSet::of(&read(&form).unwrap(), Some(&asked)).unwrap();
    assert!(matches!(tokens.scope(), GrantedScope::Explicit(scope) if scope.as_str().is_empty()));
}

#[test]
fn s_tk_14_a_scope_that_grows_at_a_refresh_is_seen() {
    let first = with(r#","token_type":"Bearer","refresh_token":"r","scope":"read""#).unwrap();
    let tokens = TokenSet::of(&first, None).unwrap();
    for (members, scope) in [(r#","scope":"read admin""#, "read admin"), (r#","scope":"""#, ""), ("", "read")]
    {
        let renewed = tokens.renewed(&with(members).unwrap()).unwrap();
        let explicit = matches!(renewed.scope(), GrantedScope::Explicit(now) if now.as_str() == scope);
        assert!(explicit, "{members}: {:?}", renewed.scope());
    }
}

#[test]
fn s_tk_09_only_a_bearer_token_is_borne() {
    for name in ["Bearer", "BEARER", "bearer"] {
        let response = with(&format!(r#","token_type":"{name}""#)).unwrap();
        assert!(response.quirks().is_empty() && TokenSet::of(&response, None).is_ok(), "{name}");
    }
    // T17: what some providers call a type is none, and is refused when it arrives rather than when it is used.
    for name in ["DPoP", "dpop", "mac", "N_A", "User Access Token", "", "Bearer ", "pop"] {
        let response = with(&format!(r#","token_type":"{name}""#)).unwrap();
        let error = TokenSet::of(&response, None).unwrap_err();
        assert_eq!(
            (error.kind(), error.reason()),
            (ErrorKind::Protocol, Reason::UnsupportedTokenType),
            "{name}"
        );
    }
    for value in ["17", "[]", "[\"Bearer\"]", "{}", "true"] {
        assert_eq!(with(&format!(r#","token_type":{value}"#)).unwrap_err().reason(), Reason::Malformed);
    }
    let silent = with("").unwrap();
    assert!(silent.quirks().contains(Quirk::MissingTokenType) && TokenSet::of(&silent, None).is_ok());
    let strict = TokenResponse::parse(&json(200, r#"{"access_token":"t"}"#), START, Strictness::Strict);
    assert_eq!(strict.unwrap_err().reason(), Reason::Malformed);
}

#[test]
fn s_tk_11_a_lifetime_is_one_however_it_is_written() {
    const TEN_YEARS: u64 = 10 * 365 * 24 * 3600;
    for (value, seconds) in [
        ("3600", Some(3600)),
        ("\"3600\"", Some(3600)),
        ("3600.5", Some(3600)),
        ("0", Some(0)),
        ("-1", Some(0)),
        ("-1e300", Some(0)),
        ("9223372036854775808", Some(TEN_YEARS)),
        ("1e300", Some(TEN_YEARS)),
        ("\"1e400\"", Some(TEN_YEARS)),
        ("null", None),
        ("true", None),
        ("\"soon\"", None),
        ("{}", None),
    ] {
        let response = with(&format!(r#","token_type":"Bearer","expires_in":{value}"#)).expect(value);
        assert_eq!(response.lifetime(), seconds.map(Duration::from_secs), "{value}");
        let tokens = TokenSet::of(&response, None).unwrap();
        assert_eq!(tokens.is_stale(START + Duration::from_secs(1)), seconds == Some(0), "{value}");
        assert_eq!(tokens.is_stale(Timestamp::from_millis(i64::MAX)), seconds.is_some(), "{value}");
    }
    // No number at all, to the reader of JSON.
    assert_eq!(with(r#","expires_in":1e400"#).unwrap_err().reason(), Reason::Malformed);
}

#[test]
fn s_tk_12_a_refusal_is_found_wherever_it_stands() {
    let body = r#"{"error":"invalid_client","error_description":"no"}"#;
    for status in [200, 400, 401, 403, 500] {
        for media_type in ["application/json", "text/html", ""] {
            let error = read(&answer(status, media_type, body)).unwrap_err();
            assert_eq!(
                (error.kind(), error.reason()),
                (ErrorKind::Denied, Reason::RequestDenied),
                "{status}"
            );
            assert_eq!(error.response().unwrap().code(), &ErrorCode::InvalidClient);
            assert_eq!(error.status().unwrap().as_u16(), status);
        }
    }
    for (challenge, count) in [("Basic realm=\"as\"", 1), ("Bearer, Basic", 2), ("\"garbage", 0), ("=,=", 0)]
    {
        let mut response = json(401, body);
        response.headers_mut().insert("www-authenticate", challenge.parse().unwrap());
        let error = read(&response).unwrap_err();
        assert_eq!(error.response().unwrap().code(), &ErrorCode::InvalidClient, "{challenge}");
        assert_eq!(error.challenges().len(), count, "{challenge}");
    }
    // Without a body the challenge says it, and without either the status does.
    let mut bare = answer(401, "", "");
    bare.headers_mut().insert("www-authenticate", "Bearer error=\"invalid_token\"".parse().unwrap());
    assert_eq!(read(&bare).unwrap_err().response().unwrap().code(), &ErrorCode::InvalidToken);
    bare.headers_mut().insert("www-authenticate", "Basic".parse().unwrap());
    assert_eq!(refused(&bare), (ErrorKind::Denied, Reason::Challenged));
    bare.headers_mut().remove("www-authenticate");
    assert_eq!(refused(&bare), (ErrorKind::Server, Reason::UnexpectedStatus));
}

#[test]
fn t9_what_is_no_token_response_says_what_it_is() {
    for (response, expected) in [
        (answer(502, "text/html", "<h1>canary"), (ErrorKind::Server, Reason::ServerFailed)),
        (answer(404, "text/plain", "canary"), (ErrorKind::Server, Reason::UnexpectedStatus)),
        (json(200, "[]"), (ErrorKind::Protocol, Reason::Malformed)),
        (json(200, "{}"), (ErrorKind::Protocol, Reason::MissingParameter)),
        (answer(304, "", ""), (ErrorKind::Protocol, Reason::UnexpectedRedirect)),
    ] {
        assert_eq!(refused(&response), expected);
    }
    let form = "access_token=t&token_type=bearer&expires_in=60&scope=a+b";
    for media_type in ["application/x-www-form-urlencoded", "text/plain", "text/html; charset=utf-8", ""] {
        let response = read(&answer(200, media_type, form)).unwrap();
        assert!(response.quirks().contains(Quirk::FormEncoded), "{media_type}");
        assert_eq!(response.lifetime(), Some(Duration::from_secs(60)));
        assert_eq!(response.scope().unwrap().as_str(), "a b");
    }
}
