//! Keys: what they may be kept as, and what they may be used for.

use valetkey_proto::{
    ErrorKind, Reason,
    crypto::{Curve, KeyKind, PrivateKey, SignatureAlgorithm, SigningKey, VerifyingKey},
    jose::{Jwk, Jwks, VerifyingKeys, jws},
};

use crate::support::{P256, P521, SECRET, b64, crypto, refusal, signed};

macro_rules! key {
    ($name:literal) => {
        include_str!(concat!("keys/", $name))
    };
}

fn der(pem: &str) -> Vec<u8> {
    let base64: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    base64::Engine::decode(&base64::engine::general_purpose::STANDARD, base64).expect("base64")
}

#[test]
fn private_keys_are_read_in_all_their_formats() {
    use SignatureAlgorithm as A;
    let cases: &[(&str, &str, A)] = &[
        ("PKCS#8 of RSA", key!("rsa.pkcs8.pem"), A::Rs256),
        ("PKCS#8 of RSA", key!("rsa.pkcs8.pem"), A::Ps512),
        ("PKCS#1", key!("rsa.pkcs1.pem"), A::Ps256),
        ("JWK of RSA", key!("rsa.jwk.json"), A::Rs256),
        ("PKCS#8 of P-256", key!("p256.pkcs8.pem"), A::Es256),
        ("SEC1 behind its parameters", key!("p256.sec1.pem"), A::Es256),
        ("SEC1 of P-384", key!("p384.sec1.pem"), A::Es384),
        ("JWK of P-256", P256, A::Es256),
        ("PKCS#8 of Ed25519", key!("ed25519.pkcs8.pem"), A::EdDsa),
    ];
    for (what, text, algorithm) in cases {
        let windows = text.replace('\n', "\r\n");
        let key = PrivateKey::parse(windows.as_bytes()).expect(what);
        assert_eq!(key.kind(), algorithm.key_kind(), "{what}");
        let signing = key.signing_key(*algorithm, &crypto()).expect(what);
        let text = jws::Head::new(&signing).and_then(|head| head.sign(&signing, b"payload")).expect(what);
        let jwk = Jwk::parse(signing.public_jwk().expect("a public key")).expect(what);
        let keys = jwk.verifying_key(*algorithm, &crypto()).expect(what).into();
        assert_eq!(jws::Unverified::parse(&text).unwrap().verify(&keys).expect(what).payload(), b"payload");
    }
    for (text, kind) in [
        (key!("rsa.pkcs8.pem"), KeyKind::Rsa),
        (key!("rsa.pkcs1.pem"), KeyKind::Rsa),
        (key!("p384.sec1.pem"), KeyKind::Curve(Curve::P384)),
        (key!("ed25519.pkcs8.pem"), KeyKind::Curve(Curve::Ed25519)),
    ] {
        assert_eq!(PrivateKey::parse(&der(text)).expect("DER").kind(), kind);
    }
    let same: Vec<_> = [key!("rsa.pkcs8.pem"), key!("rsa.pkcs1.pem"), key!("rsa.jwk.json")]
        .iter()
        .map(|text| PrivateKey::parse(text.as_bytes()).unwrap().signing_key(A::Rs256, &crypto()).unwrap())
        .map(|key| key.public_jwk().unwrap().to_owned())
        .collect();
    assert!(same.iter().all(|jwk| *jwk == same[0]), "one key in three formats");
}

#[test]
fn what_is_no_private_key_is_called_by_its_name() {
    let nonsense = b"\x30\x03\x02\x01\x00".as_slice();
    for (found, key) in [
        ("encrypted", key!("rsa.encrypted.pem").as_bytes()),
        ("encrypted", key!("rsa.encrypted-pkcs1.pem").as_bytes()),
        ("encrypted", &der(key!("rsa.encrypted.pem"))),
        ("PUBLIC KEY", key!("rsa.public.pem").as_bytes()),
        ("public key", &der(key!("rsa.public.pem"))),
        ("CERTIFICATE", key!("certificate.pem").as_bytes()),
        ("certificate", &der(key!("certificate.pem"))),
        ("P-256, P-384 or P-521", key!("secp256k1.sec1.pem").as_bytes()),
        ("OpenSSH", b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA==\n-----END OPENSSH PRIVATE KEY-----"),
        ("does not end", b"-----BEGIN PRIVATE KEY-----\nMC4C"),
        ("not base64", b"-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----"),
        ("shared secret", br#"{"kty":"oct","k":"canary"}"#),
        ("without d", br#"{"kty":"OKP","crv":"Ed25519","x":"canary"}"#),
        ("neither PEM nor DER", b"canary"),
        ("neither PEM nor DER", b""),
        ("neither PEM nor DER", nonsense),
    ] {
        let error = PrivateKey::parse(key).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::InvalidKey), "{error}");
        assert!(error.to_string().contains(found), "{found}: {error}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}

#[test]
fn s_jw_02_a_key_is_for_what_its_type_use_and_algorithm_say() {
    use SignatureAlgorithm as A;
    let ed = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let p384 = PrivateKey::parse(key!("p384.sec1.pem").as_bytes()).unwrap();
    let p384 = p384.signing_key(A::Es384, &crypto()).unwrap();
    let rsa = b64([&[0xff; 255][..], &[1]].concat());
    let jwk = |more: &str| format!(r#"{{"kty":"RSA","e":"AQAB","n":"{rsa}"{more}}}"#);
    let cases: Vec<(String, &[A])> = vec![
        (jwk(""), &[A::Rs256, A::Rs384, A::Rs512, A::Ps256, A::Ps384, A::Ps512]),
        (jwk(r#","alg":"PS384""#), &[A::Ps384]),
        (jwk(r#","alg":"RSA-OAEP""#), &[]),
        (jwk(r#","alg":"none""#), &[]),
        (jwk(r#","alg":"""#), &[]),
        (jwk(r#","use":"enc""#), &[]),
        (jwk(r#","use":"sig","key_ops":["verify"],"alg":"RS256""#), &[A::Rs256]),
        (jwk(r#","key_ops":["encrypt"]"#), &[]),
        (jwk(r#","key_ops":[]"#), &[]),
        (jwk(r#","use":"sig","key_ops":["wrapKey"]"#), &[]),
        (P256.to_owned(), &[A::Es256]),
        (p384.public_jwk().unwrap().to_owned(), &[A::Es384]),
        (P521.to_owned(), crate::ES512),
        (format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{ed}"}}"#), &[A::EdDsa]),
        (format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{ed}","alg":"Ed25519"}}"#), &[A::EdDsa]),
        (format!(r#"{{"kty":"OKP","crv":"X25519","x":"{ed}"}}"#), &[]),
        (format!(r#"{{"kty":"oct","k":"{}"}}"#, b64(SECRET)), &[A::Hs256, A::Hs384, A::Hs512]),
        (format!(r#"{{"kty":"oct","alg":"A256GCM","k":"{}"}}"#, b64(SECRET)), &[]),
    ];
    let all = [
        A::Rs256,
        A::Rs384,
        A::Rs512,
        A::Ps256,
        A::Ps384,
        A::Ps512,
        A::Es256,
        A::Es384,
        A::Es512,
        A::EdDsa,
        A::Hs256,
        A::Hs384,
        A::Hs512,
        A::HmacSha1,
        A::RsaSha1,
    ];
    for (text, expected) in cases {
        let jwk = Jwk::parse(&text).expect(&text);
        let usable: Vec<_> = all
            .iter()
            .copied()
            .filter(|algorithm| jwk.verifying_key(*algorithm, &crypto()).is_ok())
            .collect();
        assert_eq!(usable, expected, "{text}");
    }
    let private = PrivateKey::parse(P256.replace('{', r#"{"use":"enc","#).as_bytes()).unwrap();
    assert!(private.signing_key(A::Es256, &crypto()).is_err(), "a key to decrypt signs nothing");
    let private = PrivateKey::parse(P256.replace('{', r#"{"alg":"ES384","#).as_bytes()).unwrap();
    assert!(private.signing_key(A::Es256, &crypto()).is_err());
    assert!(private.signing_key(A::Es384, &crypto()).is_err());
}

#[test]
fn s_jw_08_rsa_keys_have_2048_bits_and_a_real_exponent() {
    let key = |bytes: usize, first: u8, e: &[u8]| {
        let mut n = vec![0xff; bytes];
        n[0] = first;
        Jwk::parse(&format!(r#"{{"kty":"RSA","n":"{}","e":"{}"}}"#, b64(n), b64(e)))
            .and_then(|jwk| jwk.verifying_key(SignatureAlgorithm::Rs256, &crypto()))
    };
    for (bytes, first) in [(256, 0x80), (257, 0), (512, 0xff), (1024, 0xff)] {
        key(bytes, first, &[1, 0, 1]).expect("of a size that is taken");
    }
    for (bytes, first, e) in [
        (128, 0xff, &[1, 0, 1][..]),
        (256, 0x7f, &[1, 0, 1]),
        (1025, 0xff, &[1, 0, 1]),
        (256, 0xff, &[1]),
        (256, 0xff, &[0]),
        (256, 0xff, &[2]),
        (256, 0xff, &[]),
        (1, 0xff, &[1, 0, 1]),
    ] {
        let refused = refusal(key(bytes, first, e), &format!("{bytes} bytes, e {e:?}"));
        assert_eq!(refused, (ErrorKind::Config, Reason::InvalidKey));
    }
    let even = format!(r#"{{"kty":"RSA","n":"{}","e":"AQAB"}}"#, b64([0xfe; 256]));
    assert!(Jwk::parse(&even).unwrap().verifying_key(SignatureAlgorithm::Rs256, &crypto()).is_err());
}

#[test]
fn s_jw_09_secrets_are_as_long_as_the_hash_and_never_empty() {
    use SignatureAlgorithm as A;
    for (algorithm, size) in [(A::Hs256, 32), (A::Hs384, 48), (A::Hs512, 64)] {
        for length in [0, 1, size - 1] {
            let refused = refusal(VerifyingKey::secret(algorithm, &SECRET[..length], &crypto()), "short");
            assert_eq!(refused, (ErrorKind::Config, Reason::InvalidKey), "{algorithm}, {length} bytes");
            let signing = SigningKey::secret(algorithm, &SECRET[..length], &crypto());
            assert_eq!(refusal(signing, "short"), (ErrorKind::Config, Reason::InvalidKey));
        }
        VerifyingKey::secret(algorithm, &SECRET[..size], &crypto()).expect("as long as the hash");
    }
    for algorithm in [A::HmacSha1, A::Rs256, A::Es256] {
        let refused = refusal(VerifyingKey::secret(algorithm, &SECRET, &crypto()), "no HMAC of JOSE");
        assert_eq!(refused, (ErrorKind::Config, Reason::UnsupportedAlgorithm));
    }
}

#[test]
fn s_jw_09_a_short_secret_is_taken_if_that_is_said_and_an_empty_one_never() {
    use SignatureAlgorithm as A;
    for algorithm in [A::Hs256, A::Hs384, A::Hs512] {
        let signing = SigningKey::short_secret(algorithm, b"short", &crypto()).unwrap();
        let token = signed(&signing, &format!(r#"{{"alg":"{algorithm}"}}"#), "{}");
        let verifying =
            |secret| VerifyingKeys::from(VerifyingKey::short_secret(algorithm, secret, &crypto()).unwrap());
        jws::Unverified::parse(&token).unwrap().verify(&verifying(b"short")).unwrap();
        let refused =
            refusal(jws::Unverified::parse(&token).unwrap().verify(&verifying(b"shorT")), "another");
        assert_eq!(refused, (ErrorKind::Untrusted, Reason::SignatureInvalid));
        let empty = (ErrorKind::Config, Reason::InvalidKey);
        assert_eq!(refusal(SigningKey::short_secret(algorithm, b"", &crypto()), "empty"), empty);
        assert_eq!(refusal(VerifyingKey::short_secret(algorithm, b"", &crypto()), "empty"), empty);
    }
    for algorithm in [A::HmacSha1, A::Rs256, A::Es256] {
        let refused = refusal(SigningKey::short_secret(algorithm, b"short", &crypto()), "no HMAC of JOSE");
        assert_eq!(refused, (ErrorKind::Config, Reason::UnsupportedAlgorithm));
    }
}

#[test]
fn s_jk_01_keys_that_are_not_known_or_broken_spoil_no_set() {
    let good =
        r#"{"kty":"OKP","crv":"Ed25519","kid":"good","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let decoys = [
        r#"{"kty":"AKP","alg":"ML-DSA-44","pub":"x"}"#,
        r#"{"kty":"EC","crv":"secp256k1","x":"AQ","y":"AQ"}"#,
        r#"{"kty":"EC","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
        r#"{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"}"#,
        r#"{"kty":"RSA","n":"AQAB"}"#,
        r#"{"kty":"RSA","n":"A=","e":"AQAB"}"#,
        r#"{"kty":"RSA","kty":"RSA","n":"AQAB","e":"AQAB"}"#,
        r#"{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#,
        r#"{"kty":1}"#,
        r#"{"kty":null}"#,
        "{}",
        "[]",
        "null",
        "7",
        "\"canary\"",
    ];
    let set = Jwks::parse(&format!(r#"{{"keys":[{},{good}],"more":1}}"#, decoys.join(","))).unwrap();
    assert_eq!(set.keys().iter().map(Jwk::kid).collect::<Vec<_>>(), [Some("good")]);
    assert_eq!(refusal(Jwks::parse("{}"), "{}"), (ErrorKind::Protocol, Reason::MissingParameter));
    for text in ["", "[]", r#"{"keys":{}}"#, r#"{"keys":null}"#, r#"{"keys":[}"#, "null"] {
        assert_eq!(refusal(Jwks::parse(text), text), (ErrorKind::Protocol, Reason::Malformed));
    }
    let many = |count| format!(r#"{{"keys":[{}]}}"#, vec![good; count].join(","));
    assert_eq!(Jwks::parse(&many(100)).unwrap().keys().len(), 100);
    for text in [many(101), many(100_000), format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(256 << 10))] {
        assert_eq!(refusal(Jwks::parse(&text), "too large"), (ErrorKind::Protocol, Reason::TooLarge));
    }
}

#[test]
fn s_jk_02_a_key_that_is_not_there_is_told_from_a_signature_that_is_wrong() {
    use SignatureAlgorithm as A;
    let old = crate::support::signing();
    let set = |kid: &str| Jwks::parse(&format!(r#"{{"keys":[{}]}}"#, P256.replace('{', kid))).unwrap();
    let verify = |set: &Jwks, header: &str| {
        let text = signed(&old, header, "payload");
        let keys = set.verifying_keys(&[A::Es256, A::Rs256], &crypto()).unwrap();
        jws::Unverified::parse(&text).unwrap().verify(&keys).map(|_| ())
    };
    let named = set(r#"{"kid":"1","#);
    verify(&named, r#"{"alg":"ES256","kid":"1"}"#).expect("the key of this name");
    verify(&named, r#"{"alg":"ES256"}"#).expect("the one key that there is");
    verify(&set("{"), r#"{"alg":"ES256","kid":"1"}"#).expect("a key without a name");
    for header in
        [r#"{"alg":"ES256","kid":"2"}"#, r#"{"alg":"ES256","kid":""}"#, r#"{"alg":"RS256","kid":"1"}"#]
    {
        let refused = refusal(verify(&named, header), header);
        assert_eq!(refused, (ErrorKind::Untrusted, Reason::KeyNotFound), "{header}");
    }
}

#[test]
fn s_jk_03_a_key_that_left_the_set_verifies_nothing() {
    let text = signed(&crate::support::signing(), r#"{"alg":"ES256"}"#, "payload");
    let verify = |set: &Jwks| {
        let keys = set.verifying_keys(&[SignatureAlgorithm::Es256], &crypto()).unwrap();
        jws::Unverified::parse(&text).unwrap().verify(&keys).map(|_| ())
    };
    let before = Jwks::parse(&format!(r#"{{"keys":[{P256}]}}"#)).unwrap();
    verify(&before).expect("its key is there");
    let empty = Jwks::parse(r#"{"keys":[]}"#).unwrap();
    let refused = refusal(verify(&empty), "no key");
    assert_eq!(refused, (ErrorKind::Untrusted, Reason::KeyNotFound));
}

#[test]
fn s_jk_04_without_a_name_at_most_eight_keys_are_tried() {
    let other = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
    let text = signed(&crate::support::signing(), r#"{"alg":"ES256"}"#, "payload");
    for (others, is_tried) in [(0, true), (1, true), (7, true), (8, false)] {
        let mut keys = vec![other; others];
        keys.push(P256);
        let set = Jwks::parse(&format!(r#"{{"keys":[{}]}}"#, keys.join(","))).unwrap();
        let keys = set.verifying_keys(&[SignatureAlgorithm::Es256], &crypto()).unwrap();
        let verified = jws::Unverified::parse(&text).unwrap().verify(&keys);
        assert_eq!(verified.is_ok(), is_tried, "behind {others} others");
    }
}

#[test]
fn s_jk_05_the_name_of_a_key_is_bounded() {
    let named = |length| {
        signed(
            &crate::support::signing(),
            &format!(r#"{{"alg":"ES256","kid":"{}"}}"#, "k".repeat(length)),
            "",
        )
    };
    assert!(jws::Unverified::parse(&named(256)).is_ok());
    let refused = refusal(jws::Unverified::parse(&named(257)), "257 bytes");
    assert_eq!(refused, (ErrorKind::Protocol, Reason::TooLarge));
    let key = |length| P256.replace('{', &format!(r#"{{"kid":"{}","#, "k".repeat(length)));
    assert!(Jwk::parse(&key(256)).is_ok() && Jwk::parse(&key(257)).is_err());
}
