//! Encryption: what opens, and what is refused without saying why.

use serde_json::{Value, json};
use valetkey_proto::{
    ErrorKind, Reason,
    crypto::{
        ContentEncryption, ContentKey, DecryptionKey, EncryptionKey, KeyManagement, PrivateKey,
        SignatureAlgorithm, SigningKey, VerifyingKey,
    },
    jose::{
        Jwk,
        jwe::{Decrypter, Encrypter},
        jws::Unverified,
        jwt::{ClaimSet, Expected},
    },
    secret::ClientSecret,
};

use crate::support::{P256, SECRET, b64, crypto, env, refusal, signed, signing};

use ContentEncryption as C;
use KeyManagement as K;

/// What every provider has, and the length of the secret.
const PAIRS: [(K, C, usize); 6] = [
    (K::Dir, C::A128Gcm, 16),
    (K::Dir, C::A256Gcm, 32),
    (K::A128GcmKw, C::A128Gcm, 16),
    (K::A128GcmKw, C::A256Gcm, 16),
    (K::A256GcmKw, C::A128Gcm, 32),
    (K::A256GcmKw, C::A256Gcm, 32),
];

/// What the provider has.
fn pairs() -> impl Iterator<Item = (K, C, usize)> {
    PAIRS.into_iter().chain(crate::MORE_PAIRS.iter().copied())
}

fn decrypter((algorithm, encryption, length): (K, C, usize)) -> Decrypter {
    Decrypter::secret(&SECRET[..length], algorithm, encryption, &crypto()).unwrap()
}

fn encrypt((algorithm, encryption, length): (K, C, usize), text: &str) -> String {
    Encrypter::secret(&SECRET[..length], algorithm, encryption, &crypto())
        .unwrap()
        .encrypt(text, &env())
        .unwrap()
}

/// The header of a text, changed; the rest stays.
fn with_header(text: &str, change: impl FnOnce(&mut Value)) -> String {
    let (header, rest) = text.split_once('.').unwrap();
    let engine = &base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let mut header: Value = serde_json::from_slice(&base64::Engine::decode(engine, header).unwrap()).unwrap();
    change(&mut header);
    format!("{}.{rest}", b64(header.to_string()))
}

#[test]
fn what_is_encrypted_opens_with_the_same_key_and_algorithms_alone() {
    for pair in pairs() {
        let text = encrypt(pair, "a.nested.jws");
        assert_eq!(text.split('.').count(), 5);
        for other in pairs() {
            let opened = decrypter(other).decrypt(&text, &crypto());
            if (pair.0, pair.1) == (other.0, other.1) {
                assert_eq!(opened.unwrap(), "a.nested.jws");
            } else {
                assert_eq!(
                    refusal(opened, "another algorithm"),
                    (ErrorKind::Untrusted, Reason::AlgorithmMismatch)
                );
            }
        }
        let (algorithm, encryption, length) = pair;
        let wrong = Decrypter::secret(&[8; 64][..length], algorithm, encryption, &crypto()).unwrap();
        let refused = refusal(wrong.decrypt(&text, &crypto()), "another key");
        assert_eq!(refused, (ErrorKind::Untrusted, Reason::DecryptionFailed));
        for length in [0, length - 1, length + 1] {
            let short = Decrypter::secret(&[7; 65][..length], algorithm, encryption, &crypto());
            assert_eq!(refusal(short, "another length"), (ErrorKind::Config, Reason::InvalidKey));
        }
        assert_ne!(text, encrypt(pair, "a.nested.jws"), "every text has an initialization vector of its own");
    }
}

#[test]
fn s_jw_12_whatever_is_changed_it_is_refused_alike() {
    for pair in pairs() {
        let good = encrypt(pair, "a.nested.jws");
        let parts: Vec<_> = good.split('.').collect();
        for at in (0..good.len()).filter(|&at| !good[at..].starts_with('.')) {
            let mut changed = good.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(decrypter(pair).decrypt(&changed, &crypto()).is_err(), "character {at}");
        }
        for (part, value) in [
            (1, b64([0; 32])),
            (2, String::new()),
            (2, b64([0; 16])),
            (3, String::new()),
            (4, String::new()),
            (4, parts[4][..20].to_owned()),
            (4, b64([0; 32])),
            (4, b64([0; 12])),
        ] {
            let mut changed: Vec<_> = parts.clone();
            changed[part] = &value;
            let refused = refusal(decrypter(pair).decrypt(&changed.join("."), &crypto()), "a changed part");
            assert!(matches!(refused.1, Reason::DecryptionFailed | Reason::Malformed), "{part}: {refused:?}");
        }
        let mut without = parts.clone();
        without[1] = "";
        let opened = decrypter(pair).decrypt(&without.join("."), &crypto());
        assert_eq!(opened.is_ok(), pair.0 == K::Dir, "without an encrypted key");
    }
}

#[test]
fn s_jw_12_headers_that_change_the_meaning_or_the_cost_are_refused() {
    let pair = PAIRS[5];
    let good = encrypt(pair, "a.nested.jws");
    let change = |name: &str, value: Value| {
        let text = with_header(&good, |header| header[name] = value);
        refusal(decrypter(pair).decrypt(&text, &crypto()), name)
    };
    assert_eq!(change("zip", json!("DEF")), (ErrorKind::Untrusted, Reason::UnsupportedHeader));
    assert_eq!(change("crit", json!(["exp"])), (ErrorKind::Untrusted, Reason::UnsupportedHeader));
    assert_eq!(change("cty", json!("text/plain")), (ErrorKind::Untrusted, Reason::KindMismatch));
    for alg in
        ["RSA1_5", "PBES2-HS256+A128KW", "PBES2-HS512+A256KW", "none", "dir", "RSA-OAEP", "ECDH-ES", "A256KW"]
    {
        assert_eq!(change("alg", json!(alg)), (ErrorKind::Untrusted, Reason::AlgorithmMismatch), "{alg}");
    }
    for enc in ["A128GCM", "A256CBC-HS512", "none", ""] {
        assert_eq!(change("enc", json!(enc)), (ErrorKind::Untrusted, Reason::AlgorithmMismatch), "{enc}");
    }
    for (name, value) in [("iv", json!("")), ("tag", json!("")), ("tag", json!(b64([0; 12])))] {
        assert_eq!(change(name, value), (ErrorKind::Untrusted, Reason::DecryptionFailed), "{name}");
    }
    for (name, value) in [("iv", json!(1)), ("tag", json!("=")), ("epk", json!({})), ("enc", json!(null))] {
        let refused = change(name, value);
        assert_eq!(refused.0, ErrorKind::Protocol, "{name}: {refused:?}");
    }
    // PBES2 is no algorithm of ours, so that its cost is never paid.
    let costly = with_header(&good, |header| {
        *header = json!({ "alg": "PBES2-HS256+A128KW", "enc": "A256GCM", "p2c": u32::MAX, "p2s": "AAAA" });
    });
    let refused = refusal(decrypter(pair).decrypt(&costly, &crypto()), "p2c");
    assert_eq!(refused, (ErrorKind::Untrusted, Reason::AlgorithmMismatch));
}

#[test]
fn s_jw_12_encrypted_is_not_signed_and_signed_is_not_encrypted() {
    let jwe = encrypt(PAIRS[1], "a.nested.jws");
    assert_eq!(refusal(Unverified::parse(&jwe), "a JWE"), (ErrorKind::Protocol, Reason::Malformed));
    let jws = signed(&signing(), r#"{"alg":"ES256"}"#, "x");
    let refused = refusal(decrypter(PAIRS[1]).decrypt(&jws, &crypto()), "a JWS");
    assert_eq!(refused, (ErrorKind::Protocol, Reason::Malformed));
    for text in ["", "....", ".....", &".".repeat(1_000_000)] {
        assert_eq!(refusal(decrypter(PAIRS[1]).decrypt(text, &crypto()), "dots").0, ErrorKind::Protocol);
    }
}

#[test]
fn nothing_that_holds_a_key_or_a_claim_shows_it() {
    let secret = b"canary, and so many bytes more..";
    let jwk = format!(r#"{{"kty":"oct","k":"{}"}}"#, b64(secret));
    let (algorithm, encryption) = (K::Dir, C::A256Gcm);
    let encrypter = Encrypter::secret(secret, algorithm, encryption, &crypto()).unwrap();
    let mut claims = ClaimSet::new();
    claims.text("sub", "canary").unwrap();
    let hs256 = SignatureAlgorithm::Hs256;
    let shown = [
        format!("{:?}", PrivateKey::parse(P256.as_bytes()).unwrap()),
        format!("{:?}", Jwk::parse(&jwk).unwrap()),
        format!("{:?}", SigningKey::secret(hs256, secret, &crypto()).unwrap()),
        format!("{:?}", VerifyingKey::secret(hs256, secret, &crypto()).unwrap()),
        format!("{:?}", ContentKey::new(secret.to_vec())),
        format!("{:?} {:?}", DecryptionKey::Secret(secret), EncryptionKey::Secret(secret)),
        format!("{encrypter:?} {:?}", encrypter.begin(&env()).unwrap()),
        format!("{:?}", Decrypter::secret(secret, algorithm, encryption, &crypto()).unwrap()),
        format!("{claims:?} {:?}", Expected::new().nonce("canary").access_token("canary")),
    ];
    let numbers = secret[..6].iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    for shown in shown {
        for trace in ["canary", &b64(secret), &numbers, "EjRWeJCrze8"] {
            assert!(!shown.contains(trace), "{shown}");
        }
    }
}

#[test]
fn a_key_to_sign_with_encrypts_nothing() {
    let signing_only = Jwk::parse(&P256.replace('{', r#"{"use":"sig","#)).unwrap();
    let refused = refusal(Encrypter::public(&signing_only, K::EcdhEs, C::A256Gcm, &crypto()), "use: sig");
    assert_eq!(refused, (ErrorKind::Config, Reason::InvalidKey));
    let signing_only = PrivateKey::parse(P256.replace('{', r#"{"use":"sig","#).as_bytes()).unwrap();
    let refused = refusal(Decrypter::private(&signing_only, K::EcdhEs, C::A256Gcm, &crypto()), "use: sig");
    assert_eq!(refused, (ErrorKind::Config, Reason::InvalidKey));
    for name in ["RSA1_5", "PBES2-HS256+A128KW", "none", "rsa-oaep"] {
        assert_eq!(K::parse(name), None);
    }
}

#[test]
fn s_jw_09_a_client_secret_makes_the_keys_that_its_server_makes_of_it() {
    // SHA-256 and SHA-512 of it; OpenID Connect Core §10.2 takes the first bits.
    let secret = ClientSecret::from("a client secret");
    let sha256 = hex("d1669310e5ec05c3b86f5e039c1d6fdb63de44693e939464332ad4f4c05b7619");
    let sha512 = hex(concat!(
        "d3500693e41ea859d8d7bc05ef1cfdd234ea609e4b1e1e89870f06397b48fd11",
        "a2172b290f9f8e851e76d28ba9e205903e5bfd04fb0d954afac1b4828e178a20"
    ));
    for (algorithm, encryption, length) in pairs() {
        let key = if length > 32 { &sha512[..length] } else { &sha256[..length] };
        let plain = Encrypter::secret(key, algorithm, encryption, &crypto()).unwrap();
        let text = plain.encrypt("a.nested.jws", &env()).unwrap();
        let decrypter = Decrypter::client_secret(&secret, algorithm, encryption, &crypto()).unwrap();
        assert_eq!(decrypter.decrypt(&text, &crypto()).unwrap(), "a.nested.jws", "{algorithm} {encryption}");
        let encrypter = Encrypter::client_secret(&secret, algorithm, encryption, &crypto()).unwrap();
        let text = encrypter.encrypt("a.nested.jws", &env()).unwrap();
        let plain = Decrypter::secret(key, algorithm, encryption, &crypto()).unwrap();
        assert_eq!(plain.decrypt(&text, &crypto()).unwrap(), "a.nested.jws");
        let other = ClientSecret::from("another client secret");
        let other = Decrypter::client_secret(&other, algorithm, encryption, &crypto()).unwrap();
        let refused = refusal(other.decrypt(&text, &crypto()), "another secret");
        assert_eq!(refused, (ErrorKind::Untrusted, Reason::DecryptionFailed));
        let empty = Decrypter::client_secret(&ClientSecret::from(""), algorithm, encryption, &crypto());
        assert_eq!(refusal(empty, "empty"), (ErrorKind::Config, Reason::InvalidKey));
    }
    for algorithm in [K::RsaOaep, K::RsaOaep256, K::EcdhEs, K::EcdhEsA128Kw, K::EcdhEsA256Kw] {
        let refused = Decrypter::client_secret(&secret, algorithm, C::A256Gcm, &crypto());
        assert_eq!(refusal(refused, "of key pairs"), (ErrorKind::Config, Reason::InvalidKey));
    }
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
