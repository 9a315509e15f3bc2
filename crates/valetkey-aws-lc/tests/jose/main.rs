//! The tests of the default provider, on AWS-LC, and those of what it has beyond.

#[path = "../../../valetkey-proto/tests/jose/encryption.rs"]
mod encryption;
mod examples;
#[path = "../../../valetkey-proto/tests/jose/keys.rs"]
mod keys;
#[path = "../../../valetkey-proto/tests/jose/kinds.rs"]
mod kinds;
mod pairs;
#[path = "../../../valetkey-proto/tests/jose/signatures.rs"]
mod signatures;
#[path = "../../../valetkey-proto/tests/jose/support.rs"]
mod support;
#[path = "../../../valetkey-proto/tests/jose/tokens.rs"]
mod tokens;
#[path = "../../../valetkey-proto/tests/jose/writing.rs"]
mod writing;

use valetkey_proto::crypto::{
    ContentEncryption as C, CryptoProvider, KeyManagement as K, SignatureAlgorithm,
};

const PROVIDER: CryptoProvider = valetkey_aws_lc::provider();
/// By what a key on P-521 verifies.
const ES512: &[SignatureAlgorithm] = &[SignatureAlgorithm::Es512];
/// What the provider encrypts by with a shared secret, of this length, beyond what all have.
const MORE_PAIRS: &[(K, C, usize)] = &[
    (K::Dir, C::A128CbcHs256, 32),
    (K::Dir, C::A256CbcHs512, 64),
    (K::A128GcmKw, C::A128CbcHs256, 16),
    (K::A128Kw, C::A128Gcm, 16),
    (K::A128Kw, C::A256CbcHs512, 16),
    (K::A256Kw, C::A256Gcm, 32),
    (K::A256Kw, C::A128CbcHs256, 32),
];
