//! Encryption (RFC 7516), in the compact serialization.

use std::{fmt, sync::Arc};

use super::{Jwk, decode, encode, header::Header, invalid_key, jwt::ClaimSet, malformed, parts, untrusted};
use crate::{
    crypto::{
        ContentEncryption, ContentKey, CryptoProvider, DecryptionKey, EncryptionKey, Fresh, HashAlgorithm,
        KeyManagement, KeyParameters, KeyUnwrapper, KeyWrapper, PrivateKey, undecryptable,
    },
    error::{Reason, Result},
    flow::Env,
    secret::{ClientSecret, Wiped},
};

/// Decrypts what is encrypted by one algorithm and one encryption, those that were agreed on.
///
/// What comes out was written by anybody who knows the key, which with a public key is everybody: it is to be
/// verified (RFC 8725 §3.3).
///
/// ```
/// use valetkey_proto::{
///     Env, Timestamp,
///     crypto::{ContentEncryption, CryptoProvider, KeyManagement, SystemRandom},
///     jose::jwe::{Decrypter, Encrypter},
/// };
///
/// let env = Env { now: Timestamp::from_secs(0), random: &SystemRandom::new(), crypto: &CryptoProvider::ring() };
/// let (algorithm, encryption) = (KeyManagement::A256GcmKw, ContentEncryption::A256Gcm);
/// let text = Encrypter::secret(&[7; 32], algorithm, encryption, env.crypto)?.encrypt("a.nested.jws", &env)?;
/// let decrypter = Decrypter::secret(&[7; 32], algorithm, encryption, env.crypto)?;
/// assert_eq!(decrypter.decrypt(&text, env.crypto)?, "a.nested.jws");
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone)]
pub struct Decrypter {
    algorithm: KeyManagement,
    encryption: ContentEncryption,
    key: Arc<dyn KeyUnwrapper>,
}

impl Decrypter {
    /// With a private key.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::UnsupportedAlgorithm`] if the provider has no such algorithm, with the name of one that
    /// does; [`Reason::InvalidKey`] if the key is for something else.
    pub fn private(
        key: &PrivateKey,
        algorithm: KeyManagement,
        encryption: ContentEncryption,
        crypto: &CryptoProvider,
    ) -> Result<Self> {
        Ok(Self { algorithm, encryption, key: key.unwrapper(algorithm, crypto)? })
    }

    /// With a shared secret.
    ///
    /// # Errors
    ///
    /// As [`private`](Self::private); [`Reason::InvalidKey`] if the secret is of another length.
    pub fn secret(
        secret: &[u8],
        algorithm: KeyManagement,
        encryption: ContentEncryption,
        crypto: &CryptoProvider,
    ) -> Result<Self> {
        check_direct(secret, algorithm, encryption)?;
        let key = crypto.keys.unwrapper(algorithm, DecryptionKey::Secret(secret))?;
        Ok(Self { algorithm, encryption, key })
    }

    /// With a key that client and server both make of the client's secret (OpenID Connect Core §10.2): for `dir`, and for
    /// AES Key Wrap and AES-GCM with a shared secret.
    ///
    /// ```
    /// use valetkey_proto::{
    ///     crypto::{ContentEncryption, CryptoProvider, KeyManagement},
    ///     jose::jwe::Decrypter,
    ///     secret::ClientSecret,
    /// };
    ///
    /// let (secret, crypto) = (ClientSecret::from("7Fjfp0ZBr1KtDRbnfVdmIw"), CryptoProvider::ring());
    /// assert!(Decrypter::client_secret(&secret, KeyManagement::Dir, ContentEncryption::A256Gcm, &crypto).is_ok());
    /// assert!(Decrypter::client_secret(&secret, KeyManagement::RsaOaep, ContentEncryption::A256Gcm, &crypto).is_err());
    /// # Ok::<(), valetkey_proto::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`secret`](Self::secret); [`Reason::InvalidKey`] for an empty secret.
    ///
    /// # Security
    ///
    /// The key has no more entropy than the secret: whoever has an encrypted token can try secrets on it.
    pub fn client_secret(
        secret: &ClientSecret,
        algorithm: KeyManagement,
        encryption: ContentEncryption,
        crypto: &CryptoProvider,
    ) -> Result<Self> {
        Self::secret(&derived(secret, algorithm, encryption, crypto)?, algorithm, encryption, crypto)
    }

    /// Decrypts a text, such as a JWS, which is then to be verified.
    ///
    /// # Errors
    ///
    /// `Untrusted`: [`Reason::AlgorithmMismatch`] if another algorithm or encryption is used than was agreed on;
    /// [`Reason::UnsupportedHeader`] for `crit` and for compressed texts; [`Reason::DecryptionFailed`], which does not
    /// say why. `Protocol`: [`Reason::Malformed`], [`Reason::TooLarge`].
    pub fn decrypt(&self, text: &str, crypto: &CryptoProvider) -> Result<String> {
        let parts @ [protected, ..]: [&str; 5] = parts(text)?;
        let header = Header::parse(protected)?;
        let enc = header.enc().ok_or_else(|| super::missing("enc"))?;
        let is_agreed = KeyManagement::parse(header.alg()) == Some(self.algorithm)
            && ContentEncryption::parse(enc) == Some(self.encryption);
        if !is_agreed {
            return Err(untrusted(Reason::AlgorithmMismatch));
        }
        // RFC 7519 §5.2: a nested token says so; some issuers leave it out.
        if header.cty().is_some_and(|cty| !cty.eq_ignore_ascii_case("JWT")) {
            return Err(untrusted(Reason::KindMismatch).with_detail("cty"));
        }
        let content = self.open(parts, &parameters(&header)?, crypto)?;
        String::from_utf8(content).map_err(|_| undecryptable())
    }

    fn open(
        &self,
        [protected, encrypted_key, iv, content, tag]: [&str; 5],
        parameters: &KeyParameters,
        crypto: &CryptoProvider,
    ) -> Result<Vec<u8>> {
        let encrypted_key = decode(encrypted_key)?;
        let (iv, tag, mut content) = (decode(iv)?, decode(tag)?, decode(content)?);
        // RFC 7516 §5.2: there is an encrypted key unless it is agreed on. RFC 7518 §5: sizes are exact.
        if encrypted_key.is_empty() != self.algorithm.is_direct()
            || iv.len() != self.encryption.iv_size()
            || tag.len() != self.encryption.tag_size()
        {
            return Err(undecryptable());
        }
        let key = self.key.unwrap(&encrypted_key, parameters, self.encryption)?;
        content.extend_from_slice(&tag);
        crypto.aead.open(self.encryption, key.expose(), &iv, protected.as_bytes(), &mut content)?;
        Ok(content)
    }
}

impl fmt::Debug for Decrypter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decrypter")
            .field("algorithm", &self.algorithm)
            .field("encryption", &self.encryption)
            .finish_non_exhaustive()
    }
}

/// What the header says of the encrypted key.
fn parameters(header: &Header) -> Result<KeyParameters> {
    let bytes = |text: Option<&str>| text.map(decode).transpose();
    let ephemeral = |json| Jwk::parse(json)?.into_ephemeral().ok_or_else(|| malformed("epk"));
    Ok(KeyParameters {
        ephemeral: header.epk().map(ephemeral).transpose()?,
        producer: bytes(header.apu())?,
        recipient: bytes(header.apv())?,
        iv: bytes(header.iv())?,
        tag: bytes(header.tag())?,
    })
}

/// A secret that is the key of the content is as long as that one.
fn check_direct(secret: &[u8], algorithm: KeyManagement, encryption: ContentEncryption) -> Result<()> {
    if algorithm == KeyManagement::Dir && secret.len() != encryption.key_size() {
        return Err(invalid_key("a secret of another length than the content's encryption needs"));
    }
    Ok(())
}

/// The key that is made of a client's secret: the first bits of its hash, as many as are needed (OpenID Connect Core
/// §10.2).
fn derived(
    secret: &ClientSecret,
    algorithm: KeyManagement,
    encryption: ContentEncryption,
    crypto: &CryptoProvider,
) -> Result<Wiped<Vec<u8>>> {
    use KeyManagement as K;
    let secret = secret.expose();
    if secret.is_empty() {
        return Err(invalid_key("an empty secret"));
    }
    let size = match algorithm {
        K::Dir => encryption.key_size(),
        K::A128GcmKw | K::A128Kw => 16,
        K::A256GcmKw | K::A256Kw => 32,
        K::RsaOaep | K::RsaOaep256 | K::EcdhEs | K::EcdhEsA128Kw | K::EcdhEsA256Kw => {
            return Err(invalid_key("a client's secret for an algorithm of key pairs"));
        }
    };
    let hash = match size {
        0..=32 => HashAlgorithm::Sha256,
        33..=48 => HashAlgorithm::Sha384,
        _ => HashAlgorithm::Sha512,
    };
    let digest = crypto.hash.digest(hash, secret.as_bytes());
    let key = digest.as_ref().get(..size).ok_or_else(|| invalid_key("a key of more than 512 bits"))?;
    Ok(Wiped::new(key.to_vec()))
}

/// Encrypts for one recipient, by one algorithm and one encryption.
#[derive(Clone)]
pub struct Encrypter {
    algorithm: KeyManagement,
    encryption: ContentEncryption,
    kid: Option<Box<str>>,
    key: Arc<dyn KeyWrapper>,
}

impl Encrypter {
    /// With the recipient's public key.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::UnsupportedAlgorithm`] if the provider has no such algorithm, with the name of one that
    /// does; [`Reason::InvalidKey`] if `alg`, `use` or `key_ops` say that the key is for something else.
    pub fn public(
        key: &Jwk,
        algorithm: KeyManagement,
        encryption: ContentEncryption,
        crypto: &CryptoProvider,
    ) -> Result<Self> {
        let public = key.public_key().filter(|_| key.may_encrypt_by(algorithm.name()));
        let public = public.ok_or_else(|| invalid_key("the JWK is not for this encryption"))?;
        let wrapper = crypto.keys.wrapper(algorithm, EncryptionKey::Public(public))?;
        Ok(Self { algorithm, encryption, kid: key.kid().map(Into::into), key: wrapper })
    }

    /// With a shared secret.
    ///
    /// # Errors
    ///
    /// As [`public`](Self::public); [`Reason::InvalidKey`] if the secret is of another length.
    pub fn secret(
        secret: &[u8],
        algorithm: KeyManagement,
        encryption: ContentEncryption,
        crypto: &CryptoProvider,
    ) -> Result<Self> {
        check_direct(secret, algorithm, encryption)?;
        let key = crypto.keys.wrapper(algorithm, EncryptionKey::Secret(secret))?;
        Ok(Self { algorithm, encryption, kid: None, key })
    }

    /// With a key that client and server both make of the client's secret: as [`Decrypter::client_secret`].
    ///
    /// # Errors
    ///
    /// As [`Decrypter::client_secret`].
    pub fn client_secret(
        secret: &ClientSecret,
        algorithm: KeyManagement,
        encryption: ContentEncryption,
        crypto: &CryptoProvider,
    ) -> Result<Self> {
        Self::secret(&derived(secret, algorithm, encryption, crypto)?, algorithm, encryption, crypto)
    }

    /// Encrypts a signed token.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::RandomFailed`], [`Reason::InvalidKey`], [`Reason::UnsupportedAlgorithm`].
    pub fn encrypt(&self, token: &str, env: &Env<'_>) -> Result<String> {
        self.begin(env)?.finish(token)
    }

    /// Draws all that an encryption needs, for a token that is not signed yet.
    ///
    /// # Errors
    ///
    /// As [`encrypt`](Self::encrypt).
    pub fn begin(&self, env: &Env<'_>) -> Result<Encryption> {
        let mut iv = [0; 16];
        env.random.fill(&mut iv)?;
        let (key, encrypted_key, parameters) = self.key.wrap(&Fresh::draw(env.random)?, self.encryption)?;
        let protected = encode(self.header(&parameters)?.as_json());
        let iv = iv.get(..self.encryption.iv_size()).unwrap_or_default().into();
        Ok(Encryption { encryption: self.encryption, protected, encrypted_key, key, iv, crypto: *env.crypto })
    }

    fn header(&self, parameters: &KeyParameters) -> Result<ClaimSet> {
        let mut header = ClaimSet::new();
        header.text("alg", self.algorithm.name())?.text("enc", self.encryption.name())?.text("cty", "JWT")?;
        if let Some(kid) = &self.kid {
            header.text("kid", kid)?;
        }
        if let Some(epk) = &parameters.ephemeral {
            let point = crate::crypto::PublicKey::Point { curve: epk.curve, x: &epk.x, y: &epk.y };
            header.json("epk", &point.jwk())?;
        }
        let bytes = [
            ("apu", &parameters.producer),
            ("apv", &parameters.recipient),
            ("iv", &parameters.iv),
            ("tag", &parameters.tag),
        ];
        for (name, value) in bytes {
            if let Some(value) = value {
                header.text(name, &encode(value))?;
            }
        }
        Ok(header)
    }
}

impl fmt::Debug for Encrypter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encrypter")
            .field("algorithm", &self.algorithm)
            .field("encryption", &self.encryption)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// One encryption of which all is drawn but the text: used once, because a key and an initialization vector encrypt
/// one text alone.
pub struct Encryption {
    encryption: ContentEncryption,
    protected: String,
    encrypted_key: Vec<u8>,
    key: ContentKey,
    iv: Box<[u8]>,
    crypto: CryptoProvider,
}

impl Encryption {
    /// Encrypts a signed token.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::UnsupportedAlgorithm`].
    pub fn finish(self, token: &str) -> Result<String> {
        let tag_size = self.encryption.tag_size();
        // Room for a block of padding and the tag, so that nothing is left behind by growing.
        let mut content = Wiped::new(Vec::with_capacity(token.len() + 16 + tag_size));
        content.extend_from_slice(token.as_bytes());
        let associated = self.protected.as_bytes();
        self.crypto.aead.seal(self.encryption, self.key.expose(), &self.iv, associated, &mut content)?;
        let (content, tag) = content.split_at(content.len().saturating_sub(tag_size));
        let (encrypted_key, iv) = (encode(&self.encrypted_key), encode(&self.iv));
        Ok([&self.protected, &*encrypted_key, &iv, &encode(content), &encode(tag)].join("."))
    }
}

impl fmt::Debug for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encryption").field("encryption", &self.encryption).finish_non_exhaustive()
    }
}
