//! Logouts: asked for, and told.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use valetkey_http::Request;
use valetkey_proto::{
    ErrorKind, Reason, Result,
    crypto::{
        ContentEncryption, CryptoProvider, KeyManagement, SignatureAlgorithm, SigningKey, VerifyingKey,
    },
    form::Form,
    jose::{
        VerifyingKeys,
        jwe::{Decrypter, Encrypter},
        jwt::{ClaimSet, Kind, Writer},
    },
    oauth2::{
        authorization::Callback,
        client::ClientId,
        server::{Issuer, ServerMetadata},
    },
    oidc::logout::{BackChannel, FrontChannel, LogoutRequest, LogoutToken, PendingLogout, ReplayGuard},
    seal::{SealingKey, SealingKeys},
};

use crate::transcript::{START, World};

const BYE: &str = "https://app.example/bye";
const NOW: i64 = START.as_secs();
const EVENTS: &str = r#"{"http://schemas.openid.net/event/backchannel-logout":{}}"#;

fn issuer() -> Issuer {
    Issuer::parse("https://op.example").unwrap()
}

fn app() -> ClientId {
    ClientId::parse("app").unwrap()
}

fn logout() -> LogoutRequest {
    let document =
        r#"{"issuer":"https://op.example","end_session_endpoint":"https://op.example/logout?tenant=1"}"#;
    let server = ServerMetadata::parse(&issuer(), &document.into()).unwrap();
    LogoutRequest::new(&server, &app()).unwrap()
}

/// A logout whose user comes back, and its state.
fn away() -> (PendingLogout, String) {
    let (url, pending) = logout().with_redirect_uri(BYE).unwrap().start(&World::new().env()).unwrap();
    let state = url.as_str().split("&state=").nth(1).unwrap().to_owned();
    (pending.unwrap(), state)
}

#[test]
fn s_lo_02_a_logout_goes_to_the_server_and_back() {
    let request = logout().with_id_token_hint("e.e.e").with_logout_hint("joe").with_ui_locales("fr-CA fr");
    let (url, pending) = request.start(&World::new().env()).unwrap();
    assert_eq!(
        url.as_str(),
        "https://op.example/logout?tenant=1&client_id=app&id_token_hint=e.e.e&logout_hint=joe&ui_locales=fr-CA+fr"
    );
    assert!(pending.is_none(), "nobody comes back");
    assert!(!format!("{request:?} {url:?}").contains("e.e.e"));
    let (pending, state) = away();
    let callback = format!("{BYE}?state={state}");
    assert!(pending.matches(&Callback::uri(callback.as_str())));
    assert!(!format!("{pending:?}").contains(&state));
    pending.receive(callback).unwrap();
    let (pending, state) = away();
    pending.receive(format!("/bye?state={state}&more=1")).unwrap();
}

#[test]
fn s_lo_02_another_state_or_none_or_another_place_is_refused() {
    let state = away().1;
    for (callback, reason) in [
        (format!("{BYE}?state=x{state}"), Reason::StateMismatch),
        (format!("{BYE}?state="), Reason::StateMismatch),
        (BYE.to_owned(), Reason::StateMismatch),
        (format!("{BYE}?state={state}&state={state}"), Reason::DuplicateParameter),
        (format!("https://app.example/other?state={state}"), Reason::RedirectUriMismatch),
        (format!("https://evil.example/bye?state={state}"), Reason::RedirectUriMismatch),
        (format!("{BYE}#state={state}"), Reason::ResponseModeMismatch),
        (format!("{BYE}?state={}", "x".repeat(20_000)), Reason::TooLarge),
    ] {
        // The randomness of the world repeats, and so does the state.
        assert_eq!(away().0.receive(callback.as_str()).unwrap_err().reason(), reason, "{callback:.80}");
    }
    assert!(logout().with_redirect_uri("javascript:alert(1)").is_err());
    let none = ServerMetadata::new(issuer());
    assert_eq!(LogoutRequest::new(&none, &app()).unwrap_err().reason(), Reason::MissingEndpoint);
    for bad in ["http://op.example/logout", "https://op.example/#x"] {
        let document = format!(r#"{{"issuer":"https://op.example","end_session_endpoint":"{bad}"}}"#);
        let server = ServerMetadata::parse(&issuer(), &document.into()).unwrap();
        assert_eq!(LogoutRequest::new(&server, &app()).unwrap_err().kind(), ErrorKind::Protocol);
    }
}

#[test]
fn s_lo_02_a_logout_under_way_can_be_sealed() {
    let keys = SealingKeys::new(SealingKey::new([7; 32]));
    let mut world = World::new();
    let (pending, state) = away();
    let sealed = pending.seal(&keys, &world.env()).unwrap();
    let open = |world: &World, client: &ClientId| {
        PendingLogout::open(sealed.expose(), &issuer(), client, &keys, &world.env())
    };
    open(&world, &app()).unwrap().receive(format!("{BYE}?state={state}")).unwrap();
    let other = ClientId::parse("other").unwrap();
    assert_eq!(open(&world, &other).unwrap_err().reason(), Reason::SealBroken);
    world.now = world.now + Duration::from_secs(601);
    assert_eq!(open(&world, &app()).unwrap_err().reason(), Reason::PendingExpired);
}

fn key(byte: u8) -> SigningKey {
    SigningKey::secret(SignatureAlgorithm::Hs256, &[byte; 32], &CryptoProvider::ring()).unwrap()
}

fn keys() -> VerifyingKeys {
    VerifyingKey::secret(SignatureAlgorithm::Hs256, &[7; 32], &CryptoProvider::ring()).unwrap().into()
}

/// The claims of a good token, of which some are other ones; an empty one is left out.
fn claims(changes: &[(&str, &str)]) -> ClaimSet {
    let (iat, exp) = (NOW.to_string(), (NOW + 120).to_string());
    let good = [
        ("iss", r#""https://op.example""#),
        ("aud", r#""app""#),
        ("iat", &iat),
        ("exp", &exp),
        ("jti", r#""bWJq""#),
        ("sub", r#""248289761001""#),
        ("sid", r#""08a5019c""#),
        ("events", EVENTS),
    ];
    let mut claims = ClaimSet::new();
    for (name, value) in good {
        let value = changes.iter().find(|(changed, _)| *changed == name).map_or(value, |(_, value)| *value);
        if !value.is_empty() {
            claims.json(name, value).unwrap();
        }
    }
    for (name, value) in changes.iter().filter(|(name, _)| !good.iter().any(|(known, _)| known == name)) {
        claims.json(name, value).unwrap();
    }
    claims
}

fn token(changes: &[(&str, &str)]) -> String {
    Writer::new(Kind::LogoutToken, key(7)).unwrap().sign(&claims(changes)).unwrap()
}

fn post(token: &str) -> Request {
    let mut form = Form::new();
    form.push("logout_token", token);
    let request = http::Request::post("/bcl").header("content-type", "application/x-www-form-urlencoded");
    request.body(Bytes::from(form.expose().to_owned())).unwrap()
}

fn receive(request: &Request, seen: &mut ReplayGuard) -> Result<LogoutToken> {
    BackChannel::new(&issuer(), &app()).receive(request, &keys(), seen, &World::new().env())
}

fn refused(request: &Request) -> Reason {
    let outcome = receive(request, &mut ReplayGuard::new(10));
    let response = BackChannel::response(&outcome);
    assert_eq!(
        (response.status().as_u16(), &response.headers()["cache-control"]),
        (400, &"no-store".parse().unwrap())
    );
    outcome.unwrap_err().reason()
}

/// `oidcc-client-test-rp-backchannel-rpinitlogout`.
#[test]
fn s_lo_01_a_logout_token_ends_the_sessions_that_it_names() {
    let outcome = receive(&post(&token(&[])), &mut ReplayGuard::new(10));
    let response = BackChannel::response(&outcome);
    assert_eq!(
        (response.status().as_u16(), &response.headers()["cache-control"]),
        (200, &"no-store".parse().unwrap())
    );
    let logout = outcome.unwrap();
    assert_eq!((logout.subject(), logout.session()), (Some("248289761001"), Some("08a5019c")));
    assert_eq!((logout.id(), logout.expires_at().as_secs(), logout.issuer()), ("bWJq", NOW + 120, &issuer()));
    assert!(logout.ends("248289761001", Some("08a5019c")));
    assert!(!logout.ends("248289761001", Some("other")) && !logout.ends("248289761001", None));
    assert!(!logout.ends("other", Some("08a5019c")));
    assert!(!format!("{logout:?}").contains("248289761001"));
    let all = receive(&post(&token(&[("sid", "")])), &mut ReplayGuard::new(10)).unwrap();
    assert!(all.ends("248289761001", Some("any")) && all.ends("248289761001", None) && !all.ends("x", None));
    let one = receive(&post(&token(&[("sub", "")])), &mut ReplayGuard::new(10)).unwrap();
    assert!(one.ends("anybody", Some("08a5019c")) && !one.ends("anybody", None));
}

/// The modules of `oidcc-client-test-rp-backchannel-rpinitlogout-*`, by their names.
#[test]
fn s_lo_01_the_logout_tokens_of_the_conformance_suite_are_refused() {
    let unsigned = {
        let good = token(&[]);
        let payload = good.split('.').nth(1).unwrap();
        // {"alg":"none","typ":"logout+jwt"}
        format!("eyJhbGciOiJub25lIiwidHlwIjoibG9nb3V0K2p3dCJ9.{payload}.")
    };
    let rs256 = {
        let good = token(&[]);
        let mut parts = good.splitn(2, '.');
        // {"alg":"RS256"}
        format!("eyJhbGciOiJSUzI1NiJ9.{}", parts.nth(1).unwrap())
    };
    for (module, token, reason) in [
        ("alg-none", unsigned, Reason::AlgorithmMismatch),
        ("no-event", token(&[("events", "")]), Reason::MissingParameter),
        ("with-nonce", token(&[("nonce", r#""n""#)]), Reason::KindMismatch),
        ("wrong-alg", rs256, Reason::AlgorithmMismatch),
        ("wrong-aud", token(&[("aud", r#""other""#)]), Reason::AudienceMismatch),
        ("wrong-event", token(&[("events", r#"{"http://example.com/other":{}}"#)]), Reason::KindMismatch),
        ("wrong-iss", token(&[("iss", r#""https://op.example/""#)]), Reason::IssuerMismatch),
    ] {
        assert_eq!(refused(&post(&token)), reason, "{module}");
    }
}

#[test]
fn s_lo_01_what_is_no_logout_token_is_refused() {
    let old = (NOW - 31).to_string();
    for (changes, reason) in [
        (&[("sub", ""), ("sid", "")][..], Reason::MissingParameter),
        (&[("jti", "")], Reason::MissingParameter),
        (&[("iat", "")], Reason::MissingParameter),
        (&[("exp", "")], Reason::MissingParameter),
        (&[("exp", &old)], Reason::JwtExpired),
        (&[("iat", "1700000031")], Reason::NotYetValid),
        (
            &[("events", r#"{"http://schemas.openid.net/event/backchannel-logout":true}"#)],
            Reason::KindMismatch,
        ),
        (&[("events", r#"["http://schemas.openid.net/event/backchannel-logout"]"#)], Reason::KindMismatch),
        (&[("sub", r#""""#)], Reason::Malformed),
        (&[("sid", "7")], Reason::Malformed),
    ] {
        assert_eq!(refused(&post(&token(changes))), reason, "{changes:?}");
    }
    // An ID token of the same server and user.
    let id_token = claims(&[("events", "")]);
    let id_token = Writer::new(Kind::IdToken, key(7)).unwrap().sign(&id_token).unwrap();
    assert_eq!(refused(&post(&id_token)), Reason::MissingParameter);
    // Signed by somebody else.
    let forged = Writer::new(Kind::LogoutToken, key(8)).unwrap().sign(&claims(&[])).unwrap();
    assert_eq!(refused(&post(&forged)), Reason::SignatureInvalid);
}

#[test]
fn s_lo_01_a_logout_token_comes_in_a_form_that_is_posted() {
    let good = token(&[]);
    let with = |change: fn(&mut Request)| {
        let mut request = post(&good);
        change(&mut request);
        request
    };
    let body = |text: String| {
        let mut request = post(&good);
        *request.body_mut() = text.into();
        request
    };
    for (request, reason) in [
        (with(|request| *request.method_mut() = Method::GET), Reason::Malformed),
        (with(|request| *request.method_mut() = Method::PUT), Reason::Malformed),
        (with(|request| drop(request.headers_mut().remove("content-type"))), Reason::UnexpectedMediaType),
        (
            with(|request| {
                request.headers_mut().insert("content-type", "application/json".parse().unwrap());
            }),
            Reason::UnexpectedMediaType,
        ),
        (
            with(|request| {
                request.headers_mut().append("content-type", "text/plain".parse().unwrap());
            }),
            Reason::UnexpectedMediaType,
        ),
        (body(format!("logout_token={good}&logout_token={good}")), Reason::DuplicateParameter),
        (body("logout_token=".to_owned()), Reason::MissingParameter),
        (body(format!("token={good}")), Reason::MissingParameter),
        (body(format!("logout_token={good}&x={}", "x".repeat(96 << 10))), Reason::TooLarge),
        (body(format!("logout_token={}", "x".repeat(65 << 10))), Reason::TooLarge),
        (body("logout_token=%ff".to_owned()), Reason::Malformed),
    ] {
        assert_eq!(refused(&request), reason, "{} {}", request.method(), request.body().len());
    }
    // What is not known beside it is passed over (§2.5).
    receive(&body(format!("other=1&logout_token={good}")), &mut ReplayGuard::new(1)).unwrap();
}

#[test]
fn s_lo_01_a_logout_token_is_taken_once() {
    let mut seen = ReplayGuard::new(2);
    let request =
        |jti: &str, exp: i64| post(&token(&[("jti", &format!("\"{jti}\"")), ("exp", &exp.to_string())]));
    receive(&request("a", NOW + 60), &mut seen).unwrap();
    let error = receive(&request("a", NOW + 60), &mut seen).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::Replayed));
    // What was refused for another reason does not count as shown.
    assert!(receive(&post(&token(&[("jti", r#""b""#), ("aud", r#""other""#)])), &mut seen).is_err());
    receive(&request("b", NOW + 90), &mut seen).unwrap();
    // Full: the one that expires first makes room.
    receive(&request("c", NOW + 120), &mut seen).unwrap();
    assert_eq!(seen.len(), 2);
    assert_eq!(receive(&request("b", NOW + 90), &mut seen).unwrap_err().reason(), Reason::Replayed);
    // None is kept for longer than it could be shown.
    let mut world = World::new();
    world.now = world.now + Duration::from_secs(170);
    let late = post(&token(&[("jti", r#""d""#), ("exp", "1800000000")]));
    let channel = BackChannel::new(&issuer(), &app()).with_leeway(Duration::from_secs(60));
    channel.receive(&late, &keys(), &mut seen, &world.env()).unwrap();
    assert_eq!(seen.len(), 2, "c can still be shown within the leeway, b cannot");
    world.now = world.now + Duration::from_secs(25 * 3600);
    assert!(channel.receive(&late, &keys(), &mut seen, &world.env()).is_err());
    let fresh = (NOW + 170 + 25 * 3600).to_string();
    let next = post(&token(&[("jti", r#""e""#), ("iat", &fresh), ("exp", "1800000000")]));
    channel.receive(&next, &keys(), &mut seen, &world.env()).unwrap();
    assert_eq!(seen.len(), 1);
}

#[test]
fn s_lo_01_an_encrypted_logout_token_is_decrypted_first() {
    let world = World::new();
    let (alg, enc, crypto) = (KeyManagement::Dir, ContentEncryption::A256Gcm, world.env().crypto);
    let encrypter = |byte| Encrypter::secret(&[byte; 32], alg, enc, crypto).unwrap();
    let decrypter = Decrypter::secret(&[9; 32], alg, enc, crypto).unwrap();
    let channel = BackChannel::new(&issuer(), &app()).with_decrypter(decrypter);
    let receive = |token: &str| {
        channel
            .receive(&post(token), &keys(), &mut ReplayGuard::new(1), &world.env())
            .map_err(|error| error.reason())
    };
    let good = token(&[]);
    assert!(receive(&encrypter(9).encrypt(&good, &world.env()).unwrap()).is_ok());
    assert!(receive(&good).is_ok(), "it is signed, which is what counts");
    assert_eq!(receive(&encrypter(8).encrypt(&good, &world.env()).unwrap()), Err(Reason::DecryptionFailed));
    // What anybody can encrypt is nothing without a signature.
    let forged = Writer::new(Kind::LogoutToken, key(8)).unwrap().sign(&claims(&[])).unwrap();
    assert_eq!(receive(&encrypter(9).encrypt(&forged, &world.env()).unwrap()), Err(Reason::SignatureInvalid));
    // Without a way to decrypt it, it is none.
    assert_eq!(refused(&post(&encrypter(9).encrypt(&good, &world.env()).unwrap())), Reason::Malformed);
}

#[test]
fn s_lo_02_a_browser_ends_its_own_session_alone() {
    let lenient = FrontChannel::new(&issuer());
    let strict = FrontChannel::new(&issuer()).with_session_required();
    let good = "https://app.example/logout?iss=https%3A%2F%2Fop.example&sid=s1";
    assert!(strict.check(good, Some("s1")).is_ok() && lenient.check(good, Some("s1")).is_ok());
    assert!(lenient.check("/logout", Some("s1")).is_ok() && lenient.check("/logout?x=1", None).is_ok());
    assert_eq!(strict.check("/logout", Some("s1")).unwrap_err().reason(), Reason::MissingParameter);
    for (uri, session, reason) in [
        (good, Some("s2"), Reason::SessionMismatch),
        (good, None, Reason::SessionMismatch),
        ("/logout?iss=https%3A%2F%2Fevil.example&sid=s1", Some("s1"), Reason::IssuerMismatch),
        ("/logout?sid=s1", Some("s1"), Reason::MissingParameter),
        ("/logout?iss=https%3A%2F%2Fop.example", Some("s1"), Reason::MissingParameter),
        ("/logout?iss=&sid=", Some("s1"), Reason::MissingParameter),
        ("/logout?iss=https%3A%2F%2Fop.example&sid=s1&sid=s2", Some("s1"), Reason::DuplicateParameter),
    ] {
        for channel in [&lenient, &strict] {
            assert_eq!(channel.check(uri, session).unwrap_err().reason(), reason, "{uri}");
        }
    }
}
