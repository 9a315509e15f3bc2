//! Keys, signatures, encryption and tokens in JSON, as programs see them: what is taken, and what must be refused.
//!
//! The tests of valetkey-aws-lc take the same modules, with the other provider.

mod absent;
mod encryption;
mod keys;
mod kinds;
mod signatures;
mod support;
mod tokens;
mod writing;

use valetkey_proto::crypto::{ContentEncryption, CryptoProvider, KeyManagement, SignatureAlgorithm};

const PROVIDER: CryptoProvider = CryptoProvider::ring();
/// By what a key on P-521 verifies.
const ES512: &[SignatureAlgorithm] = &[];
/// What the provider encrypts by with a shared secret, of this length, beyond what all have.
const MORE_PAIRS: &[(KeyManagement, ContentEncryption, usize)] = &[];
