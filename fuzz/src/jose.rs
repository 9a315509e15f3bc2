//! Keys and tokens in JSON.

use std::sync::OnceLock;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use valetkey_proto::{
    Error, Reason,
    crypto::{
        ContentEncryption, CryptoProvider, Curve, KeyKind, KeyManagement, PrivateKey, Signature,
        SignatureAlgorithm, SigningKey, VerifyingKey,
    },
    jose::{
        Jwk, Jwks, VerifyingKeys, certificate_thumbprint,
        jwe::{Decrypter, Encrypter},
        jws::{Head, Unverified},
        jwt::{Expected, Kind, Validator},
    },
};

use crate::world::{START, World};

const SECRET: [u8; 32] = *b"what nobody knows but both sides";
const ISSUER: &str = "https://as.example";
const AUDIENCE: &str = "client";
const NONCE: &str = "n";

/// An error is one line that shows nothing of its input.
fn assert_harmless(error: &Error, input: &[u8]) {
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains('\n'), "{shown}");
    if input.windows(6).any(|window| window == b"canary") {
        assert!(!shown.contains("canary"), "{shown}");
    }
}

/// Keys: a set, a key, a private key, a certificate.
pub fn keys(data: &[u8]) {
    let crypto = CryptoProvider::ring();
    let text = String::from_utf8_lossy(data);
    match Jwks::parse(&text) {
        Ok(set) => {
            assert!(set.keys().len() <= 100);
            set.keys().iter().for_each(|key| assert_written(key, &crypto));
            assert!(set.keys().iter().all(|key| key.kind() != KeyKind::Secret));
        }
        Err(error) => assert_harmless(&error, data),
    }
    match Jwk::parse(&text) {
        Ok(key) => assert_written(&key, &crypto),
        Err(error) => assert_harmless(&error, data),
    }
    match PrivateKey::parse(data) {
        Ok(key) => assert_signs(&key, &crypto),
        Err(error) => assert_harmless(&error, data),
    }
    let _ = certificate_thumbprint(data, &crypto);
}

/// A key that was read can be written, and is then the same; it is good for algorithms of its kind alone.
fn assert_written(key: &Jwk, crypto: &CryptoProvider) {
    assert!(key.kid().is_none_or(|kid| kid.len() <= 256));
    for algorithm in [
        SignatureAlgorithm::Rs256,
        SignatureAlgorithm::Es256,
        SignatureAlgorithm::EdDsa,
        SignatureAlgorithm::Hs256,
    ] {
        if key.verifying_key(algorithm, crypto).is_ok() {
            assert_eq!(key.kind(), algorithm.key_kind());
        }
    }
    if let Some(public) = key.public_key() {
        let again = Jwk::parse(&public.jwk()).expect("as it was written");
        assert_eq!(again.thumbprint(crypto), key.thumbprint(crypto));
        assert!(!again.is_private());
    }
}

/// What a private key signs, its public key verifies.
fn assert_signs(key: &PrivateKey, crypto: &CryptoProvider) {
    let algorithm = match key.kind() {
        KeyKind::Rsa => SignatureAlgorithm::Rs256,
        KeyKind::Curve(Curve::P256) => SignatureAlgorithm::Es256,
        KeyKind::Curve(Curve::P384) => SignatureAlgorithm::Es384,
        KeyKind::Curve(Curve::Ed25519) => SignatureAlgorithm::EdDsa,
        _ => return,
    };
    let Ok(key) = key.signing_key(algorithm, crypto) else { return };
    let text = match Head::new(&key).and_then(|head| head.sign(&key, b"x")) {
        Ok(text) => text,
        // The numbers do not belong together; the signature that comes of them is not let out.
        Err(error) => return assert_eq!(error.reason(), Reason::SigningFailed),
    };
    let jwk = Jwk::parse(key.public_jwk().expect("a public key")).expect("a JWK");
    let keys = jwk.verifying_key(algorithm, crypto).expect("of the same kind").into();
    Unverified::parse(&text).and_then(|text| text.verify(&keys)).expect("its own signature");
}

/// A token: a header in the first line, claims in the rest, and both signed. The input as it is, signed by nobody, is
/// refused.
pub fn jwt(data: &[u8]) {
    let world = World::new();
    let crypto = CryptoProvider::ring();
    let keys: VerifyingKeys =
        VerifyingKey::secret(SignatureAlgorithm::Hs256, &SECRET, &crypto).expect("a key").into();
    let raw = String::from_utf8_lossy(data);
    let unsigned = Unverified::parse(&raw).and_then(|raw| raw.verify(&keys));
    assert_harmless(&unsigned.expect_err("nobody signed it"), data);

    let end = data.iter().position(|&byte| byte == b'\n').unwrap_or(data.len());
    let (header, claims) = (&data[..end], data.get(end + 1..).unwrap_or_default());
    let token = sign(header, claims);
    let mut taken = Vec::new();
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::DpopProof) {
        let validator = match kind {
            Kind::SignedMetadata => Validator::signed_metadata(ISSUER),
            kind => Validator::new(kind, ISSUER, AUDIENCE),
        };
        let expected = if kind == Kind::IdToken { Expected::new().nonce(NONCE) } else { Expected::new() };
        match validator.validate(&token, &keys, &expected, &world.env()) {
            Ok(jwt) => {
                assert_eq!((jwt.claims().as_bytes(), jwt.issuer()), (claims, Some(ISSUER)));
                assert!(jwt.expires_at().is_none_or(|time| time.as_secs() > START.as_secs() - 31));
                assert!(jwt.issued_at().is_none_or(|time| time.as_secs() <= START.as_secs() + 30));
                assert!(jwt.subject().is_none_or(|subject| (1..=255).contains(&subject.len())));
                assert!(!format!("{jwt:?}").contains(ISSUER));
                let _ = jwt.claim::<bool>("email_verified");
                taken.push(kind);
            }
            Err(error) => assert_harmless(&error, data),
        }
    }
    assert!(taken.len() <= 1, "one token passes for {taken:?}");
}

/// A token of these parts, signed.
fn sign(header: &[u8], payload: &[u8]) -> String {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    let key = KEY.get_or_init(|| {
        SigningKey::secret(SignatureAlgorithm::Hs256, &SECRET, &CryptoProvider::ring()).expect("a key")
    });
    let SigningKey::Local(signer) = key else { unreachable!("it is here") };
    let mut token = [URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload)].join(".");
    let mut signature = Signature::new();
    signer.sign(token.as_bytes(), &mut signature).expect("it signs");
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature.as_ref(), &mut token);
    token
}

/// An encrypted text: its header in JSON in the first line, and the other parts in the second; `$` stands for those of
/// a real text.
pub fn jwe(data: &[u8]) {
    static REAL: OnceLock<String> = OnceLock::new();
    let world = World::new();
    let crypto = CryptoProvider::ring();
    let (algorithm, encryption) = (KeyManagement::A256GcmKw, ContentEncryption::A256Gcm);
    let real = REAL.get_or_init(|| {
        let encrypter = Encrypter::secret(&SECRET, algorithm, encryption, &crypto).expect("a key");
        encrypter.encrypt("canary", &world.env()).expect("it encrypts")
    });
    let decrypter = Decrypter::secret(&SECRET, algorithm, encryption, &crypto).expect("a key");
    assert_eq!(decrypter.decrypt(real, &crypto).expect("the real one"), "canary");

    let text = String::from_utf8_lossy(data);
    let (header, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let (own_header, own_rest) = real.split_once('.').expect("five parts");
    let header = if header == "$" { own_header.to_owned() } else { URL_SAFE_NO_PAD.encode(header) };
    for token in [text.as_ref(), &[&header, &*rest.replace('$', own_rest)].join(".")] {
        match decrypter.decrypt(token, &crypto) {
            Ok(_) => assert_eq!(token, real, "another text opens"),
            Err(error) => assert_harmless(&error, b"canary"),
        }
    }
}
