//! OAuth 1.0a (RFC 5849).

mod signing;

use bytes::Bytes;
use http::Uri;
use valetkey_http::Request;
use valetkey_proto::{
    Timestamp,
    crypto::CryptoProvider,
    oauth1::{Authorization, ClientCredentials, Signer, Stamp, TokenCredentials},
};

pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

pub(crate) fn client() -> ClientCredentials {
    ClientCredentials::new("ck", "cs").unwrap()
}

pub(crate) fn signer() -> Signer {
    Signer::new(client()).token(TokenCredentials::new("tk", "ts").unwrap())
}

pub(crate) fn stamp() -> Stamp {
    Stamp::new(Timestamp::from_secs(1_700_000_000), "nonce123").unwrap()
}

/// A request; an empty media type is none.
pub(crate) fn request(method: &str, url: &str, media_type: &str, body: &str) -> Request {
    let mut request = Request::new(Bytes::copy_from_slice(body.as_bytes()));
    *request.method_mut() = method.parse().unwrap();
    *request.uri_mut() = url.parse::<Uri>().unwrap();
    if !media_type.is_empty() {
        request.headers_mut().insert("content-type", media_type.parse().unwrap());
    }
    request
}

pub(crate) fn sign(signer: &Signer, request: Request) -> valetkey_proto::Result<Request> {
    signer.sign_with(request, stamp(), &CryptoProvider::ring())
}

pub(crate) fn base_string(signer: &Signer, request: Request) -> String {
    let crypto = CryptoProvider::ring();
    let signed = sign(signer, request).unwrap();
    let explanation = signer.explain(&signed, &crypto).unwrap();
    assert_eq!(explanation.is_right(), Some(true));
    explanation.base_string().to_owned()
}

pub(crate) fn header(request: &Request) -> Authorization {
    Authorization::parse(request.headers()["authorization"].to_str().unwrap()).unwrap()
}
