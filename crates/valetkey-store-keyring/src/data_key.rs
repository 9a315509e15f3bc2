//! The key of a folder, as the keyring has it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use valetkey::{
    Result,
    crypto::{CryptoProvider, HashAlgorithm, SystemRandom},
    seal::{SealingKey, SealingKeys},
};
use valetkey_proto::random::SecureRandom;
use zeroize::Zeroizing;

/// 256 bits, wiped when dropped.
pub(crate) struct DataKey(Zeroizing<[u8; 32]>);

impl DataKey {
    pub(crate) fn generate() -> Result<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        SystemRandom::new().fill(&mut *bytes)?;
        Ok(Self(bytes))
    }

    /// What it is called where everybody may read it. Whoever knows this knows nothing of the key, but another key is told by it.
    pub(crate) fn id(&self) -> String {
        let content = Zeroizing::new([b"valetkey data key\0", &self.0[..]].concat());
        let digest = CryptoProvider::ring().hash.digest(HashAlgorithm::Sha256, &content);
        digest.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Some keyrings keep texts alone, and Windows' twice as long as they are.
    pub(crate) fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.0.as_slice()))
    }

    /// Reads what [`text`](Self::text) gave.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
        bytes.as_slice().try_into().ok().map(Zeroizing::new).map(Self)
    }

    pub(crate) fn sealing(&self) -> SealingKeys {
        SealingKeys::new(SealingKey::new(*self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_as_it_was_and_nothing_else_is_one() {
        let key = DataKey::generate().unwrap();
        let text = key.text();
        assert_eq!(DataKey::parse(&text).unwrap().id(), key.id());
        assert_ne!(DataKey::generate().unwrap().id(), key.id());
        assert!((key.id().len(), text.len()) == (32, 43) && !text.contains(&key.id()));
        for other in ["", "AA", &text[..42], &format!("{}A", *text), &format!("{}=", *text), "\u{1f511}"] {
            assert!(DataKey::parse(other).is_none(), "{other}");
        }
    }
}
