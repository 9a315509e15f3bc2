//! Signatures: what is verified, and what is refused before and after.

use valetkey_proto::{
    ErrorKind, Reason,
    crypto::{PrivateKey, SignatureAlgorithm, VerifyingKey},
    jose::{
        Jwk, VerifyingKeys,
        jws::{Head, Unverified},
    },
};

use crate::support::{P256, SECRET, b64, crypto, refusal, shared, signed, signing, verifying};

fn verify(text: &str, keys: &VerifyingKeys) -> valetkey_proto::Result<Vec<u8>> {
    Ok(Unverified::parse(text)?.verify(keys)?.into_payload())
}

#[test]
fn s_jw_01_the_algorithm_is_the_keys_and_no_text_chooses_another() {
    let (secret, hs256) = shared(SignatureAlgorithm::Hs256);
    let good = signed(&secret, r#"{"alg":"HS256"}"#, "payload");
    assert_eq!(verify(&good, &hs256).unwrap(), b"payload");
    let mismatch = (ErrorKind::Untrusted, Reason::AlgorithmMismatch);
    for alg in [
        "none",
        "None",
        "NONE",
        "nOnE",
        "",
        "hs256",
        "HS256 ",
        "HS384",
        "ES256",
        "HMAC-SHA1",
        "dir",
        "RSA1_5",
    ] {
        for signature in ["", &b64(SECRET), good.rsplit('.').next().unwrap()] {
            let text = format!("{}.{}.{signature}", b64(format!(r#"{{"alg":"{alg}"}}"#)), b64("payload"));
            assert_eq!(refusal(verify(&text, &hs256), alg), mismatch, "{alg:?}");
        }
    }
    // A public key as the secret of an HMAC, in whatever format.
    let jwk = Jwk::parse(P256).unwrap();
    let es256 = verifying();
    for public in [P256.to_owned(), jwk.thumbprint(&crypto()), signing().public_jwk().unwrap().to_owned()] {
        let forged = VerifyingKey::secret(SignatureAlgorithm::Hs256, public.as_bytes(), &crypto());
        assert!(forged.is_ok(), "long enough to be tried");
        let key = valetkey_proto::crypto::SigningKey::secret(
            SignatureAlgorithm::Hs256,
            public.as_bytes(),
            &crypto(),
        );
        let text = signed(&key.unwrap(), r#"{"alg":"HS256"}"#, "payload");
        assert_eq!(refusal(verify(&text, &es256), "HS256"), mismatch);
    }
}

#[test]
fn s_jw_03_a_key_in_the_header_is_not_used() {
    let attacker = PrivateKey::parse(include_bytes!("keys/p256.pkcs8.pem")).unwrap();
    let attacker = attacker.signing_key(SignatureAlgorithm::Es256, &crypto()).unwrap();
    let jwk = attacker.public_jwk().unwrap();
    for header in [
        format!(r#"{{"alg":"ES256","jwk":{jwk}}}"#),
        r#"{"alg":"ES256","jku":"https://attacker.example/jwks"}"#.to_owned(),
        r#"{"alg":"ES256","x5u":"https://attacker.example/x5u","x5c":["MIIB"]}"#.to_owned(),
    ] {
        let refused = refusal(verify(&signed(&attacker, &header, "x"), &verifying()), &header);
        assert_eq!(refused, (ErrorKind::Untrusted, Reason::SignatureInvalid));
        assert!(
            verify(&signed(&signing(), &header, "x"), &verifying()).is_ok(),
            "they are passed over: {header}"
        );
    }
}

#[test]
fn s_jw_04_whatever_must_be_understood_is_refused() {
    for more in [
        r#""crit":["exp"],"exp":1"#,
        r#""crit":["b64"],"b64":false"#,
        r#""crit":["alg"]"#,
        r#""crit":[]"#,
        r#""crit":"x""#,
        r#""crit":null"#,
        r#""crit":["x","x"],"x":1"#,
        r#""b64":true"#,
        r#""b64":false"#,
        r#""zip":"DEF""#,
    ] {
        let header = format!(r#"{{"alg":"ES256",{more}}}"#);
        let refused = refusal(verify(&signed(&signing(), &header, "x"), &verifying()), more);
        assert_eq!(refused, (ErrorKind::Untrusted, Reason::UnsupportedHeader), "{more}");
    }
}

#[test]
fn s_jw_05_three_parts_in_strict_base64url() {
    let (secret, keys) = shared(SignatureAlgorithm::Hs256);
    let good = signed(&secret, r#"{"alg":"HS256"}"#, "ab");
    let [header, payload, signature]: [&str; 3] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    assert_eq!((payload, verify(&good, &keys).unwrap().as_slice()), ("YWI", &b"ab"[..]));
    let json = format!(r#"{{"protected":"{header}","payload":"{payload}","signature":"{signature}"}}"#);
    let dots = ".".repeat(1_000_000);
    for text in [
        "",
        ".",
        "..",
        "...",
        "....",
        header,
        &format!("{header}.{payload}"),
        &format!("{good}."),
        &format!("{good}.."),
        &format!("{good}.a.b"),
        &format!(" {good}"),
        &format!("{good}\n"),
        &format!("{header}=.{payload}.{signature}"),
        &format!("{header}.{payload}.{signature}="),
        &format!("{header}.{payload}.{}", signature.replace(['-', '_'], "+")),
        &format!("{header}.{payload}.{}é", &signature[2..]),
        &good.replace('.', "\u{ff0e}"),
        &json,
        &format!("[{json}]"),
    ] {
        assert_eq!(refusal(verify(text, &keys), text), (ErrorKind::Protocol, Reason::Malformed), "{text}");
    }
    assert_eq!(refusal(verify(&dots, &keys), "dots"), (ErrorKind::Protocol, Reason::TooLarge));
    // Bits that are left over, in the signature and, although that is signed, in the payload.
    let last = signature.pop_last();
    assert!(verify(&format!("{header}.{payload}.{last}"), &keys).is_err());
    let input = format!("{header}.YWJ");
    let text = sign_input(&secret, &input);
    assert_eq!(refusal(verify(&text, &keys), "YWJ"), (ErrorKind::Protocol, Reason::Malformed));
}

/// Texts, changed.
trait PopLast {
    /// The text with the unused bits of its last character set.
    fn pop_last(&self) -> String;
}

impl PopLast for &str {
    fn pop_last(&self) -> String {
        const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let (rest, last) = self.split_at(self.len() - 1);
        let at = ALPHABET.find(last).expect("base64url");
        format!("{rest}{}", &ALPHABET[at + 1..at + 2])
    }
}

fn sign_input(key: &valetkey_proto::crypto::SigningKey, input: &str) -> String {
    let valetkey_proto::crypto::SigningKey::Local(signer) = key else { panic!("a key that is here") };
    let mut signature = valetkey_proto::crypto::Signature::new();
    signer.sign(input.as_bytes(), &mut signature).unwrap();
    format!("{input}.{}", b64(signature.as_ref()))
}

#[test]
fn s_jw_06_sizes_are_bounded_before_anything_is_decoded() {
    let (secret, keys) = shared(SignatureAlgorithm::Hs256);
    let too_large = (ErrorKind::Protocol, Reason::TooLarge);
    let of_size = |size: usize| {
        let text = signed(&secret, r#"{"alg":"HS256"}"#, &"x".repeat(48_000));
        let missing = (size - text.len()) * 3 / 4;
        signed(&secret, r#"{"alg":"HS256"}"#, &"x".repeat(48_000 + missing))
    };
    assert!(verify(&of_size(64 << 10), &keys).is_ok());
    assert_eq!(refusal(verify(&"x".repeat((64 << 10) + 1), &keys), "65 537 bytes"), too_large);
    assert_eq!(refusal(verify(&"A".repeat(64 << 20), &keys), "64 MiB"), too_large);
    let header = |size: usize| {
        let header =
            r#"{"alg":"HS256","x":""}"#.replace(r#""x":""#, &format!(r#""x":"{}"#, "x".repeat(size - 22)));
        signed(&secret, &header, "")
    };
    assert!(verify(&header(8 << 10), &keys).is_ok());
    assert_eq!(refusal(verify(&header((8 << 10) + 6), &keys), "a long header"), too_large);
    for (open, close) in [("[", "]"), (r#"{"x":"#, "}")] {
        let nested = |depth: usize| {
            let inner = format!("{}0{}", open.repeat(depth - 1), close.repeat(depth - 1));
            signed(&secret, &format!(r#"{{"alg":"HS256","x":{inner}}}"#), "")
        };
        assert!(verify(&nested(16), &keys).is_ok());
        assert_eq!(refusal(verify(&nested(17), &keys), "17 levels"), too_large);
    }
    let items = |count: usize| {
        signed(&secret, &format!(r#"{{"alg":"HS256","x":[{}]}}"#, vec!["0"; count].join(",")), "")
    };
    assert!(verify(&items(1000), &keys).is_ok());
    assert_eq!(refusal(verify(&items(1025), &keys), "items"), too_large);
    // Brackets in texts are none, and a quote in a text is no end of it.
    let quoted = format!(r#"{{"alg":"HS256","x":"\"{}\\"}}"#, "[".repeat(100));
    assert!(verify(&signed(&secret, &quoted, ""), &keys).is_ok());
    let signature = format!("{}..{}", b64(r#"{"alg":"HS256"}"#), b64([1; 1025]));
    assert!(verify(&signature, &keys).is_err());
}

#[test]
fn s_jw_07_a_member_that_occurs_twice_or_is_of_a_wrong_type_is_refused() {
    for (header, reason) in [
        (r#"{"alg":"ES256","alg":"none"}"#, Reason::DuplicateParameter),
        (r#"{"alg":"ES256","\u0061lg":"none"}"#, Reason::DuplicateParameter),
        (r#"{"alg":"ES256","x":1,"x":2}"#, Reason::DuplicateParameter),
        (r#"{"kid":"1"}"#, Reason::MissingParameter),
        (r#"{"alg":null}"#, Reason::Malformed),
        (r#"{"alg":256}"#, Reason::Malformed),
        (r#"{"alg":["ES256"]}"#, Reason::Malformed),
        (r#"{"alg":"ES256","kid":1}"#, Reason::Malformed),
        (r#"{"alg":"ES256","typ":{}}"#, Reason::Malformed),
        (r#"{"alg":"ES256"}x"#, Reason::Malformed),
        (r#"{"alg":"ES256","enc":"A256GCM"}"#, Reason::Malformed),
        ("alg:ES256", Reason::Malformed),
        ("", Reason::Malformed),
        ("[]", Reason::Malformed),
    ] {
        let refused = refusal(verify(&signed(&signing(), header, "x"), &verifying()), header);
        assert_eq!(refused, (ErrorKind::Protocol, reason), "{header}");
    }
}

#[test]
fn s_jw_08_a_signature_is_the_keys_or_refused() {
    let good = signed(&signing(), r#"{"alg":"ES256"}"#, "payload");
    let (input, signature) = good.rsplit_once('.').unwrap();
    let (r, s) = signature.split_at(43);
    let order = "_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE";
    let zero = b64([0; 64]);
    for signature in [
        "",
        &zero,
        &b64([0xff; 64]),
        &b64([0; 63]),
        &b64([0; 65]),
        &b64([0; 512]),
        r,
        &format!("{s}{r}"),
        &b64([1; 64]),
        &format!("{}{}", &order[..42], &order[..43]),
    ] {
        assert!(verify(&format!("{input}.{signature}"), &verifying()).is_err(), "{signature}");
    }
    // Each bit counts: of the signature, the payload, the header.
    for at in (0..good.len()).filter(|&at| !good[at..].starts_with('.')) {
        let mut changed = good.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert!(verify(std::str::from_utf8(&changed).unwrap(), &verifying()).is_err(), "character {at}");
    }
}

#[test]
fn ed25519_goes_by_both_its_names() {
    let key = PrivateKey::parse(include_bytes!("keys/ed25519.pkcs8.pem")).unwrap();
    let key = key.signing_key(SignatureAlgorithm::EdDsa, &crypto()).unwrap();
    let keys = Jwk::parse(key.public_jwk().unwrap()).unwrap();
    let keys = keys.verifying_key(SignatureAlgorithm::EdDsa, &crypto()).unwrap().into();
    let head = Head::new(&key).unwrap();
    for (head, name) in [(head.clone(), "EdDSA"), (head.with_ed25519_by_name(), "Ed25519")] {
        let text = head.with_kid("a\"b").sign(&key, b"x").unwrap();
        let jws = Unverified::parse(&text).unwrap().verify(&keys).unwrap();
        assert_eq!(jws.header(), format!(r#"{{"alg":"{name}","kid":"a\"b"}}"#));
        assert_eq!((jws.kid(), jws.algorithm()), (Some("a\"b"), SignatureAlgorithm::EdDsa));
    }
}

#[test]
fn rfc_7515_f_a_detached_payload_is_signed_and_verified() {
    let (secret, keys) = shared(SignatureAlgorithm::Hs512);
    let text = Head::new(&secret).unwrap().sign_detached(&secret, b"payload").unwrap();
    assert!(text.contains(".."));
    Unverified::parse(&text).unwrap().verify_detached(b"payload", &keys).unwrap();
    assert!(Unverified::parse(&text).unwrap().verify_detached(b"another", &keys).is_err());
    assert!(Unverified::parse(&text).unwrap().verify(&keys).is_err(), "the payload is not empty");
    let whole = Head::new(&secret).unwrap().sign(&secret, b"payload").unwrap();
    let refused =
        refusal(Unverified::parse(&whole).unwrap().verify_detached(b"payload", &keys), "two payloads");
    assert_eq!(refused, (ErrorKind::Protocol, Reason::Malformed));
}
