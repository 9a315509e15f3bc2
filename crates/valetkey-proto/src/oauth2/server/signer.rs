//! Metadata that somebody has signed (RFC 8414 §2.1, RFC 9728 §2.2).

use std::{fmt, sync::Arc};

use serde_json::{Map, Value};

use crate::{
    crypto::SignatureAlgorithm,
    error::{Error, ErrorKind, Reason, Result},
    flow::Env,
    jose::{
        Jwks,
        jwt::{Expected, Validator},
    },
    response::{
        document::Document,
        members::{members, read},
        value::Text,
    },
};

/// The claims that are about the JWT, and not about whom the metadata is of (RFC 7519 §4.1).
const OF_THE_JWT: [&str; 8] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "signed_metadata"];

/// Somebody whose signature on metadata a program trusts, by keys that it has from elsewhere.
///
/// What is signed then takes the place of what is not, member by member, and a document without such a signature is
/// refused. Members that were not signed stay as they are.
///
/// ```
/// use valetkey_proto::{
///     crypto::SignatureAlgorithm,
///     jose::Jwks,
///     oauth2::server::{Discovery, Issuer, MetadataSigner},
/// };
///
/// // Keys that came with the program, or from whoever runs the federation.
/// let keys = Jwks::parse(r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#)?;
/// let signer = MetadataSigner::new("https://federation.example", keys, &[SignatureAlgorithm::EdDsa]);
/// let discovery = Discovery::new(&Issuer::parse("https://as.example")?)?.signed_by(&signer);
/// # let _ = discovery;
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
///
/// # Security
///
/// Without a signer, `signed_metadata` is passed over, as both standards allow: the keys that a document itself names
/// prove nothing about it. With one it is demanded, because whoever could change the document could also take the
/// signature away.
#[doc(alias = "signed_metadata")]
#[derive(Clone)]
pub struct MetadataSigner(Arc<Inner>);

struct Inner {
    issuer: Box<str>,
    keys: Jwks,
    algorithms: Box<[SignatureAlgorithm]>,
}

members! {
    struct Signed {
        signed_metadata: Text<'de>,
    }
}

impl MetadataSigner {
    /// Trusts this issuer (`iss`), byte for byte, who signs by one of these keys and algorithms.
    #[must_use]
    pub fn new(issuer: &str, keys: Jwks, algorithms: &[SignatureAlgorithm]) -> Self {
        Self(Arc::new(Inner { issuer: issuer.into(), keys, algorithms: algorithms.into() }))
    }

    /// The document with what is signed in place of what is not. `subject` is the member that says whose metadata it is.
    pub(crate) fn verified(&self, document: &Document, subject: &str, env: &Env<'_>) -> Result<Document> {
        let signed = read::<Signed<'_>>(document.text()?)?.signed_metadata;
        // Who could change the document has taken it away.
        let missing =
            || Error::new(ErrorKind::Untrusted, Reason::MissingParameter).with_detail("signed_metadata");
        let keys = self.0.keys.verifying_keys(&self.0.algorithms, env.crypto)?;
        let validator = Validator::signed_metadata(&self.0.issuer);
        let jwt = validator.validate(&signed.ok_or_else(missing)?, &keys, &Expected::new(), env)?;
        let malformed = |_| Error::new(ErrorKind::Protocol, Reason::Malformed).with_detail("signed_metadata");
        let mut claims: Map<String, Value> = serde_json::from_str(jwt.claims()).map_err(malformed)?;
        // It would be good in the document of anybody.
        if !claims.contains_key(subject) {
            return Err(Error::new(ErrorKind::Untrusted, Reason::KindMismatch).with_detail("signed_metadata"));
        }
        OF_THE_JWT.iter().for_each(|name| drop(claims.remove(*name)));
        document.overlaid(claims)
    }
}

impl fmt::Debug for MetadataSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetadataSigner")
            .field("issuer", &self.0.issuer)
            .field("algorithms", &self.0.algorithms)
            .finish_non_exhaustive()
    }
}
