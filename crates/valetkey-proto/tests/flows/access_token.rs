//! Access tokens that an API reads: what they must say, and how they must be shown.

use std::{sync::Mutex, time::Duration};

use http::{HeaderMap, Method, Uri};
use valetkey_proto::{
    Env, Error, ErrorKind, Event, Flow, Reason, Step,
    crypto::{CryptoProvider, PrivateKey, SignatureAlgorithm, SigningKey},
    jose::{
        Jwks, VerifyingKeys,
        jwt::{ClaimSet, Kind, ReplayGuard, Writer},
    },
    oauth2::{
        binding::{Dpop, Proof},
        protected_resource::{AccessTokenClaims, AccessTokenVerifier, PresentedToken, Refusal},
        server::{Issuer, ServerMetadata},
    },
    secret::AccessToken,
};

use crate::transcript::{START, World};

const ISSUER: &str = "https://as.example";
const API: &str = "https://api.example/v1";

/// A server, an API, and what both know.
struct Scene {
    world: World,
    key: SigningKey,
    verifier: AccessTokenVerifier,
    keys: VerifyingKeys,
    seen: Mutex<ReplayGuard>,
}

impl Scene {
    fn new() -> Self {
        let world = World::new();
        let crypto = CryptoProvider::ring();
        let key = new_key();
        let keys = Jwks::parse(&format!(r#"{{"keys":[{}]}}"#, key.public_jwk().unwrap())).unwrap();
        let verifier = AccessTokenVerifier::new(&ServerMetadata::new(Issuer::parse(ISSUER).unwrap()), API);
        let keys = verifier.keys(&keys, &crypto).unwrap();
        Self { world, key, verifier, keys, seen: Mutex::new(ReplayGuard::new(8)) }
    }

    fn env(&self) -> Env<'_> {
        self.world.env()
    }

    fn token(&self, claims: &[(&str, &str)]) -> String {
        sign(Kind::AccessToken, &self.key, &set(claims))
    }

    fn verify(&self, shown: &PresentedToken<'_>) -> Result<AccessTokenClaims, Refusal> {
        self.verifier.verify(shown, &self.keys, &self.seen, &self.world.env())
    }

    fn bearer(&self, token: &str) -> Result<AccessTokenClaims, Refusal> {
        self.verify(&PresentedToken::bearer(token))
    }
}

fn new_key() -> SigningKey {
    let (crypto, algorithm) = (CryptoProvider::ring(), SignatureAlgorithm::Es256);
    PrivateKey::generate(algorithm, &crypto).unwrap().signing_key(algorithm, &crypto).unwrap()
}

/// The claims of a good token with these in place of its own; an empty text leaves one out.
fn set(changes: &[(&str, &str)]) -> ClaimSet {
    let (now, soon) = (START.as_secs().to_string(), (START.as_secs() + 600).to_string());
    let good = [
        ("iss", "\"https://as.example\""),
        ("sub", "\"jane\""),
        ("aud", "\"https://api.example/v1\""),
        ("client_id", "\"app\""),
        ("jti", "\"1\""),
        ("iat", &now),
        ("exp", &soon),
        ("scope", "\"read write\""),
    ];
    let is_changed = |name: &str| changes.iter().any(|(changed, _)| *changed == name);
    let kept = good.iter().filter(|(name, _)| !is_changed(name));
    let mut claims = ClaimSet::new();
    for (name, value) in kept.chain(changes).filter(|(_, value)| !value.is_empty()) {
        claims.json(name, value).unwrap();
    }
    claims
}

fn sign(kind: Kind, key: &SigningKey, claims: &ClaimSet) -> String {
    Writer::new(kind, key.clone()).unwrap().with_typ().sign(claims).unwrap()
}

fn cause(refusal: &Refusal) -> &Error {
    refusal.error().expect("a cause")
}

#[test]
fn s_jw_10_an_access_token_says_all_that_it_must_and_says_it_right() {
    let scene = Scene::new();
    let token = scene.token(&[
        ("aud", r#"["https://other.example","https://api.example/v1"]"#),
        ("auth_time", "1699999999"),
        ("acr", "\"phr\""),
        ("amr", r#"["pwd","otp"]"#),
        ("groups", r#"["staff"]"#),
        ("roles", r#"[{"value":"admin"}]"#),
        ("x", "[1]"),
    ]);
    let claims = scene.bearer(&token).unwrap();
    assert_eq!((claims.issuer(), claims.subject(), claims.client_id()), (ISSUER, "jane", "app"));
    assert_eq!((claims.id(), claims.acr()), ("1", Some("phr")));
    assert!(claims.audience().eq(["https://other.example", API]) && claims.amr().eq(["pwd", "otp"]));
    assert_eq!((claims.groups(), claims.roles()), (vec!["staff".to_owned()], vec![]));
    assert_eq!(
        (claims.issued_at(), claims.expires_at()),
        (Some(START), Some(START + Duration::from_secs(600)))
    );
    assert!(claims.authenticated_at().is_some() && claims.confirmation().is_none());
    assert_eq!(claims.extra::<Vec<u8>>("x"), Some(vec![1]));
    assert!(!format!("{claims:?}").contains("jane"));

    let now = START.as_secs();
    let (past, future) = ((now - 31).to_string(), (now + 31).to_string());
    for (name, value, reason) in [
        ("iss", "\"https://evil.example\"", Reason::IssuerMismatch),
        ("iss", "\"https://as.example/\"", Reason::IssuerMismatch),
        ("iss", "", Reason::MissingParameter),
        ("aud", "\"https://api.example\"", Reason::AudienceMismatch),
        ("aud", "\"https://api.example/v1/\"", Reason::AudienceMismatch),
        ("aud", "[]", Reason::AudienceMismatch),
        ("aud", "", Reason::MissingParameter),
        ("aud", "7", Reason::Malformed),
        ("exp", &past, Reason::JwtExpired),
        ("exp", "", Reason::MissingParameter),
        ("exp", "\"1800000000\"", Reason::Malformed),
        ("iat", &future, Reason::NotYetValid),
        ("iat", "", Reason::MissingParameter),
        ("nbf", &future, Reason::NotYetValid),
        ("sub", "", Reason::MissingParameter),
        ("sub", "\"\"", Reason::Malformed),
        ("client_id", "", Reason::MissingParameter),
        ("client_id", "[\"app\"]", Reason::Malformed),
        ("client_id", "null", Reason::Malformed),
        ("jti", "", Reason::MissingParameter),
        ("scope", "[\"read\"]", Reason::Malformed),
        ("scope", r#""a\"b""#, Reason::Malformed),
        ("auth_time", "\"now\"", Reason::Malformed),
        ("acr", "1", Reason::Malformed),
        ("amr", "\"pwd\"", Reason::Malformed),
        ("cnf", "\"x\"", Reason::Malformed),
        ("cnf", r#"{"jkt":7}"#, Reason::Malformed),
        ("events", "{}", Reason::KindMismatch),
    ] {
        let token = scene.token(&[(name, value)]);
        let refusal = scene.bearer(&token).unwrap_err();
        assert_eq!(cause(&refusal).reason(), reason, "{name} {value}");
        assert_eq!(
            (refusal.status().as_u16(), refusal.code()),
            (401, Some("invalid_token")),
            "{name} {value}"
        );
    }
}

#[test]
fn s_jw_01_an_access_token_is_of_its_type_and_signed_by_its_server() {
    let mut scene = Scene::new();
    for kind in
        [Kind::IdToken, Kind::LogoutToken, Kind::ClientAssertion, Kind::DpopProof, Kind::RequestObject]
    {
        let token = sign(kind, &scene.key, &set(&[]));
        assert_eq!(cause(&scene.bearer(&token).unwrap_err()).reason(), Reason::KindMismatch, "{kind:?}");
    }
    let strange = sign(Kind::AccessToken, &new_key(), &set(&[]));
    assert_eq!(cause(&scene.bearer(&strange).unwrap_err()).reason(), Reason::SignatureInvalid);
    let good = scene.token(&[]);
    let (signed_part, _) = good.rsplit_once('.').unwrap();
    let (_, payload) = signed_part.split_once('.').unwrap();
    // {"typ":"at+jwt","alg":"none"}
    let unsigned = format!("eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJub25lIn0.{payload}.");
    for forged in [unsigned, format!("{signed_part}."), "opaque".to_owned(), String::new()] {
        let refusal = scene.bearer(&forged).unwrap_err();
        assert!(matches!(cause(&refusal).kind(), ErrorKind::Untrusted | ErrorKind::Protocol), "{forged}");
    }
    // By an algorithm that was not agreed on, although the key is the right one.
    scene.verifier = scene.verifier.with_algorithms(&[SignatureAlgorithm::Rs256]);
    let published = format!(r#"{{"keys":[{}]}}"#, scene.key.public_jwk().unwrap());
    scene.keys = scene.verifier.keys(&Jwks::parse(&published).unwrap(), &CryptoProvider::ring()).unwrap();
    assert_eq!(cause(&scene.bearer(&good).unwrap_err()).reason(), Reason::AlgorithmMismatch);
}

/// A proof by this key for a request that shows this token.
fn prove(dpop: &Dpop, method: Method, uri: &str, token: &str, env: &Env<'_>) -> String {
    let token = AccessToken::dpop(token).unwrap();
    match Proof::new(dpop, method, uri.parse().unwrap(), token).step(Event::Go, env) {
        Ok(Step::Done(value)) => value.to_str().unwrap().to_owned(),
        _ => panic!("the key is here"),
    }
}

#[test]
fn s_dp_01_a_token_that_is_bound_to_a_key_is_shown_with_its_proof_once() {
    let mut scene = Scene::new();
    let crypto = CryptoProvider::ring();
    let dpop = Dpop::generate(SignatureAlgorithm::Es256, &crypto).unwrap();
    let other = Dpop::generate(SignatureAlgorithm::Es256, &crypto).unwrap();
    let thumbprint = dpop.thumbprint();
    let bound = scene.token(&[("cnf", &format!(r#"{{"jkt":"{thumbprint}"}}"#))]);
    let (get, uri) = (Method::GET, Uri::from_static("https://api.example/v1/me?x=1"));
    let proof = prove(&dpop, Method::GET, "https://api.example/v1/me", &bound, &scene.env());

    let claims = scene.verify(&PresentedToken::dpop(&bound, &proof, &get, &uri)).unwrap();
    assert_eq!(claims.confirmation().and_then(|bound| bound.key()), Some(thumbprint));
    let again = scene.verify(&PresentedToken::dpop(&bound, &proof, &get, &uri)).unwrap_err();
    assert_eq!((cause(&again).reason(), again.code()), (Reason::Replayed, Some("invalid_dpop_proof")));

    let as_bearer = scene.bearer(&bound).unwrap_err();
    assert_eq!(
        (cause(&as_bearer).reason(), as_bearer.code()),
        (Reason::BindingMismatch, Some("invalid_token"))
    );
    assert!(as_bearer.headers()["www-authenticate"].to_str().unwrap().starts_with("DPoP algs=\"ES256"));

    let plain = scene.token(&[]);
    let of =
        |dpop: &Dpop, method: Method, uri: &str, token: &str| prove(dpop, method, uri, token, &scene.env());
    let me = "https://api.example/v1/me";
    let rows = [
        (&bound, of(&other, Method::GET, me, &bound), "invalid_token"),
        (&bound, of(&dpop, Method::POST, me, &bound), "invalid_dpop_proof"),
        (&bound, of(&dpop, Method::GET, "https://api.example/v1", &bound), "invalid_dpop_proof"),
        (&bound, of(&dpop, Method::GET, me, &plain), "invalid_dpop_proof"),
        (&bound, bound.clone(), "invalid_dpop_proof"),
        (&bound, String::new(), "invalid_dpop_proof"),
        // Whoever has a token that is bound to nothing has proved nothing.
        (&plain, of(&dpop, Method::GET, me, &plain), "invalid_token"),
    ];
    for (token, proof, code) in &rows {
        let refusal = scene.verify(&PresentedToken::dpop(token, proof, &get, &uri)).unwrap_err();
        assert_eq!((refusal.status().as_u16(), refusal.code()), (401, Some(*code)), "{proof}");
    }
    // Proofs that are refused are not used up.
    let proof = prove(&dpop, Method::GET, me, &bound, &scene.env());
    scene.world.now = START + Duration::from_secs(120);
    assert!(scene.verify(&PresentedToken::dpop(&bound, &proof, &get, &uri)).is_err(), "too old");
    scene.world.now = START;
    assert!(scene.verify(&PresentedToken::dpop(&bound, &proof, &get, &uri)).is_ok());
}

#[test]
fn s_dp_01_a_token_that_is_bound_to_a_certificate_or_to_something_unknown_is_no_bearer_token() {
    let scene = Scene::new();
    let bound = scene.token(&[("cnf", r#"{"x5t#S256":"bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}"#)]);
    let right = "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2";
    assert!(scene.verify(&PresentedToken::bearer(&bound).with_certificate(right)).is_ok());
    for shown in [
        PresentedToken::bearer(&bound),
        PresentedToken::bearer(&bound).with_certificate(""),
        PresentedToken::bearer(&bound).with_certificate("bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg3"),
    ] {
        assert_eq!(cause(&scene.verify(&shown).unwrap_err()).reason(), Reason::BindingMismatch);
    }
    // A certificate beside a token that is bound to nothing changes nothing.
    let plain = scene.token(&[]);
    assert!(scene.verify(&PresentedToken::bearer(&plain).with_certificate(right)).is_ok());
    for unknown in ["{}", r#"{"kid":"1"}"#, r#"{"jwk":{"kty":"oct","k":"AA"}}"#] {
        let bound = scene.token(&[("cnf", unknown)]);
        let shown = PresentedToken::bearer(&bound).with_certificate(right);
        assert_eq!(cause(&scene.verify(&shown).unwrap_err()).reason(), Reason::BindingMismatch, "{unknown}");
    }
}

#[test]
fn s_tk_20_what_a_request_shows_is_read_strictly() {
    let (get, uri) = (Method::GET, Uri::from_static("https://api.example/v1"));
    let headers = |fields: &[(&'static str, &str)]| {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    };
    for fields in [&[][..], &[("authorization", "Basic dXNlcjpwYXNz")], &[("authorization", "Bearerx abc")]] {
        assert!(PresentedToken::read(&get, &uri, &headers(fields)).unwrap().is_none(), "{fields:?}");
    }
    for fields in [&[("authorization", "Bearer abc")][..], &[("authorization", "bEARER  abc=")]] {
        assert!(PresentedToken::read(&get, &uri, &headers(fields)).unwrap().is_some(), "{fields:?}");
    }
    for (fields, status) in [
        (&[("authorization", "Bearer")][..], 400),
        (&[("authorization", "Bearer a b")], 400),
        (&[("authorization", "Bearer a,b")], 400),
        (&[("authorization", "Bearer a"), ("authorization", "Bearer a")], 400),
        (&[("authorization", "DPoP a")], 401),
        (&[("authorization", "DPoP a"), ("dpop", "x"), ("dpop", "x")], 401),
    ] {
        let refusal = PresentedToken::read(&get, &uri, &headers(fields)).unwrap_err();
        assert_eq!(refusal.status(), status, "{fields:?}");
        let code = if status == 400 { "invalid_request" } else { "invalid_dpop_proof" };
        assert_eq!(refusal.code(), Some(code), "{fields:?}");
    }
}

#[test]
fn a_refusal_says_what_is_needed_and_no_more() {
    let scene = Scene::new();
    let token = scene.token(&[]);
    let claims = scene.bearer(&token).unwrap();
    assert!(claims.require("read write").is_ok() && claims.require("").is_ok());
    let refusal = claims.require("read admin").unwrap_err();
    let response = refusal.response();
    assert_eq!(response.status(), 403);
    let challenge = response.headers()["www-authenticate"].to_str().unwrap();
    assert_eq!(challenge, "Bearer error=\"insufficient_scope\", scope=\"read admin\"");
    assert_eq!(response.headers()["cache-control"], "no-store");

    let none = Refusal::no_token();
    let challenges: Vec<_> = none
        .headers()
        .get_all("www-authenticate")
        .iter()
        .map(|field| field.to_str().unwrap().to_owned())
        .collect();
    assert_eq!(challenges, ["Bearer", "DPoP algs=\"ES256 EdDSA PS256 RS256\""]);
    let down = Refusal::unavailable(Error::new(ErrorKind::Transport, Reason::Unreachable));
    assert_eq!((down.status().as_u16(), down.code()), (503, None));
    assert!(!down.headers().contains_key("www-authenticate"));
    // Nothing of a token is in what is said of it.
    let refusal = scene.bearer("canary.canary.canary").unwrap_err();
    assert!(!format!("{refusal:?} {refusal} {:?}", refusal.headers()).contains("canary"));
}
