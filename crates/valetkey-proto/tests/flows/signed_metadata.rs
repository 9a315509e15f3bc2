//! Metadata that somebody has signed.

use valetkey_proto::{
    Call, ErrorKind, Reason, Result,
    crypto::{CryptoProvider, PrivateKey, SignatureAlgorithm, SigningKey},
    jose::{
        Jwks,
        jwt::{ClaimSet, Kind, Writer},
    },
    oauth2::{
        protected_resource::{ResourceIdentifier, ResourceMetadataRequest},
        server::{Discovery, Issuer, MetadataSigner, ServerMetadata},
    },
};

use crate::transcript::{START, json, play, play_call};

/// A new key of the federation, which is trusted.
fn signer() -> (SigningKey, MetadataSigner) {
    let (crypto, algorithm) = (CryptoProvider::ring(), SignatureAlgorithm::EdDsa);
    let key = PrivateKey::generate(algorithm, &crypto).unwrap().signing_key(algorithm, &crypto).unwrap();
    let keys = format!(r#"{{"keys":[{}]}}"#, key.public_jwk().expect("a public key"));
    let keys = Jwks::parse(&keys).unwrap();
    (key, MetadataSigner::new("https://federation.example", keys, &[algorithm]))
}

/// The claims of a JWT of the federation.
fn claims(iss: &str, members: &[(&str, &str)]) -> ClaimSet {
    let mut claims = ClaimSet::new();
    claims.text("iss", iss).unwrap().number("iat", START.as_secs()).unwrap();
    for (name, value) in members {
        claims.json(name, value).unwrap();
    }
    claims
}

fn sign(key: &SigningKey, kind: Kind, claims: &ClaimSet) -> String {
    Writer::new(kind, key.clone()).unwrap().sign(claims).unwrap()
}

fn discover(signer: Option<&MetadataSigner>, document: &str) -> Result<ServerMetadata> {
    let discovery = || {
        let discovery = Discovery::new(&Issuer::parse("https://as.example").unwrap()).unwrap();
        match signer {
            Some(signer) => discovery.signed_by(signer),
            None => discovery,
        }
    };
    play(discovery, &[("GET https://as.example/.well-known/openid-configuration", json(200, document))])
}

#[test]
fn s_md_09_what_is_signed_takes_the_place_of_what_is_not() {
    let (key, signer) = signer();
    let signed = sign(
        &key,
        Kind::SignedMetadata,
        &claims(
            "https://federation.example",
            &[
                ("issuer", "\"https://as.example\""),
                ("token_endpoint", "\"https://as.example/token\""),
                ("jwks_uri", "\"https://as.example/jwks\""),
            ],
        ),
    );
    let document = format!(
        r#"{{"issuer":"https://as.example","token_endpoint":"https://evil.example/token",
            "jwks_uri":"https://evil.example/jwks","scopes_supported":["a"],"signed_metadata":"{signed}"}}"#
    );
    let server = discover(Some(&signer), &document).unwrap();
    assert_eq!(server.token_endpoint().unwrap().as_str(), "https://as.example/token");
    assert_eq!(server.endpoint("jwks_uri").unwrap().as_str(), "https://as.example/jwks");
    assert!(server.scopes().eq(["a"]) && server.extra::<i64>("iat").is_none());
    // Without a signer that is trusted, nothing is made of it.
    let server = discover(None, &document).unwrap();
    assert_eq!(server.token_endpoint().unwrap().as_str(), "https://evil.example/token");

    let of_resource = claims(
        "https://federation.example",
        &[("resource", "\"https://api.example/v1\""), ("authorization_servers", "[\"https://as.example\"]")],
    );
    let signed = sign(&key, Kind::SignedMetadata, &of_resource);
    let document = format!(
        r#"{{"resource":"https://api.example/v1","authorization_servers":["https://evil.example"],"signed_metadata":"{signed}"}}"#
    );
    let resource = ResourceIdentifier::parse("https://api.example/v1").unwrap();
    let request = || Call::anonymous(ResourceMetadataRequest::new(&resource).unwrap().signed_by(&signer));
    let line = "GET https://api.example/.well-known/oauth-protected-resource/v1";
    let metadata = play_call(request, &[(line, json(200, &document))]).unwrap();
    assert_eq!(metadata.server(None).unwrap().as_str(), "https://as.example");
}

#[test]
fn s_md_09_nothing_is_used_of_a_document_that_is_not_signed_by_who_is_trusted() {
    let ((key, signer), (strange, _)) = (signer(), signer());
    let own = [("issuer", "\"https://as.example\"")];
    let good = claims("https://federation.example", &own);
    let sign_good = |key: &SigningKey| sign(key, Kind::SignedMetadata, &good);
    let whole = sign_good(&key);
    let (signed_part, _) = whole.rsplit_once('.').unwrap();
    // {"alg":"none"}
    let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", signed_part.split_once('.').unwrap().1);
    let mut expired = good.clone();
    expired.number("exp", START.as_secs() - 60).unwrap();
    let of_another = claims("https://federation.example", &[("issuer", "\"https://other.example\"")]);
    let of_an_api = claims("https://federation.example", &[("resource", "\"https://as.example\"")]);
    for (signed, reason) in [
        (format!("\"{}\"", sign_good(&strange)), Reason::SignatureInvalid),
        (
            format!("\"{}\"", sign(&key, Kind::SignedMetadata, &claims("https://evil.example", &own))),
            Reason::IssuerMismatch,
        ),
        (
            format!("\"{}\"", sign(&key, Kind::SignedMetadata, &claims("https://as.example", &own))),
            Reason::IssuerMismatch,
        ),
        (format!("\"{}\"", sign(&key, Kind::SignedMetadata, &expired)), Reason::JwtExpired),
        (format!("\"{}\"", sign(&key, Kind::SignedMetadata, &of_another)), Reason::IssuerMismatch),
        (format!("\"{}\"", sign(&key, Kind::SignedMetadata, &of_an_api)), Reason::KindMismatch),
        (format!("\"{unsigned}\""), Reason::AlgorithmMismatch),
        (format!("\"{signed_part}.\""), Reason::SignatureInvalid),
        ("null".to_owned(), Reason::MissingParameter),
        ("{}".to_owned(), Reason::Malformed),
        ("\"\"".to_owned(), Reason::Malformed),
    ] {
        let document = format!(r#"{{"issuer":"https://as.example","signed_metadata":{signed}}}"#);
        let error = discover(Some(&signer), &document).unwrap_err();
        assert_eq!(error.reason(), reason, "{signed}");
    }
    let error = discover(Some(&signer), r#"{"issuer":"https://as.example"}"#).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::MissingParameter));
}
