//! What the validator of the client makes of the provider's JWTs: each row must expect just that.

use valetkey_http::Backend;
use valetkey_proto::{
    Env, ErrorKind, Reason,
    crypto::{CryptoProvider, SignatureAlgorithm, VerifyingKey},
    jose::{
        Jwks, VerifyingKeys,
        jwt::{Expected, Kind, Validator},
    },
};
use valetkey_testkit::{Expect, Provider};

use crate::common::*;

/// A client that validates JWTs and does nothing else.
pub(crate) struct Judge<'a> {
    pub(crate) provider: &'a Provider,
    pub(crate) client: &'a str,
    pub(crate) algorithm: SignatureAlgorithm,
    pub(crate) secret: &'a str,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(provider: &'a Provider, client: &'a str) -> Self {
        Self { provider, client, algorithm: SignatureAlgorithm::Rs256, secret: "" }
    }

    /// What comes of a JWT, with the keys that are published now.
    pub(crate) fn validate(&self, kind: Kind, jwt: &str, expected: &Expected<'_>) -> Expect {
        let crypto = CryptoProvider::ring();
        let random = self.provider.random();
        let env = Env { now: self.provider.now().into(), random: &*random, crypto: &crypto };
        let validator = Validator::new(kind, "https://issuer.test", self.client);
        let outcome = self.keys(&crypto).and_then(|keys| validator.validate(jwt, &keys, expected, &env));
        outcome.map_or_else(|error| rejected(error.kind(), error.reason()), |_| Expect::Accepted)
    }

    fn keys(&self, crypto: &CryptoProvider) -> valetkey_proto::Result<VerifyingKeys> {
        if self.algorithm == SignatureAlgorithm::Hs256 {
            return VerifyingKey::secret(self.algorithm, self.secret.as_bytes(), crypto).map(Into::into);
        }
        let response = get(self.provider, &format!("{}/jwks", self.provider.issuer()), None);
        Jwks::parse(std::str::from_utf8(response.body()).unwrap())?.verifying_keys(&[self.algorithm], crypto)
    }
}

pub(crate) fn rejected(kind: ErrorKind, reason: Reason) -> Expect {
    Expect::Rejected { kind, reason }
}
