//! DPoP proofs (RFC 9449 §4).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Uri;

use crate::{
    crypto::{CryptoProvider, HashAlgorithm},
    endpoint::normalized,
    error::{Error, ErrorKind, Reason, Result},
};

/// The URI of a request without query and fragment, normalized as servers may do it (RFC 9449 §4.2, §4.3).
pub(super) fn target(uri: &Uri) -> Result<String> {
    normalized(uri).ok_or_else(|| Error::new(ErrorKind::Usage, Reason::InvalidUrl))
}

/// The hash of an access token (`ath`), in base64url.
pub(super) fn token_hash(token: &str, crypto: &CryptoProvider) -> [u8; 43] {
    let mut text = [0; 43];
    // 32 bytes are 43 characters, so that the slice always fits.
    let _ =
        URL_SAFE_NO_PAD.encode_slice(crypto.hash.digest(HashAlgorithm::Sha256, token.as_bytes()), &mut text);
    text
}
