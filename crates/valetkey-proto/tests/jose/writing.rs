//! Writing: assertions, proofs and request objects, with keys that are here or elsewhere.

use http::{HeaderName, Method, Uri};
use serde_json::Value;
use valetkey_proto::{
    Call, Draft, Env, ErrorKind, Event, Exchange, Flow, Place, Reason, Result, Retry, Step, Timestamp,
    crypto::{ContentEncryption, KeyManagement, RemoteKey, Signature, SignatureAlgorithm, SigningKey},
    endpoint::Endpoint,
    form::{Form, Parameters},
    jose::{
        jwe::{Decrypter, Encrypter},
        jws::Unverified,
        jwt::{Expected, Kind, ProofOf, Validator, Writer},
    },
};

use crate::support::{NOW, P256, SECRET, crypto, env, refusal, shared, signing, verifying};

const AS: &str = "https://as.example";

/// The same key, as one that is elsewhere.
fn remote() -> SigningKey {
    let key = RemoteKey::new("kms/1", SignatureAlgorithm::Es256);
    SigningKey::Remote(key.with_public_jwk(signing().public_jwk().unwrap()))
}

/// A request with an assertion, a proof and a request object, of which the last may be encrypted.
struct Signed {
    key: SigningKey,
    encrypter: Option<Encrypter>,
}

impl Exchange for Signed {
    type Output = ();

    fn retry(&self) -> Retry {
        Retry::NEVER
    }

    fn request(&self, env: &Env<'_>) -> Result<Draft> {
        let endpoint = Endpoint::parse("https://as.example/par")?;
        let mut draft = Draft::post(&endpoint, Form::new());
        let assertions = Writer::new(Kind::ClientAssertion, self.key.clone())?.with_kid("1").with_typ();
        let claims = assertions.client_assertion("app", AS, env)?;
        assertions.sign_into(&mut draft, &claims, Place::Form("client_assertion"))?;
        let objects = Writer::new(Kind::RequestObject, self.key.clone())?;
        let mut claims = objects.request_object("app", AS, env)?;
        claims.text("client_id", "app")?.text("response_type", "code")?;
        let place = Place::Form("request");
        match &self.encrypter {
            None => objects.sign_into(&mut draft, &claims, place)?,
            Some(encrypter) => {
                let encryption = encrypter.begin(env)?;
                draft.sign_encrypted(objects.key(), objects.input(&claims), place, encryption)?;
            }
        }
        let proofs = Writer::new(Kind::DpopProof, self.key.clone())?;
        let claims = proofs.dpop_proof(&Method::POST, endpoint.uri(), None, Some("n-1"), env)?;
        proofs.sign_into(&mut draft, &claims, Place::Header(HeaderName::from_static("dpop")))?;
        Ok(draft)
    }

    fn response(&self, _: valetkey_http::Response, _: Timestamp, _: &Env<'_>) -> Result<()> {
        Ok(())
    }
}

/// The request that is sent, and how many signatures were asked for elsewhere.
fn play(exchange: Signed) -> (valetkey_http::Request, usize) {
    let SigningKey::Local(signer) = signing() else { panic!("a key that is here") };
    let (mut call, mut event, mut count) = (Call::anonymous(exchange), Event::Go, 0);
    loop {
        event = match call.step(event, &env()).unwrap() {
            Step::Sign(signing) => {
                assert_eq!(
                    (signing.key.name(), signing.key.algorithm()),
                    ("kms/1", SignatureAlgorithm::Es256)
                );
                count += 1;
                let mut signature = Signature::new();
                signer.sign(&signing.message, &mut signature).unwrap();
                Event::Signed(Ok(signature.as_ref().to_vec()))
            }
            Step::Send(request, _) => return (request, count),
            Step::Wait(_) | Step::Done(()) => panic!("nothing else is to be done"),
        };
    }
}

#[test]
fn s_dp_01_and_s_tk_05_a_key_elsewhere_writes_what_a_key_here_does() {
    let secret = Encrypter::secret(&SECRET[..32], KeyManagement::Dir, ContentEncryption::A256Gcm, &crypto());
    let encrypter = secret.unwrap();
    for (key, signatures) in [(signing(), 0), (remote(), 3)] {
        for encrypter in [None, Some(encrypter.clone())] {
            let is_encrypted = encrypter.is_some();
            let (request, count) = play(Signed { key: key.clone(), encrypter });
            assert_eq!(count, signatures);
            let form = Parameters::parse(std::str::from_utf8(request.body()).unwrap()).unwrap();
            let validator = Validator::new(Kind::ClientAssertion, "app", AS);
            let assertion = form.get("client_assertion").unwrap();
            let jwt = validator.validate(assertion, &verifying(), &Expected::new(), &env()).unwrap();
            assert_eq!((jwt.subject(), jwt.claim::<String>("aud").as_deref()), (Some("app"), Some(AS)));
            assert_eq!(jwt.expires_at(), Some(Timestamp::from_secs(NOW + 60)));
            let header: Value = serde_json::from_str(
                Unverified::parse(assertion).unwrap().verify(&verifying()).unwrap().header(),
            )
            .unwrap();
            assert_eq!((&header["kid"], &header["typ"]), (&"1".into(), &"client-authentication+jwt".into()));

            let object = form.get("request").unwrap();
            let object = if is_encrypted {
                let decrypter = Decrypter::secret(
                    &SECRET[..32],
                    KeyManagement::Dir,
                    ContentEncryption::A256Gcm,
                    &crypto(),
                );
                decrypter.unwrap().decrypt(object, &crypto()).unwrap()
            } else {
                object.to_owned()
            };
            let objects = Validator::new(Kind::RequestObject, "app", AS);
            let jwt = objects.validate(&object, &verifying(), &Expected::new(), &env()).unwrap();
            assert_eq!(jwt.claim::<String>("response_type").as_deref(), Some("code"));

            let (method, uri) = (Method::POST, Uri::from_static("https://as.example/par"));
            let of = ProofOf::new(&method, &uri).nonce("n-1");
            let proof = request.headers()["dpop"].to_str().unwrap();
            Validator::dpop_proof().validate_proof(proof, &of, &env()).unwrap();
        }
    }
}

#[test]
fn s_dp_02_no_private_number_is_in_a_proof() {
    let writer = Writer::new(Kind::DpopProof, signing()).unwrap();
    let uri = Uri::from_static("https://api.example/me?code=canary#x");
    let claims = writer.dpop_proof(&Method::GET, &uri, Some("token"), None, &env()).unwrap();
    let proof = writer.sign(&claims).unwrap();
    let jws = Unverified::parse(&proof).unwrap().verify(&verifying()).unwrap();
    let header: Value = serde_json::from_str(jws.header()).unwrap();
    let jwk = header["jwk"].as_object().unwrap();
    assert_eq!(jwk.keys().collect::<Vec<_>>(), ["crv", "kty", "x", "y"]);
    let payload = String::from_utf8(jws.into_payload()).unwrap();
    assert!(
        payload.contains(r#""htu":"https://api.example/me""#) && !payload.contains("canary"),
        "{payload}"
    );
    // A key elsewhere whose public key has a private number in it.
    let key = RemoteKey::new("kms/1", SignatureAlgorithm::Es256).with_public_jwk(P256);
    let key = SigningKey::Remote(key);
    let refused = refusal(Writer::new(Kind::DpopProof, key), "a private key as the public one");
    assert_eq!(refused, (ErrorKind::Config, Reason::InvalidKey));
    let nothing = SigningKey::Remote(RemoteKey::new("kms/1", SignatureAlgorithm::Es256));
    assert_eq!(refusal(Writer::new(Kind::DpopProof, nothing), "no public key").1, Reason::InvalidKey);
    let refused = refusal(Writer::new(Kind::DpopProof, shared(SignatureAlgorithm::Hs256).0), "HS256");
    assert_eq!(refused, (ErrorKind::Config, Reason::UnsupportedAlgorithm));
}

#[test]
fn s_dp_01_every_proof_and_assertion_is_new() {
    let writer = Writer::new(Kind::ClientAssertion, signing()).unwrap();
    let id = || {
        let claims = writer.client_assertion("app", AS, &env()).unwrap();
        serde_json::from_str::<Value>(claims.expose()).unwrap()["jti"].as_str().unwrap().to_owned()
    };
    let (one, other) = (id(), id());
    assert!(one != other && one.len() == 43, "{one}");
}

#[test]
fn a_key_elsewhere_or_of_oauth_1_signs_nothing_at_once() {
    let writer = Writer::new(Kind::ClientAssertion, remote()).unwrap();
    let claims = writer.client_assertion("app", AS, &env()).unwrap();
    assert_eq!(refusal(writer.sign(&claims), "elsewhere"), (ErrorKind::Config, Reason::UnsupportedAlgorithm));
    for algorithm in [SignatureAlgorithm::RsaSha1, SignatureAlgorithm::HmacSha1] {
        let key = SigningKey::Remote(RemoteKey::new("k", algorithm));
        let refused = refusal(Writer::new(Kind::ClientAssertion, key), algorithm.name());
        assert_eq!(refused, (ErrorKind::Config, Reason::UnsupportedAlgorithm));
    }
}

#[test]
fn s_net_08_claims_that_a_program_sets_stay_in_their_place() {
    let mut claims = valetkey_proto::jose::jwt::ClaimSet::new();
    claims.text("iss", "a\",\"iss\":\"b\u{0}\n\u{2028}").unwrap();
    let read: Value = serde_json::from_str(claims.expose()).unwrap();
    assert_eq!(read["iss"], "a\",\"iss\":\"b\u{0}\n\u{2028}");
    for name in ["a\"", "a\\", "a\n", "é"] {
        assert_eq!(
            refusal(claims.text(name, "x").map(|_| ()), name),
            (ErrorKind::Usage, Reason::InvalidValue)
        );
    }
    assert_eq!(refusal(claims.number("iss", 1).map(|_| ()), "twice").1, Reason::ReservedParameter);
    for text in ["", "{", "canary", "1,\"iss\":2", "{}}"] {
        assert_eq!(refusal(claims.json("x", text).map(|_| ()), text).1, Reason::InvalidValue);
    }
    claims.json("x", r#"{"y":[1]}"#).unwrap().texts("aud", &["a", "b"]).unwrap();
    assert!(serde_json::from_str::<Value>(claims.expose()).is_ok(), "what failed left nothing behind");
}
