//! Elliptic-curve Diffie-Hellman with an ephemeral key of the sender (RFC 7518 §4.6, RFC 8037 §3.2).

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    agreement::{self, PrivateKey, UnparsedPublicKey},
    kdf::{SskdfDigestAlgorithmId, get_sskdf_digest_algorithm, sskdf_digest},
};
use valetkey_proto::{
    Result,
    crypto::{
        ContentEncryption, ContentKey, Curve, EphemeralKey, Fresh, KeyKind, KeyManagement, KeyParameters,
        KeyUnwrapper, KeyWrapper, PublicKey,
    },
};

use crate::{
    invalid_key,
    key_wrap::{self, WrappingKey},
    undecryptable, unsupported,
};

const CURVES: [Curve; 3] = [Curve::P256, Curve::P384, Curve::P521];
/// What stands before the private key in PKCS#8 of X25519 (RFC 8410 §7).
const X25519_BEGINS: &[u8] =
    &[0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x04, 0x22, 0x04, 0x20];

fn of_curve(curve: Curve) -> Result<&'static agreement::Algorithm> {
    match curve {
        Curve::P256 => Ok(&agreement::ECDH_P256),
        Curve::P384 => Ok(&agreement::ECDH_P384),
        Curve::P521 => Ok(&agreement::ECDH_P521),
        Curve::X25519 => Ok(&agreement::X25519),
        other => Err(unsupported(other.name())),
    }
}

pub(crate) fn unwrapper(algorithm: KeyManagement, pkcs8: &[u8]) -> Result<Arc<dyn KeyUnwrapper>> {
    if let Some(private) = pkcs8.strip_prefix(X25519_BEGINS) {
        let key = PrivateKey::from_private_key(&agreement::X25519, private);
        let key = key.map_err(|_| invalid_key("not PKCS#8 of X25519"))?;
        return Ok(Arc::new(Recipient { algorithm, curve: Curve::X25519, key }));
    }
    for curve in CURVES {
        if let Ok(key) = PrivateKey::from_private_key_der(of_curve(curve)?, pkcs8) {
            return Ok(Arc::new(Recipient { algorithm, curve, key }));
        }
    }
    Err(invalid_key("not PKCS#8 of P-256, P-384, P-521 or X25519"))
}

struct Recipient {
    algorithm: KeyManagement,
    curve: Curve,
    key: PrivateKey,
}

impl KeyUnwrapper for Recipient {
    fn unwrap(
        &self,
        encrypted: &[u8],
        parameters: &KeyParameters,
        encryption: ContentEncryption,
    ) -> Result<ContentKey> {
        let EphemeralKey { curve, x, y } = parameters.ephemeral.as_ref().ok_or_else(undecryptable)?;
        let sender = PublicKey::Point { curve: *curve, x, y };
        sender.check(KeyKind::Curve(self.curve)).map_err(|_| undecryptable())?;
        let agreed = agree(&self.key, self.curve, &sender, self.algorithm, encryption, parameters)
            .map_err(|_| undecryptable())?;
        if key_wrap::size(self.algorithm).is_none() {
            return Ok(agreed);
        }
        WrappingKey::new(self.algorithm, agreed.expose())?.open(encrypted, encryption)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recipient([redacted])")
    }
}

pub(crate) fn wrapper(algorithm: KeyManagement, key: PublicKey<'_>) -> Result<Arc<dyn KeyWrapper>> {
    let PublicKey::Point { curve, x, y } = key else { return Err(invalid_key("not an elliptic curve")) };
    key.check(KeyKind::Curve(curve))?;
    let with = of_curve(curve).map_err(|_| invalid_key("a curve that does not agree on keys"))?;
    agreement::ParsedPublicKey::try_from(UnparsedPublicKey::new(with, key.to_point()))
        .map_err(|_| invalid_key("not a point of the curve"))?;
    let recipient = EphemeralKey { curve, x: x.to_vec(), y: y.to_vec() };
    Ok(Arc::new(Sender { algorithm, recipient }))
}

/// Who encrypts for a recipient, with a pair of keys of AWS-LC's randomness for every text.
#[derive(Debug)]
struct Sender {
    algorithm: KeyManagement,
    recipient: EphemeralKey,
}

impl KeyWrapper for Sender {
    fn wrap(
        &self,
        fresh: &Fresh,
        encryption: ContentEncryption,
    ) -> Result<(ContentKey, Vec<u8>, KeyParameters)> {
        let EphemeralKey { curve, x, y } = &self.recipient;
        let failed = |_| invalid_key("no ephemeral key can be made");
        let own = PrivateKey::generate(of_curve(*curve)?).map_err(failed)?;
        let point = own.compute_public_key().map_err(failed)?;
        let parameters =
            KeyParameters { ephemeral: ephemeral(*curve, point.as_ref()), ..KeyParameters::default() };
        let recipient = PublicKey::Point { curve: *curve, x, y };
        let agreed = agree(&own, *curve, &recipient, self.algorithm, encryption, &parameters)?;
        if key_wrap::size(self.algorithm).is_none() {
            return Ok((agreed, Vec::new(), parameters));
        }
        let key = fresh.key(encryption);
        let encrypted = WrappingKey::new(self.algorithm, agreed.expose())?.seal(&key)?;
        Ok((key, encrypted, parameters))
    }
}

fn ephemeral(curve: Curve, point: &[u8]) -> Option<EphemeralKey> {
    match PublicKey::of_point(curve, point)? {
        PublicKey::Point { curve, x, y } => Some(EphemeralKey { curve, x: x.to_vec(), y: y.to_vec() }),
        _ => None,
    }
}

/// The key that both sides come to (RFC 7518 §4.6.2): of the content, or to encrypt that one with.
fn agree(
    own: &PrivateKey,
    curve: Curve,
    other: &PublicKey<'_>,
    algorithm: KeyManagement,
    encryption: ContentEncryption,
    parameters: &KeyParameters,
) -> Result<ContentKey> {
    let (name, size) = match key_wrap::size(algorithm) {
        Some(size) => (algorithm.name(), size),
        None => (encryption.name(), encryption.key_size()),
    };
    let mut info = Vec::new();
    let (producer, recipient) = (parameters.producer.as_deref(), parameters.recipient.as_deref());
    for part in [name.as_bytes(), producer.unwrap_or_default(), recipient.unwrap_or_default()] {
        info.extend_from_slice(&(part.len() as u32).to_be_bytes());
        info.extend_from_slice(part);
    }
    info.extend_from_slice(&(size as u32 * 8).to_be_bytes());
    let failed = || invalid_key("the keys do not agree");
    let hash = get_sskdf_digest_algorithm(SskdfDigestAlgorithmId::Sha256).ok_or_else(failed)?;
    let other = UnparsedPublicKey::new(of_curve(curve)?, other.to_point());
    agreement::agree(own, &other, failed(), |secret| {
        let mut key = vec![0; size];
        sskdf_digest(hash, secret, &info, &mut key).map_err(|_| failed())?;
        Ok(ContentKey::new(key))
    })
}
