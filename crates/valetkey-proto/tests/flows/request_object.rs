//! Request objects, and what OpenID Connect asks for.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use valetkey_proto::{
    ErrorKind, Event, Flow, Reason, Step,
    crypto::{
        ContentEncryption, CryptoProvider, KeyManagement, RemoteKey, Signature, SignatureAlgorithm,
        SigningKey, VerifyingKey,
    },
    form::Parameters,
    jose::{
        VerifyingKeys,
        jwe::{Decrypter, Encrypter},
        jws::Unverified,
        jwt::{Expected, Kind, Validator},
    },
    oauth2::{
        authorization::{AuthorizationRequest, AuthorizationUrl, Display, Prompt, RequestObject},
        client::ClientMetadata,
        server::{Issuer, ServerMetadata},
    },
    oidc::{Claim, ClaimsRequest},
};

use crate::transcript::World;

fn request() -> AuthorizationRequest {
    let server = ServerMetadata::new(Issuer::parse("https://op.example").unwrap());
    let server = server.with_authorization_endpoint("https://op.example/authorize?tenant=1").unwrap();
    let client = ClientMetadata::new("app").unwrap().with_redirect_uri("https://app.example/cb").unwrap();
    AuthorizationRequest::new(&server, &client).unwrap().with_scope("openid email").unwrap()
}

fn key() -> SigningKey {
    SigningKey::secret(SignatureAlgorithm::Hs256, &[7; 32], &CryptoProvider::ring()).unwrap()
}

fn keys() -> VerifyingKeys {
    VerifyingKey::secret(SignatureAlgorithm::Hs256, &[7; 32], &CryptoProvider::ring()).unwrap().into()
}

/// The parameters of a URL, and the object among them.
fn sent(url: &AuthorizationUrl) -> (Vec<(String, String)>, String) {
    let query = url.as_str().split_once('?').unwrap().1;
    let parameters = Parameters::parse(query).unwrap();
    let object = parameters.get("request").unwrap_or_default().to_owned();
    let others = parameters.iter().filter(|(name, _)| *name != "request");
    (others.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(), object)
}

#[test]
fn s_ja_02_all_parameters_are_in_the_signed_object() {
    let asked = request()
        .with_max_age(Duration::from_secs(600))
        .unwrap()
        .with_claims(&ClaimsRequest::new().user_info("email", Claim::essential()))
        .unwrap()
        .with_parameter("login_hint", "jo&e=ü")
        .unwrap()
        .with_request_object(RequestObject::signed(key()).unwrap().with_kid("k1"));
    let world = World::new();
    let (url, pending) = asked.start(&world.env()).unwrap();
    let (others, object) = sent(&url);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        others,
        [
            pair("tenant", "1"),
            pair("client_id", "app"),
            pair("response_type", "code"),
            pair("scope", "openid email")
        ]
    );
    let validator = Validator::new(Kind::RequestObject, "app", "https://op.example");
    let jwt = validator.validate(&object, &keys(), &Expected::new(), &world.env()).unwrap();
    let claims: Value = serde_json::from_str(jwt.claims()).unwrap();
    for (name, value) in [
        ("client_id", json!("app")),
        ("response_type", json!("code")),
        ("redirect_uri", json!("https://app.example/cb")),
        ("scope", json!("openid email")),
        ("max_age", json!(600)),
        ("claims", json!({"userinfo":{"email":{"essential":true}}})),
        ("login_hint", json!("jo&e=ü")),
        ("code_challenge_method", json!("S256")),
        ("exp", json!(1_700_000_300)),
        ("nbf", json!(1_700_000_000)),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
    for name in ["nonce", "code_challenge", "jti", "state"] {
        assert!(claims[name].as_str().is_some_and(|text| text.len() == 43), "{name}");
    }
    assert!(claims.get("sub").is_none() && claims.get("tenant").is_none());
    // The callback answers the state in the object.
    let state = claims["state"].as_str().unwrap();
    pending.receive(format!("https://app.example/cb?code=c&state={state}")).unwrap();
    let header = Unverified::parse(&object).unwrap().verify(&keys()).unwrap().header().to_owned();
    assert!(header.contains(r#""kid":"k1""#) && header.contains("oauth-authz-req+jwt"), "{header}");
}

#[test]
fn s_ja_01_a_key_elsewhere_signs_the_same() {
    let remote = SigningKey::Remote(RemoteKey::new("kms/1", SignatureAlgorithm::Hs256));
    let asked = request().with_request_object(RequestObject::signed(remote).unwrap());
    let world = World::new();
    assert_eq!(asked.start(&world.env()).unwrap_err().reason(), Reason::UnsupportedAlgorithm);
    let mut flow = asked.starting();
    assert_eq!(flow.step(Event::Signed(Ok(vec![1])), &world.env()).unwrap_err().reason(), Reason::OutOfTurn);
    let Step::Sign(first) = flow.step(Event::Go, &world.env()).unwrap() else { panic!("it is to be signed") };
    // A spurious event asks for the same again.
    let Step::Sign(signing) = flow.step(Event::Go, &world.env()).unwrap() else {
        panic!("still to be signed")
    };
    assert_eq!((first.key.name(), &first.message), ("kms/1", &signing.message));
    let SigningKey::Local(signer) = key() else { panic!("a key that is here") };
    let mut signature = Signature::new();
    signer.sign(&signing.message, &mut signature).unwrap();
    let signed = Event::Signed(Ok(signature.as_ref().to_vec()));
    let Step::Done((url, _)) = flow.step(signed, &world.env()).unwrap() else { panic!("it is signed") };
    let validator = Validator::new(Kind::RequestObject, "app", "https://op.example");
    validator.validate(&sent(&url).1, &keys(), &Expected::new(), &world.env()).unwrap();
    // A signer that fails ends it; then it begins anew.
    let mut flow = asked.starting();
    let _ = flow.step(Event::Go, &world.env()).unwrap();
    let error = flow.step(Event::Signed(Err("no".into())), &world.env()).unwrap_err();
    assert_eq!(error.reason(), Reason::SigningFailed);
    assert!(matches!(flow.step(Event::Go, &world.env()), Ok(Step::Sign(_))));
    // A key that is here, and no object at all, need nobody.
    let local = request().with_request_object(RequestObject::signed(key()).unwrap());
    for request in [local, request()] {
        assert!(matches!(request.starting().step(Event::Go, &world.env()), Ok(Step::Done(_))));
    }
}

#[test]
fn s_ja_01_an_object_may_be_encrypted_and_must_be_called_unsigned() {
    let world = World::new();
    let (alg, enc) = (KeyManagement::Dir, ContentEncryption::A256Gcm);
    let encrypter = Encrypter::secret(&[9; 32], alg, enc, world.env().crypto).unwrap();
    let object = RequestObject::signed(key()).unwrap().with_encryption(encrypter);
    let (url, _) = request().with_request_object(object).start(&world.env()).unwrap();
    let decrypter = Decrypter::secret(&[9; 32], alg, enc, world.env().crypto).unwrap();
    let object = decrypter.decrypt(&sent(&url).1, world.env().crypto).unwrap();
    let validator = Validator::new(Kind::RequestObject, "app", "https://op.example");
    validator.validate(&object, &keys(), &Expected::new(), &world.env()).unwrap();

    let (url, _) = request().with_request_object(RequestObject::unsigned()).start(&world.env()).unwrap();
    let object = sent(&url).1;
    let parts: Vec<_> = object.split('.').collect();
    let decode = |part: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    assert_eq!(decode(parts[0]), r#"{"alg":"none","typ":"oauth-authz-req+jwt"}"#);
    assert!(decode(parts[1]).contains(r#""redirect_uri":"https://app.example/cb""#));
    assert_eq!((parts.len(), parts[2]), (3, ""));
    assert!(validator.validate(&object, &keys(), &Expected::new(), &world.env()).is_err());
}

#[test]
fn s_oi_16_a_hosted_object_is_named_by_its_hash() {
    let world = World::new();
    let asked = request().with_request_object(RequestObject::signed(key()).unwrap());
    let (url, _, hosted) = asked.start_hosted("https://app.example/ro/1", &world.env()).unwrap();
    let (others, object) = sent(&url);
    assert!(object.is_empty());
    let uri = &others.iter().find(|(name, _)| name == "request_uri").unwrap().1;
    assert_eq!(uri, hosted.uri());
    let (place, hash) = uri.split_once('#').unwrap();
    let digest = world
        .env()
        .crypto
        .hash
        .digest(valetkey_proto::crypto::HashAlgorithm::Sha256, hosted.object().as_bytes());
    assert_eq!((place, hash), ("https://app.example/ro/1", URL_SAFE_NO_PAD.encode(digest).as_str()));
    let validator = Validator::new(Kind::RequestObject, "app", "https://op.example");
    validator.validate(hosted.object(), &keys(), &Expected::new(), &world.env()).unwrap();
    assert!(!format!("{hosted:?} {asked:?}").contains("ey"));
    let long = format!("https://app.example/{}", "x".repeat(512 - 20 - 44));
    assert_eq!(asked.start_hosted(&long, &world.env()).unwrap().2.uri().len(), 512);
    for (bad, reason) in [
        (format!("{long}x"), Reason::InvalidUrl),
        ("http://app.example/ro".to_owned(), Reason::InsecureUrl),
        ("https://app.example/ro#x".to_owned(), Reason::InvalidUrl),
    ] {
        assert_eq!(asked.start_hosted(&bad, &world.env()).unwrap_err().reason(), reason);
    }
    // Without a choice it is unsigned, as the server may want it from a place that it knows.
    let (_, _, plain) = request().start_hosted("https://app.example/ro/2", &world.env()).unwrap();
    assert!(plain.object().starts_with("eyJhbGciOiJub25lI"));
}

#[test]
fn s_oi_08_what_is_asked_of_the_user_is_said_once() {
    let asked = request()
        .with_prompt(&[Prompt::Login, Prompt::SelectAccount])
        .unwrap()
        .with_ui_locales(&["fr-CA", "fr"])
        .unwrap()
        .with_acr_values(&["urn:a", "urn:b"])
        .unwrap()
        .with_id_token_hint("e.e.e")
        .unwrap()
        .with_display(Display::Popup)
        .unwrap()
        .with_claims(&ClaimsRequest::new())
        .unwrap()
        .with_claims(&ClaimsRequest::new().id_token("sub", Claim::essential().value("248&9")))
        .unwrap();
    let (url, _) = asked.start(&World::new().env()).unwrap();
    let parameters = sent(&url).0;
    let value = |name: &str| {
        let values: Vec<_> = parameters.iter().filter(|(known, _)| known == name).collect();
        assert_eq!(values.len(), 1, "{name}");
        values[0].1.as_str()
    };
    assert_eq!(value("prompt"), "login select_account");
    assert_eq!((value("ui_locales"), value("acr_values")), ("fr-CA fr", "urn:a urn:b"));
    assert_eq!((value("id_token_hint"), value("display")), ("e.e.e", "popup"));
    assert_eq!(value("claims"), r#"{"id_token":{"sub":{"essential":true,"value":"248&9"}}}"#);
    let error = asked.with_prompt(&[Prompt::None]).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::ReservedParameter));
    let error = request().with_prompt(&[Prompt::None, Prompt::Login]).unwrap_err();
    assert_eq!(error.reason(), Reason::InvalidValue);
    // A parameter must not pass for a claim of the object's own.
    let signed = request().with_parameter("aud", "https://evil.example").unwrap();
    let signed = signed.with_request_object(RequestObject::signed(key()).unwrap());
    assert_eq!(signed.start(&World::new().env()).unwrap_err().reason(), Reason::ReservedParameter);
}
