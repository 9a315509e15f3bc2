//! RFC 7638, 9278, 8705: a key or a certificate in, its thumbprint out.

use valetkey_proto::{
    crypto::{CryptoProvider, HashAlgorithm},
    jose::{Jwk, certificate_thumbprint},
};

use super::{
    case::Case,
    check::{Answer, Checks, Stop},
};

pub(crate) fn run(case: &Case, crypto: CryptoProvider) -> Answer {
    let checks = Checks::of(case);
    if let Some(pem) = case.text("certificate_pem") {
        checks.same("x5t_s256", certificate_thumbprint(pem.as_bytes(), &crypto)?);
        return checks.done();
    }
    let jwk = Jwk::parse(&case.input["jwk"].to_string())?;
    let hash = match case.text("hash") {
        None | Some("sha256") => HashAlgorithm::Sha256,
        Some("sha384") => HashAlgorithm::Sha384,
        Some("sha512") => HashAlgorithm::Sha512,
        Some(other) => return Err(Stop::unanswered(format!("hash={other}"))),
    };
    checks.same("thumbprint", jwk.thumbprint_by(hash, &crypto));
    checks.same("uri", jwk.thumbprint_uri(&crypto));
    checks.done()
}
