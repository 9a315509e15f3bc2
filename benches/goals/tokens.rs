//! Rows 5 and 6: an ID token that is validated, and a DPoP proof that is written, with keys at hand.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{Method, Uri};
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};
use ring::signature::{
    self, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RsaPublicKeyComponents, UnparsedPublicKey,
};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde::{Deserialize, Serialize};
use valetkey_proto::{
    Env, Timestamp,
    crypto::{CryptoProvider, PrivateKey, PublicKey, SignatureAlgorithm, SigningKey, SystemRandom},
    jose::{
        Jwk, Jwks,
        jwt::{ClaimSet, Expected, Kind, Validator, Writer},
    },
    random::SecureRandom,
};

use crate::{
    contender::Contender,
    world::{CLIENT_ID, ISSUER, TOKEN, now},
};

const RSA: &[u8] = include_bytes!("../../crates/valetkey-proto/tests/jose/keys/rsa.pkcs8.pem");
const P256: &[u8] = include_bytes!("../../crates/valetkey-proto/tests/jose/keys/p256.pkcs8.pem");
const ED25519: &[u8] = include_bytes!("../../crates/valetkey-proto/tests/jose/keys/ed25519.pkcs8.pem");

pub(crate) const NONCE: &str = "n-0S6_WzA2Mj0S6_WzA2Mj0S6_WzA2Mj0S6_WzA2Mj0";
const SUBJECT: &str = "248289761001";
const AT_HASH: &str = "77QmUPtjPfzWtF2AnpK9RQ";
const KID: &str = "2026-01";

/// An ID token, as all of them validate it.
pub(crate) struct Case {
    names: Names,
    algorithm: SignatureAlgorithm,
    jwk: Jwk,
    /// Three keys, of which one made the token.
    pub(crate) keys: String,
    /// Of 410 characters, and with RSA of 666.
    pub(crate) token: String,
}

/// What its contenders are called.
#[derive(Clone, Copy)]
struct Names {
    ours: &'static str,
    ours_on_aws_lc: &'static str,
    jsonwebtoken: &'static str,
    ring: &'static str,
}

/// Names of the contenders for an algorithm.
macro_rules! names {
    ($algorithm:literal) => {
        Names {
            ours: concat!("ID token ", $algorithm, ", valetkey"),
            ours_on_aws_lc: concat!("ID token ", $algorithm, ", valetkey on AWS-LC"),
            jsonwebtoken: concat!("ID token ", $algorithm, ", jsonwebtoken"),
            ring: concat!("ID token ", $algorithm, ", ring alone"),
        }
    };
}

/// One for each algorithm that servers sign by.
pub(crate) fn cases() -> [Case; 3] {
    [
        Case::new(names!("RS256"), SignatureAlgorithm::Rs256, RSA),
        Case::new(names!("ES256"), SignatureAlgorithm::Es256, P256),
        Case::new(names!("EdDSA"), SignatureAlgorithm::EdDsa, ED25519),
    ]
}

/// The claims, as users of other crates read them.
#[derive(Deserialize)]
struct IdToken {
    iss: String,
    sub: String,
    aud: String,
    exp: u64,
    iat: u64,
    auth_time: u64,
    nonce: String,
    at_hash: String,
}

impl Case {
    fn new(names: Names, algorithm: SignatureAlgorithm, pem: &[u8]) -> Self {
        let published = [SignatureAlgorithm::Rs256, SignatureAlgorithm::Es256, SignatureAlgorithm::EdDsa]
            .into_iter()
            .zip([RSA, P256, ED25519])
            .map(|(other, pem)| {
                let kid = if other == algorithm { KID } else { "2025-01" };
                let about = format!(r#"{{"kid":"{kid}","use":"sig","alg":"{other}","#);
                public_jwk(pem, other).replacen('{', &about, 1)
            });
        let keys = format!(r#"{{"keys":[{}]}}"#, published.collect::<Vec<_>>().join(","));
        let writer = Writer::new(Kind::IdToken, signing_key(pem, algorithm)).expect("a key of JOSE");
        let token = writer.with_kid(KID).sign(&claims().expect("claims")).expect("a token");
        let jwk = Jwk::parse(&public_jwk(pem, algorithm)).expect("a key");
        Self { names, algorithm, jwk, keys, token }
    }

    pub(crate) fn ours(&self) -> Contender {
        self.ours_with(self.names.ours, CryptoProvider::ring())
    }

    pub(crate) fn ours_on_aws_lc(&self, crypto: CryptoProvider) -> Contender {
        self.ours_with(self.names.ours_on_aws_lc, crypto)
    }

    fn ours_with(&self, name: &'static str, crypto: CryptoProvider) -> Contender {
        let set = Jwks::parse(&self.keys).expect("keys");
        let algorithms = [SignatureAlgorithm::Rs256, SignatureAlgorithm::Es256, SignatureAlgorithm::EdDsa];
        let keys = set.verifying_keys(&algorithms, &crypto).expect("keys");
        let validator = Validator::new(Kind::IdToken, ISSUER, CLIENT_ID);
        let (token, random) = (self.token.clone(), SystemRandom::new());
        Contender::new(
            name,
            || (),
            move |()| {
                let env = Env { now: now().into(), random: &random, crypto: &crypto };
                validator.validate(&token, &keys, &Expected::new().nonce(NONCE), &env).expect("a good token")
            },
        )
    }

    /// jsonwebtoken, on the backend that it is built with; it is told the key.
    pub(crate) fn jsonwebtoken(&self) -> Contender {
        let (key, validation) = self.jsonwebtoken_key();
        let token = self.token.clone();
        Contender::new(
            self.names.jsonwebtoken,
            || (),
            move |()| {
                let token = jsonwebtoken::decode::<IdToken>(&token, &key, &validation).expect("a good token");
                assert_eq!(token.claims.nonce, NONCE);
                token
            },
        )
    }

    fn jsonwebtoken_key(&self) -> (DecodingKey, Validation) {
        let set: jsonwebtoken::jwk::JwkSet = serde_json::from_str(&self.keys).expect("keys");
        let key = DecodingKey::from_jwk(set.find(KID).expect("the key")).expect("a key");
        let mut validation = Validation::new(self.algorithm.name().parse().expect("an algorithm"));
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[CLIENT_ID]);
        (key, validation)
    }

    /// What no validation goes below: the signature, decoded, with the numbers of the key at hand.
    pub(crate) fn ring(&self) -> Contender {
        let (signed, signature) = self.token.rsplit_once('.').expect("a signature");
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        let signed = signed.to_owned();
        let verify: Box<dyn Fn() -> bool> = match self.jwk.public_key().expect("a public key") {
            PublicKey::Rsa { n, e } => {
                let key = RsaPublicKeyComponents { n: n.to_owned(), e: e.to_owned() };
                let parameters = &signature::RSA_PKCS1_2048_8192_SHA256;
                Box::new(move || key.verify(parameters, signed.as_bytes(), &signature).is_ok())
            }
            point => {
                let algorithm: &'static dyn signature::VerificationAlgorithm = match self.algorithm {
                    SignatureAlgorithm::Es256 => &signature::ECDSA_P256_SHA256_FIXED,
                    _ => &signature::ED25519,
                };
                let key = UnparsedPublicKey::new(algorithm, point.to_point());
                Box::new(move || key.verify(signed.as_bytes(), &signature).is_ok())
            }
        };
        Contender::new(self.names.ring, || (), move |()| assert!(verify()))
    }
}

fn claims() -> valetkey_proto::Result<ClaimSet> {
    let now = Timestamp::from(now()).as_secs();
    let mut claims = ClaimSet::new();
    claims.text("iss", ISSUER)?.text("sub", SUBJECT)?.text("aud", CLIENT_ID)?;
    claims.number("exp", now + 3600)?.number("iat", now)?.number("auth_time", now)?;
    claims.text("nonce", NONCE)?.text("at_hash", AT_HASH)?;
    Ok(claims)
}

/// Whether jsonwebtoken reads in the tokens what is in them: or else a ratio says nothing.
pub(crate) fn assert_alike() {
    for case in cases() {
        let (key, validation) = case.jsonwebtoken_key();
        let read = jsonwebtoken::decode::<IdToken>(&case.token, &key, &validation).expect("a good token");
        let IdToken { iss, sub, aud, exp, iat, auth_time, nonce, at_hash } = read.claims;
        assert_eq!([&*iss, &*sub, &*aud, &*nonce, &*at_hash], [ISSUER, SUBJECT, CLIENT_ID, NONCE, AT_HASH]);
        assert_eq!((exp, auth_time), (iat + 3600, iat));
    }
}

/// Row 6: a proof for the token endpoint, with a name of its own.
pub(crate) fn proof() -> Contender {
    let proofs = Proofs::new();
    Contender::new("DPoP proof, valetkey", || (), move |()| proofs.write())
}

struct Proofs {
    writer: Writer,
    uri: Uri,
    random: SystemRandom,
    crypto: CryptoProvider,
}

impl Proofs {
    fn new() -> Self {
        let key = signing_key(P256, SignatureAlgorithm::Es256);
        let writer = Writer::new(Kind::DpopProof, key).expect("a pair");
        let uri = Uri::from_static(TOKEN);
        Self { writer, uri, random: SystemRandom::new(), crypto: CryptoProvider::ring() }
    }

    fn write(&self) -> String {
        let env = Env { now: now().into(), random: &self.random, crypto: &self.crypto };
        let claims = self.writer.dpop_proof(&Method::POST, &self.uri, None, None, &env).expect("claims");
        self.writer.sign(&claims).expect("a proof")
    }
}

/// The same by jsonwebtoken, whose users write the claims.
pub(crate) fn proof_by_jsonwebtoken() -> Contender {
    #[derive(Serialize)]
    struct Proof {
        htm: &'static str,
        htu: &'static str,
        jti: String,
        iat: i64,
    }
    let key = EncodingKey::from_ec_der(der(P256).secret_pkcs8_der());
    let mut header = Header::new(jsonwebtoken::Algorithm::ES256);
    header.typ = Some("dpop+jwt".to_owned());
    header.jwk = serde_json::from_str(&public_jwk(P256, SignatureAlgorithm::Es256)).expect("a key");
    let random = SystemRandom::new();
    Contender::new(
        "DPoP proof, jsonwebtoken",
        || (),
        move |()| {
            let mut jti = [0; 32];
            random.fill(&mut jti).expect("randomness");
            let jti = URL_SAFE_NO_PAD.encode(jti);
            let iat = Timestamp::from(now()).as_secs();
            jsonwebtoken::encode(&header, &Proof { htm: "POST", htu: TOKEN, jti, iat }, &key)
                .expect("a proof")
        },
    )
}

/// What no proof goes below: the signature of what is signed.
pub(crate) fn proof_by_ring() -> Contender {
    #[expect(clippy::disallowed_methods, reason = "ring alone is measured")]
    let random = ring::rand::SystemRandom::new();
    let der = der(P256);
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der(), &random);
    let key = key.expect("a key");
    let proof = Proofs::new().write();
    let signed = proof.rsplit_once('.').expect("a signature").0.to_owned();
    Contender::new(
        "DPoP proof, ring alone",
        || (),
        move |()| key.sign(&random, signed.as_bytes()).expect("a signature"),
    )
}

fn signing_key(pem: &[u8], algorithm: SignatureAlgorithm) -> SigningKey {
    let key = PrivateKey::parse(pem).expect("a key");
    key.signing_key(algorithm, &CryptoProvider::ring()).expect("a key of this algorithm")
}

fn public_jwk(pem: &[u8], algorithm: SignatureAlgorithm) -> String {
    signing_key(pem, algorithm).public_jwk().expect("a pair").to_owned()
}

fn der(pem: &[u8]) -> PrivatePkcs8KeyDer<'static> {
    PrivatePkcs8KeyDer::from_pem_slice(pem).expect("a key")
}
