//! Keys, a fixed time, and texts that are made by hand.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use valetkey_proto::{
    Env, ErrorKind, Reason, Timestamp,
    crypto::{CryptoProvider, PrivateKey, SignatureAlgorithm, SigningKey, SystemRandom, VerifyingKey},
    jose::{Jwk, VerifyingKeys},
};

use crate::PROVIDER;

pub(crate) const NOW: i64 = 1_700_000_000;
/// A key on P-256, which was made for tests.
pub(crate) const P256: &str = r#"{"kty":"EC","crv":"P-256","x":"Rxw-dYxJBChbun5TEY7Q9SSt6wdX0lvS-Oew1236cUw",
    "y":"3VIPesqKi5F6zDf1HejwybvjrYWDgucC3CWhLQn3qFg","d":"EjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJCrze8"}"#;
/// The public key of RFC 7520 §3.1.
pub(crate) const P521: &str = r#"{"kty":"EC","crv":"P-521",
    "x":"AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt",
    "y":"AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1"}"#;
pub(crate) const SECRET: [u8; 64] = [7; 64];

/// What a step may know.
pub(crate) fn env() -> Env<'static> {
    static CRYPTO: CryptoProvider = PROVIDER;
    let random: &'static SystemRandom = Box::leak(Box::new(SystemRandom::new()));
    Env { now: Timestamp::from_secs(NOW), random, crypto: &CRYPTO }
}

pub(crate) fn crypto() -> CryptoProvider {
    PROVIDER
}

/// The key that signs by ES256.
pub(crate) fn signing() -> SigningKey {
    let key = PrivateKey::parse(P256.as_bytes()).expect("a key");
    key.signing_key(SignatureAlgorithm::Es256, &crypto()).expect("of P-256")
}

/// The key that verifies what [`signing`] signs.
pub(crate) fn verifying() -> VerifyingKeys {
    let jwk = Jwk::parse(P256).expect("a key");
    jwk.verifying_key(SignatureAlgorithm::Es256, &crypto()).expect("of P-256").into()
}

/// A shared secret, to sign and to verify.
pub(crate) fn shared(algorithm: SignatureAlgorithm) -> (SigningKey, VerifyingKeys) {
    let signing = SigningKey::secret(algorithm, &SECRET, &crypto()).expect("long enough");
    let verifying = VerifyingKey::secret(algorithm, &SECRET, &crypto()).expect("long enough");
    (signing, verifying.into())
}

pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A JWS of a header and a payload as they are, with the signature that a key makes of them.
pub(crate) fn signed(key: &SigningKey, header: &str, payload: &str) -> String {
    let SigningKey::Local(signer) = key else { panic!("a key that is here") };
    let input = format!("{}.{}", b64(header), b64(payload));
    let mut signature = valetkey_proto::crypto::Signature::new();
    signer.sign(input.as_bytes(), &mut signature).expect("a signature");
    format!("{input}.{}", b64(signature.as_ref()))
}

/// Why something was refused.
pub(crate) fn refusal<T>(result: valetkey_proto::Result<T>, what: &str) -> (ErrorKind, Reason) {
    let Err(error) = result else { panic!("taken: {what}") };
    for shown in [error.to_string(), format!("{error:?}")] {
        assert!(!shown.contains("canary"), "{shown}");
    }
    (error.kind(), error.reason())
}
