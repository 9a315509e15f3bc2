//! DPoP proofs (RFC 9449 §4).

use http::Uri;

use super::super::encode;
use crate::{
    crypto::{CryptoProvider, HashAlgorithm},
    endpoint::Origin,
    error::{Error, ErrorKind, Reason, Result},
};

/// The URI of a request without query and fragment, normalized as far as servers may (RFC 9449 §4.2, §4.3): scheme and
/// host in lower case, no default port, a path.
pub(super) fn target(uri: &Uri) -> Result<String> {
    let origin = Origin::of(uri).ok_or_else(|| Error::new(ErrorKind::Usage, Reason::InvalidUrl))?;
    let mut target = String::with_capacity(16 + origin.host().len() + uri.path().len());
    origin.write(&mut target);
    target.push_str(uri.path());
    Ok(target)
}

/// The hash of an access token (`ath`).
pub(super) fn token_hash(token: &str, crypto: &CryptoProvider) -> String {
    encode(crypto.hash.digest(HashAlgorithm::Sha256, token.as_bytes()))
}
