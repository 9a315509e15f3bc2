//! What pairs of keys encrypt, and ES512.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use valetkey_proto::{
    ErrorKind, Reason,
    crypto::{ContentEncryption as C, KeyManagement as K, PrivateKey, SignatureAlgorithm},
    jose::{
        Jwk,
        jwe::{Decrypter, Encrypter},
        jws,
    },
};

use crate::support::{P256, b64, crypto, env, refusal};

const RSA: &str = include_str!("keys/rfc7516-a1.jwk.json");
const OTHER_RSA: &str = include_str!("../../../valetkey-proto/tests/jose/keys/rsa.pkcs8.pem");
const CONTENTS: [C; 4] = [C::A128Gcm, C::A256Gcm, C::A128CbcHs256, C::A256CbcHs512];
const AGREEMENTS: [K; 3] = [K::EcdhEs, K::EcdhEsA128Kw, K::EcdhEsA256Kw];
const FAILED: (ErrorKind, Reason) = (ErrorKind::Untrusted, Reason::DecryptionFailed);

pub(crate) fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// PKCS#8 (RFC 5958, RFC 5915) of a private JWK on P-256.
pub(crate) fn p256_pkcs8(jwk: &str) -> Vec<u8> {
    let jwk: Value = serde_json::from_str(jwk).unwrap();
    let number = |name: &str| decode(jwk[name].as_str().unwrap());
    let head: &[u8] = &[
        0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
        0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x6d, 0x30, 0x6b, 0x02, 0x01, 0x01,
        0x04, 0x20,
    ];
    let public: &[u8] = &[0xa1, 0x44, 0x03, 0x42, 0x00, 0x04];
    [head, &number("d"), public, &number("x"), &number("y")].concat()
}

/// A private key, and its public one.
fn pair(private: &str, algorithm: SignatureAlgorithm) -> (PrivateKey, Jwk) {
    let key = PrivateKey::parse(private.as_bytes()).unwrap();
    let signing = key.signing_key(algorithm, &crypto()).unwrap();
    let public = Jwk::parse(signing.public_jwk().unwrap()).unwrap();
    (key, public)
}

/// A pair for each kind, with the algorithms that it is for.
fn pairs() -> Vec<(PrivateKey, Jwk, &'static [K])> {
    let p384 = include_str!("../../../valetkey-proto/tests/jose/keys/p384.sec1.pem");
    let p521 = include_str!("../../../valetkey-proto/tests/jose/keys/p521.sec1.pem");
    let of = |private, algorithm, by: &'static [K]| {
        let (private, public) = pair(private, algorithm);
        (private, public, by)
    };
    // RFC 7748 §6.1, Alice's.
    let x25519 = r#"{"kty":"OKP","crv":"X25519","x":"hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo",
        "d":"dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo"}"#;
    let x25519 =
        (PrivateKey::parse(x25519.as_bytes()).unwrap(), Jwk::parse(x25519).unwrap(), &AGREEMENTS[..]);
    vec![
        of(RSA, SignatureAlgorithm::Rs256, &[K::RsaOaep, K::RsaOaep256]),
        of(P256, SignatureAlgorithm::Es256, &AGREEMENTS),
        of(p384, SignatureAlgorithm::Es384, &AGREEMENTS),
        of(p521, SignatureAlgorithm::Es512, &AGREEMENTS),
        x25519,
    ]
}

#[test]
fn what_a_public_key_encrypts_its_private_key_opens() {
    for (private, public, algorithms) in pairs() {
        for (&algorithm, encryption) in algorithms.iter().flat_map(|a| CONTENTS.map(|c| (a, c))) {
            let encrypter = Encrypter::public(&public, algorithm, encryption, &crypto()).unwrap();
            // Around a block of AES, whose padding is a block more.
            for length in [0, 1, 15, 16, 17, 1000] {
                let (token, env) = ("x".repeat(length), env());
                let text = encrypter.encrypt(&token, &env).unwrap();
                let decrypter = Decrypter::private(&private, algorithm, encryption, &crypto()).unwrap();
                assert_eq!(decrypter.decrypt(&text, &crypto()).unwrap(), token, "{algorithm} {encryption}");
                assert_ne!(text, encrypter.encrypt(&token, &env).unwrap());
            }
        }
    }
}

#[test]
fn s_jw_12_whatever_is_wrong_with_a_key_or_a_tag_is_one_error() {
    for (private, public, algorithms) in pairs() {
        for (&algorithm, encryption) in algorithms.iter().flat_map(|a| CONTENTS.map(|c| (a, c))) {
            let encrypter = Encrypter::public(&public, algorithm, encryption, &crypto()).unwrap();
            let text = encrypter.encrypt("a.nested.jws", &env()).unwrap();
            let parts: Vec<_> = text.split('.').collect();
            let decrypter = Decrypter::private(&private, algorithm, encryption, &crypto()).unwrap();
            let mut messages = Vec::new();
            for part in 1..5 {
                let mut bytes = decode(parts[part]);
                for at in 0..bytes.len() {
                    bytes[at] ^= 1;
                    let mut changed = parts.clone();
                    let part_text = b64(&bytes);
                    changed[part] = &part_text;
                    let error = decrypter.decrypt(&changed.join("."), &crypto()).unwrap_err();
                    assert_eq!((error.kind(), error.reason()), FAILED, "{algorithm} {encryption}");
                    messages.push(error.to_string());
                    bytes[at] ^= 1;
                    // A private operation of RSA each: one is enough.
                    if part == 1 && at == 0 && bytes.len() > 200 {
                        break;
                    }
                }
            }
            assert!(messages.iter().all(|message| *message == messages[0]), "{messages:?}");
        }
    }
}

#[test]
fn s_jw_12_an_rsa_key_of_another_length_fails_as_a_wrong_tag_does() {
    let (private, public) = pair(RSA, SignatureAlgorithm::Rs256);
    let (other, _) = pair(OTHER_RSA, SignatureAlgorithm::Rs256);
    for algorithm in [K::RsaOaep, K::RsaOaep256] {
        let encrypter = Encrypter::public(&public, algorithm, C::A128Gcm, &crypto()).unwrap();
        let text = encrypter.encrypt("a.nested.jws", &env()).unwrap();
        let foreign = Decrypter::private(&other, algorithm, C::A128Gcm, &crypto()).unwrap();
        assert_eq!(refusal(foreign.decrypt(&text, &crypto()), "another key"), FAILED);
        // The key of 128 bits is well padded, and too short for the encryption that the header says.
        let (_, rest) = text.split_once('.').unwrap();
        let header = b64(json!({ "alg": algorithm.name(), "enc": "A256GCM" }).to_string());
        let longer = Decrypter::private(&private, algorithm, C::A256Gcm, &crypto()).unwrap();
        assert_eq!(refusal(longer.decrypt(&format!("{header}.{rest}"), &crypto()), "a short key"), FAILED);
        for key in [String::new(), b64([0; 256]), b64([0xff; 256]), b64([1; 255]), b64([1; 257])] {
            let parts: Vec<_> = text.split('.').collect();
            let changed = [parts[0], &key, parts[2], parts[3], parts[4]].join(".");
            let decrypter = Decrypter::private(&private, algorithm, C::A128Gcm, &crypto()).unwrap();
            assert_eq!(refusal(decrypter.decrypt(&changed, &crypto()), &key), FAILED);
        }
    }
}

#[test]
fn s_jw_12_points_that_are_not_on_the_curve_agree_on_nothing() {
    for (private, public, algorithms) in pairs().into_iter().skip(1) {
        let encrypter = Encrypter::public(&public, algorithms[0], C::A256Gcm, &crypto()).unwrap();
        let text = encrypter.encrypt("a.nested.jws", &env()).unwrap();
        let decrypter = Decrypter::private(&private, algorithms[0], C::A256Gcm, &crypto()).unwrap();
        let (header, rest) = text.split_once('.').unwrap();
        let header: Value = serde_json::from_slice(&decode(header)).unwrap();
        let with = |epk: Value| {
            let mut header = header.clone();
            header["epk"] = epk;
            decrypter.decrypt(&format!("{}.{rest}", b64(header.to_string())), &crypto())
        };
        let size = decode(header["epk"]["x"].as_str().unwrap()).len();
        // Not on the curve, and for X25519 of small order.
        for byte in [0, 1] {
            let mut epk = header["epk"].clone();
            let mut number = vec![0; size];
            number[size - 1] = byte;
            epk["x"] = json!(b64(&number));
            if epk.get("y").is_some() {
                epk["y"] = json!(b64(&number));
            }
            assert_eq!(refusal(with(epk), "no point"), FAILED, "{}", header["epk"]["crv"]);
        }
        let ed25519 = json!({ "kty": "OKP", "crv": "Ed25519", "x": b64([1; 32]) });
        assert_eq!(refusal(with(ed25519), "another curve"), FAILED);
        assert!(with(Value::Null).is_err());
    }
}

#[test]
fn keys_of_another_kind_are_refused_and_rsa1_5_is_unknown() {
    assert_eq!(K::parse("RSA1_5"), None);
    let invalid = (ErrorKind::Config, Reason::InvalidKey);
    let ((rsa, rsa_jwk), (p256, p256_jwk)) =
        (pair(RSA, SignatureAlgorithm::Rs256), pair(P256, SignatureAlgorithm::Es256));
    for algorithm in [K::RsaOaep, K::RsaOaep256, K::Dir, K::A128Kw, K::A256GcmKw] {
        let decrypter = Decrypter::private(&p256, algorithm, C::A256Gcm, &crypto());
        assert_eq!(refusal(decrypter, algorithm.name()), invalid);
        let encrypter = Encrypter::public(&p256_jwk, algorithm, C::A256Gcm, &crypto());
        assert_eq!(refusal(encrypter, algorithm.name()), invalid);
    }
    for algorithm in AGREEMENTS {
        assert_eq!(refusal(Decrypter::private(&rsa, algorithm, C::A256Gcm, &crypto()), "RSA"), invalid);
        assert_eq!(refusal(Encrypter::public(&rsa_jwk, algorithm, C::A256Gcm, &crypto()), "RSA"), invalid);
        assert_eq!(refusal(Decrypter::secret(&[7; 32], algorithm, C::A256Gcm, &crypto()), "secret"), invalid);
    }
}

#[test]
fn es512_signs_and_verifies() {
    let key = include_bytes!("../../../valetkey-proto/tests/jose/keys/p521.sec1.pem");
    let key = PrivateKey::parse(key).unwrap().signing_key(SignatureAlgorithm::Es512, &crypto()).unwrap();
    let text = jws::Head::new(&key).unwrap().sign(&key, b"payload").unwrap();
    let public = Jwk::parse(key.public_jwk().unwrap()).unwrap();
    let keys = public.verifying_key(SignatureAlgorithm::Es512, &crypto()).unwrap().into();
    assert_eq!(jws::Unverified::parse(&text).unwrap().verify(&keys).unwrap().payload(), b"payload");
    let signature = decode(text.rsplit('.').next().unwrap());
    assert_eq!(signature.len(), 132, "r‖s, with all bytes of both (RFC 7518 §3.4)");
    for at in 0..132 {
        let mut changed = signature.clone();
        changed[at] ^= 1;
        let text = format!("{}.{}", text.rsplit_once('.').unwrap().0, b64(changed));
        assert!(jws::Unverified::parse(&text).unwrap().verify(&keys).is_err());
    }
}

#[test]
fn new_keys_sign_and_no_two_are_alike() {
    for algorithm in [
        SignatureAlgorithm::Es256,
        SignatureAlgorithm::Es384,
        SignatureAlgorithm::Es512,
        SignatureAlgorithm::EdDsa,
    ] {
        let new = || PrivateKey::generate(algorithm, &crypto()).unwrap().signing_key(algorithm, &crypto());
        let (one, other) = (new().unwrap(), new().unwrap());
        assert_ne!(one.public_jwk(), other.public_jwk());
        let keys = Jwk::parse(one.public_jwk().unwrap()).unwrap();
        let keys = keys.verifying_key(algorithm, &crypto()).unwrap().into();
        let text = jws::Head::new(&one).unwrap().sign(&one, b"payload").unwrap();
        assert!(jws::Unverified::parse(&text).unwrap().verify(&keys).is_ok());
    }
    let refused = refusal(PrivateKey::generate(SignatureAlgorithm::Hs256, &crypto()), "a secret");
    assert_eq!(refused, (ErrorKind::Config, Reason::UnsupportedAlgorithm));
}
