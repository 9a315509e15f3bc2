//! Introspection: what is sent, what is believed, and what only a signature makes believed.

use std::{sync::Arc, time::Duration};

use valetkey_http::Response;
use valetkey_proto::{
    Call, ErrorCode, ErrorKind, Event, Flow, Party, Reason, Result, Step,
    crypto::{
        ContentEncryption, CryptoProvider, KeyManagement, SignatureAlgorithm, SigningKey, VerifyingKey,
    },
    jose::{
        jwe::{Decrypter, Encrypter},
        jwt::{ClaimSet, Kind, Writer},
    },
    oauth2::{
        client::{ClientAuth, ClientId},
        endpoint::introspection::{IntrospectionRequest, IntrospectionResponse},
        server::{Issuer, ServerMetadata},
    },
    secret::AccessToken,
};

use crate::transcript::{START, World, answer, json, play_call};

const SENT: &str = concat!(
    "POST https://as.example/introspect ",
    "token=at&token_type_hint=access_token&client_id=api&client_secret=s3cret"
);
const KEY: [u8; 32] = [7; 32];

fn request() -> IntrospectionRequest {
    let server = ServerMetadata::new(Issuer::parse("https://as.example").unwrap());
    let server = server.with_endpoint("introspection_endpoint", "https://as.example/introspect").unwrap();
    IntrospectionRequest::new(&server, &AccessToken::bearer("at").unwrap()).unwrap()
}

fn signed() -> IntrospectionRequest {
    let key = VerifyingKey::secret(SignatureAlgorithm::Hs256, &KEY, &CryptoProvider::ring()).unwrap();
    request().signed(&ClientId::parse("api").unwrap(), key.into())
}

fn call(request: IntrospectionRequest) -> Call<IntrospectionRequest> {
    let (issuer, id) = (Issuer::parse("https://as.example").unwrap(), ClientId::parse("api").unwrap());
    let party = Party::client(issuer, &id, &ClientAuth::secret_post("s3cret")).unwrap();
    Call::new(request, Arc::new(party))
}

fn said(body: &str) -> Result<IntrospectionResponse> {
    play_call(|| call(request()), &[(SENT, json(200, body))])
}

fn said_by_jwt(response: &Response) -> Result<IntrospectionResponse> {
    play_call(|| call(signed()), &[(SENT, response.clone())])
}

/// A JWT of this kind that says this about a token.
fn jwt(kind: Kind, issuer: &str, audience: &str, said: &str) -> Response {
    let key = SigningKey::secret(SignatureAlgorithm::Hs256, &KEY, &CryptoProvider::ring()).unwrap();
    let mut claims = ClaimSet::new();
    claims.text("iss", issuer).unwrap().text("aud", audience).unwrap();
    claims.number("iat", START.as_secs()).unwrap();
    if kind == Kind::Introspection {
        claims.json("token_introspection", said).unwrap();
    } else {
        claims.text("sub", "jane").unwrap().json("active", "true").unwrap();
        claims.number("exp", START.as_secs() + 600).unwrap();
    }
    let text = Writer::new(kind, key).unwrap().sign(&claims).unwrap();
    answer(200, "application/token-introspection+jwt", &text)
}

#[test]
fn s_in_01_active_is_true_or_it_is_not() {
    for body in [
        r#"{"active":"true"}"#,
        r#"{"active":1}"#,
        r#"{"active":"yes"}"#,
        r#"{"active":[true]}"#,
        r#"{"active":{}}"#,
        r#"{"active":null}"#,
        r#"{"Active":true}"#,
        r#"{"sub":"jane"}"#,
        r#"{"active":true,"active":false}"#,
        r#"{"active":false,"active":true}"#,
        r#"[{"active":true}]"#,
        "true",
        "",
    ] {
        assert_eq!(said(body).unwrap_err().kind(), ErrorKind::Protocol, "{body}");
    }
    assert!(said(r#"{"active":true}"#).unwrap().is_active());
}

#[test]
fn s_in_01_of_a_token_that_is_not_good_nothing_else_is_known() {
    let inactive =
        said(r#"{"active":false,"sub":"jane","scope":"admin","exp":"never","cnf":{"jkt":"x"}}"#).unwrap();
    assert!(!inactive.is_active() && inactive.active().is_none());
    assert_eq!(format!("{inactive:?}"), "IntrospectionResponse { is_active: false, .. }");
}

#[test]
fn s_in_01_a_token_whose_time_is_over_is_not_good_whatever_is_said() {
    let now = START.as_secs();
    for (member, at, is_good) in [
        ("exp", now + 1, true),
        ("exp", now - 29, true),
        ("exp", now - 30, false),
        ("exp", 0, false),
        ("nbf", now - 1, true),
        ("nbf", now + 30, true),
        ("nbf", now + 31, false),
        ("iat", now + 9999, true),
    ] {
        let response = said(&format!(r#"{{"active":true,"{member}":{at}}}"#)).unwrap();
        assert_eq!(response.is_active(), is_good, "{member} {at}");
    }
}

#[test]
fn s_in_01_what_is_said_is_typed_and_the_rest_is_there_by_name() {
    let body = r#"{"active":true,"scope":"read write","client_id":"l238j323ds-23ij4","username":"jdoe",
        "token_type":"DPoP","exp":1700000600.5,"iat":1700000000,"nbf":1700000000,"sub":"Z5O3upPC88QrAjx00dis",
        "aud":["https://a.example","https://b.example"],"iss":"https://as.example/","jti":"1","extension":[1,2],
        "cnf":{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I","n":1}}"#;
    let response = said(body).unwrap();
    let token = response.active().unwrap();
    assert_eq!(token.scope().unwrap().iter().collect::<Vec<_>>(), ["read", "write"]);
    assert_eq!((token.client_id(), token.username()), (Some("l238j323ds-23ij4"), Some("jdoe")));
    assert_eq!((token.token_type(), token.id()), (Some("DPoP"), Some("1")));
    assert_eq!(token.expires_at(), Some(START + Duration::from_millis(600_500)));
    assert_eq!((token.issued_at(), token.not_before()), (Some(START), Some(START)));
    assert_eq!(
        (token.subject(), token.issuer()),
        (Some("Z5O3upPC88QrAjx00dis"), Some("https://as.example/"))
    );
    assert_eq!(token.audience().collect::<Vec<_>>(), ["https://a.example", "https://b.example"]);
    assert_eq!(token.confirmation("jkt").as_deref(), Some("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"));
    assert!(
        token.is_bound() && token.confirmation("n").is_none() && token.confirmation("x5t#S256").is_none()
    );
    assert_eq!(token.extra::<Vec<u8>>("extension"), Some(vec![1, 2]));
    let one = said(r#"{"active":true,"aud":"https://a.example","scope":["read","write"]}"#).unwrap();
    let one = one.active().unwrap();
    assert_eq!(one.audience().collect::<Vec<_>>(), ["https://a.example"]);
    assert!(one.scope().unwrap().contains("write") && !one.is_bound());
    assert!(!format!("{response:?} {token:?}").contains("jdoe"));
}

#[test]
fn s_in_01_a_member_of_a_wrong_type_is_named() {
    for (member, value) in [
        ("scope", "1"),
        ("scope", "\"a\\\\b\""),
        ("client_id", "[]"),
        ("exp", "\"1700000600\""),
        ("nbf", "-1"),
        ("sub", "7"),
        ("aud", "{}"),
        ("aud", "[1]"),
        ("iss", "true"),
        ("jti", "0"),
    ] {
        let error = said(&format!(r#"{{"active":true,"{member}":{value}}}"#)).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Protocol, Reason::Malformed), "{member}");
        assert!(error.to_string().contains(member), "{error}");
    }
    let deep = format!(r#"{{"active":true,"x":{}{}}}"#, "[".repeat(500), "]".repeat(500));
    assert!(said(&deep).is_err(), "nested too deep");
}

#[test]
fn s_in_01_who_may_not_ask_is_told_so() {
    let ask = |response: Response| play_call(|| call(request()), &[(SENT, response)]).unwrap_err();
    let error = ask(json(401, r#"{"error":"invalid_client"}"#));
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RequestDenied));
    assert_eq!(*error.response().unwrap().code(), ErrorCode::InvalidClient);
    let mut redirect = answer(302, "", "");
    redirect.headers_mut().insert("location", "https://evil.example/".parse().unwrap());
    assert_eq!(ask(redirect).reason(), Reason::UnexpectedRedirect);
    assert_eq!(ask(answer(200, "text/html", "<p>")).reason(), Reason::UnexpectedMediaType);
    assert_eq!(ask(jwt(Kind::Introspection, "https://as.example", "api", "{}")).kind(), ErrorKind::Protocol);
}

#[test]
fn s_f2_10_a_signed_answer_is_of_its_kind_its_server_and_for_this_client() {
    let good = r#"{"active":true,"scope":"read","sub":"jane"}"#;
    let response = said_by_jwt(&jwt(Kind::Introspection, "https://as.example", "api", good)).unwrap();
    assert_eq!(response.active().unwrap().subject(), Some("jane"));
    let off = said_by_jwt(&jwt(Kind::Introspection, "https://as.example", "api", r#"{"active":false}"#));
    assert!(!off.unwrap().is_active());
    for (response, reason) in [
        (jwt(Kind::Introspection, "https://evil.example", "api", good), Reason::IssuerMismatch),
        (jwt(Kind::Introspection, "https://as.example", "other", good), Reason::AudienceMismatch),
        (jwt(Kind::IdToken, "https://as.example", "api", good), Reason::KindMismatch),
        (jwt(Kind::Introspection, "https://as.example", "api", r#"{"active":"true"}"#), Reason::Malformed),
        (jwt(Kind::Introspection, "https://as.example", "api", "{}"), Reason::MissingParameter),
        (json(200, good), Reason::KindMismatch),
    ] {
        assert_eq!(said_by_jwt(&response).unwrap_err().reason(), reason);
    }
    let whole = jwt(Kind::Introspection, "https://as.example", "api", r#"{"active":false}"#);
    let text = String::from_utf8_lossy(whole.body()).into_owned();
    let (signed_part, _) = text.rsplit_once('.').unwrap();
    for forged in [format!("{signed_part}."), format!("{signed_part}.{}", "A".repeat(43))] {
        let error = said_by_jwt(&answer(200, "application/token-introspection+jwt", &forged)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Untrusted);
    }
    let Ok(Step::Send(sent, _)) = call(signed()).step(Event::Go, &World::new().env()) else {
        panic!("a request")
    };
    assert_eq!(sent.headers()["accept"], "application/token-introspection+jwt");
}

#[test]
fn s_f2_10_an_encrypted_answer_is_signed_within_and_nothing_else_is_taken() {
    let (algorithm, encryption) = (KeyManagement::A256GcmKw, ContentEncryption::A256Gcm);
    let crypto = CryptoProvider::ring();
    let world = World::new();
    let encrypt = |text: &str, key: u8| {
        let encrypter = Encrypter::secret(&[key; 32], algorithm, encryption, &crypto).unwrap();
        let text = encrypter.encrypt(text, &world.env()).unwrap();
        answer(200, "application/token-introspection+jwt", &text)
    };
    let decrypter = || Decrypter::secret(&[9; 32], algorithm, encryption, &crypto).unwrap();
    let ask = |response: Response| play_call(|| call(signed().encrypted(decrypter())), &[(SENT, response)]);
    let good = jwt(Kind::Introspection, "https://as.example", "api", r#"{"active":true,"sub":"jane"}"#);
    let text = |response: &Response| String::from_utf8_lossy(response.body()).into_owned();
    let said = ask(encrypt(&text(&good), 9)).unwrap();
    assert_eq!(said.active().unwrap().subject(), Some("jane"));

    let of_another = jwt(Kind::Introspection, "https://evil.example", "api", r#"{"active":true}"#);
    for (response, kind) in [
        // Signed, and everybody on the way could read it.
        (good.clone(), ErrorKind::Protocol),
        (json(200, r#"{"active":true}"#), ErrorKind::Untrusted),
        (encrypt(r#"{"active":true}"#, 9), ErrorKind::Protocol),
        (encrypt(&text(&of_another), 9), ErrorKind::Untrusted),
        (encrypt(&text(&good), 8), ErrorKind::Untrusted),
        (encrypt(&text(&encrypt(&text(&good), 9)), 9), ErrorKind::Protocol),
    ] {
        assert_eq!(ask(response.clone()).unwrap_err().kind(), kind, "{}", text(&response));
    }
    // Who does not decrypt takes nothing that is encrypted.
    assert_eq!(said_by_jwt(&encrypt(&text(&good), 9)).unwrap_err().kind(), ErrorKind::Protocol);
    let error = call(request().encrypted(decrypter())).step(Event::Go, &world.env()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::InvalidValue));
}
