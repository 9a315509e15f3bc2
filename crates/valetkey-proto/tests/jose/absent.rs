//! What *ring* has not, and says so.

use valetkey_proto::{
    ErrorKind, Reason,
    crypto::{ContentEncryption as C, KeyManagement as K, PrivateKey, SignatureAlgorithm},
    jose::{
        Jwk, Jwks,
        jwe::{Decrypter, Encrypter},
    },
};

use crate::support::{P256, P521, SECRET, crypto, env};

#[test]
fn p_521_and_its_signatures_name_the_crate_that_has_them() {
    let key = PrivateKey::parse(include_bytes!("keys/p521.sec1.pem")).expect("it can be read");
    let signing = key.signing_key(SignatureAlgorithm::Es512, &crypto()).map(|_| ());
    let verifying = Jwk::parse(P521).unwrap().verifying_key(SignatureAlgorithm::Es512, &crypto()).map(|_| ());
    let set = Jwks::parse(&format!(r#"{{"keys":[{P521}]}}"#)).unwrap();
    let of_set = set.verifying_keys(&[SignatureAlgorithm::Es512], &crypto()).map(|_| ());
    for result in [signing, verifying, of_set] {
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::UnsupportedAlgorithm));
        assert!(error.to_string().contains("valetkey-aws-lc"), "{error}");
    }
}

#[test]
fn algorithms_that_ring_has_not_name_the_crate_that_has_them() {
    let public = Jwk::parse(P256).unwrap();
    let private = PrivateKey::parse(P256.as_bytes()).unwrap();
    let far = [K::RsaOaep, K::RsaOaep256, K::EcdhEs, K::EcdhEsA128Kw, K::EcdhEsA256Kw, K::A128Kw, K::A256Kw];
    let mut results = Vec::new();
    for algorithm in far {
        results.push(Encrypter::public(&public, algorithm, C::A256Gcm, &crypto()).map(|_| ()));
        results.push(Decrypter::private(&private, algorithm, C::A256Gcm, &crypto()).map(|_| ()));
        results.push(Decrypter::secret(&SECRET[..32], algorithm, C::A256Gcm, &crypto()).map(|_| ()));
    }
    for (encryption, length) in [(C::A128CbcHs256, 32), (C::A256CbcHs512, 64)] {
        let encrypter = Encrypter::secret(&SECRET[..length], K::Dir, encryption, &crypto()).unwrap();
        results.push(encrypter.encrypt("x", &env()).map(|_| ()));
    }
    for result in results {
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::UnsupportedAlgorithm));
        assert!(error.to_string().contains("valetkey-aws-lc"), "{error}");
    }
}
