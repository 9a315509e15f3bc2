//! Texts that leave the program and come back unread and unchanged: AEAD with a ring of keys.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    crypto::ContentEncryption,
    error::{Error, ErrorKind, Reason, Result},
    flow::Env,
    secret::{Secret, Wipe, Wiped},
};

/// What a sealed text begins with: its kind and version.
const PREFIX: &str = "vk1.";
/// The longest text that is opened: no cookie is longer.
const MAX_TEXT: usize = 8 << 10;
/// The longest sealed record of a store that is opened.
const MAX_RECORD: usize = 2 << 20;
/// What sealed records of stores are for.
const RECORD: &str = "store";
const NONCE: usize = 12;
const CIPHER: ContentEncryption = ContentEncryption::A256Gcm;

/// 256 bits that seal and open, wiped when dropped.
///
/// ```
/// use valetkey_proto::{crypto::SystemRandom, seal::{SealingKey, SealingKeys}};
///
/// let keys = SealingKeys::new(SealingKey::generate(&SystemRandom::new())?);
/// # let _ = keys;
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone)]
pub struct SealingKey([u8; 32]);

impl SealingKey {
    /// Takes 256 bits of entropy; a password is none.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Makes a new key.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::RandomFailed`].
    pub fn generate(random: &dyn crate::random::SecureRandom) -> Result<Self> {
        let mut key = Self([0; 32]);
        random.fill(&mut key.0)?;
        Ok(key)
    }
}

impl Drop for SealingKey {
    fn drop(&mut self) {
        self.0.wipe();
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey([redacted])")
    }
}

/// A ring of keys: one seals, all open, so that keys can be changed without losing anybody's sign-in.
#[derive(Clone, Debug)]
pub struct SealingKeys {
    current: SealingKey,
    former: Vec<SealingKey>,
}

impl SealingKeys {
    /// Seals and opens with this key.
    #[must_use]
    pub fn new(key: SealingKey) -> Self {
        Self { current: key, former: Vec::new() }
    }

    /// Also opens what this key sealed.
    #[must_use]
    pub fn with_former(mut self, key: SealingKey) -> Self {
        self.former.push(key);
        self
    }

    /// Seals what a store keeps under this name as the `generation`-th: it opens as nothing else, so that records cannot be
    /// moved, nor older ones put in the place of newer ones.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::RandomFailed`].
    pub fn seal_record(&self, name: &str, generation: u64, text: &str, env: &Env<'_>) -> Result<Secret> {
        self.seal(&Label { purpose: RECORD, server: name, client: &generation.to_string() }, text, env)
    }

    /// Opens what [`seal_record`](Self::seal_record) sealed under the same name, as the same generation.
    ///
    /// # Errors
    ///
    /// `Untrusted`: [`Reason::SealBroken`].
    pub fn open_record(&self, name: &str, generation: u64, text: &str, env: &Env<'_>) -> Result<Secret> {
        let label = Label { purpose: RECORD, server: name, client: &generation.to_string() };
        let opened = self.open_within(MAX_RECORD, &label, text, env)?;
        Ok(Secret::new(opened.as_str()))
    }

    pub(crate) fn seal(&self, label: &Label<'_>, text: &str, env: &Env<'_>) -> Result<Secret> {
        let mut nonce = [0; NONCE];
        env.random.fill(&mut nonce)?;
        // Room for the tag, so that nothing is left behind by growing.
        let mut sealed = Wiped::new(Vec::with_capacity(text.len() + 16));
        sealed.extend_from_slice(text.as_bytes());
        env.crypto.aead.seal(CIPHER, &self.current.0, &nonce, &label.bytes(), &mut sealed)?;
        let mut out = PREFIX.to_owned();
        URL_SAFE_NO_PAD.encode_string([&nonce[..], &sealed].concat(), &mut out);
        Ok(Secret::new(out))
    }

    pub(crate) fn open(&self, label: &Label<'_>, text: &str, env: &Env<'_>) -> Result<Wiped<String>> {
        self.open_within(MAX_TEXT, label, text, env)
    }

    fn open_within(
        &self,
        longest: usize,
        label: &Label<'_>,
        text: &str,
        env: &Env<'_>,
    ) -> Result<Wiped<String>> {
        let broken = || Error::new(ErrorKind::Untrusted, Reason::SealBroken);
        let encoded = text.strip_prefix(PREFIX).filter(|text| text.len() <= longest).ok_or_else(broken)?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| broken())?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>().ok_or_else(broken)?;
        let label = label.bytes();
        for key in std::iter::once(&self.current).chain(&self.former) {
            let mut opened = Wiped::new(sealed.to_vec());
            if env.crypto.aead.open(CIPHER, &key.0, nonce, &label, &mut opened).is_ok() {
                return String::from_utf8(std::mem::take(&mut *opened)).map(Wiped::new).map_err(|_| broken());
            }
        }
        Err(broken())
    }
}

/// What a sealed text is for: it opens for the same purpose, server and client alone.
pub(crate) struct Label<'a> {
    pub(crate) purpose: &'static str,
    pub(crate) server: &'a str,
    pub(crate) client: &'a str,
}

impl Label<'_> {
    /// The associated data. NUL parts the pieces: it cannot occur in any of them.
    fn bytes(&self) -> Vec<u8> {
        [self.purpose, "\0", self.server, "\0", self.client].concat().into_bytes()
    }
}
