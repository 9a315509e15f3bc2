//! What the provider is told about OAuth 1.0a before it opens: its clients and its rules.

use std::{fmt, time::Duration};

use super::key::rsa_public_key;

/// How a request is signed (RFC 5849 §3.4), by the names of the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureMethod {
    /// `HMAC-SHA1`.
    HmacSha1,
    /// `HMAC-SHA256`.
    HmacSha256,
    /// `HMAC-SHA512`.
    HmacSha512,
    /// `RSA-SHA1`.
    RsaSha1,
    /// `RSA-SHA256`.
    RsaSha256,
    /// `RSA-SHA512`.
    RsaSha512,
    /// `PLAINTEXT`: the secrets themselves. Over `https` and on loopback alone (RFC 5849 §3.4.4).
    Plaintext,
}

impl SignatureMethod {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::HmacSha1,
        Self::HmacSha256,
        Self::HmacSha512,
        Self::RsaSha1,
        Self::RsaSha256,
        Self::RsaSha512,
        Self::Plaintext,
    ];

    /// What `oauth_signature_method` says.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::HmacSha1 => "HMAC-SHA1",
            Self::HmacSha256 => "HMAC-SHA256",
            Self::HmacSha512 => "HMAC-SHA512",
            Self::RsaSha1 => "RSA-SHA1",
            Self::RsaSha256 => "RSA-SHA256",
            Self::RsaSha512 => "RSA-SHA512",
            Self::Plaintext => "PLAINTEXT",
        }
    }
}

/// A client that the provider knows. Its callback may be on loopback, or `oob`.
///
/// ```
/// use valetkey_testkit::{Provider, oauth1};
///
/// let client = oauth1::RegisteredClient::new("shop", "s3cret").callback("https://shop.test/cb");
/// let provider = Provider::builder().oauth1(oauth1::Rules::default().client(client)).build();
/// # drop(provider);
/// ```
#[derive(Clone)]
pub struct RegisteredClient {
    pub(crate) key: String,
    pub(crate) secret: String,
    pub(crate) callbacks: Vec<String>,
    /// PKCS#1.
    pub(super) rsa_key: Option<Vec<u8>>,
}

impl RegisteredClient {
    /// A client of this key (`oauth_consumer_key`) and shared secret, which may be empty.
    #[must_use]
    pub fn new(key: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { key: key.into(), secret: secret.into(), callbacks: Vec::new(), rsa_key: None }
    }

    /// Adds a callback, to be matched exactly. Any `http` URL on loopback and `oob` are good beside.
    #[must_use]
    pub fn callback(mut self, uri: impl Into<String>) -> Self {
        self.callbacks.push(uri.into());
        self
    }

    /// The public key for the RSA methods: PKCS#1 or SPKI, as DER or PEM, of 1024 bits or more.
    ///
    /// # Panics
    ///
    /// If it is none of these.
    #[must_use]
    pub fn rsa_key(mut self, key: impl AsRef<[u8]>) -> Self {
        let Some(key) = rsa_public_key(key.as_ref()) else { panic!("this is no RSA public key") };
        self.rsa_key = Some(key);
        self
    }

    pub(crate) fn allows_callback(&self, asked: &str) -> bool {
        asked == OUT_OF_BAND || is_loopback(asked) || self.callbacks.iter().any(|known| known == asked)
    }
}

impl fmt::Debug for RegisteredClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisteredClient").field("key", &self.key).finish_non_exhaustive()
    }
}

/// The callback of a client that cannot be called back (RFC 5849 §2.1).
pub(crate) const OUT_OF_BAND: &str = "oob";

/// Whether this is an `http` URL of the machine itself.
pub(super) fn is_loopback(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    ["127.0.0.1", "[::1]", "localhost"].iter().any(|host| {
        let port = authority.strip_prefix(host).map(|port| port.strip_prefix(':').unwrap_or(port));
        port.is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
            && (authority.len() == host.len() || authority[host.len()..].starts_with(':'))
    })
}

/// Whether temporary credentials say that the callback was received (`oauth_callback_confirmed`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Confirmation {
    /// `true` (RFC 5849 §2.1).
    #[default]
    True,
    /// `True`, as some write it.
    Capitalised,
    /// It does not occur, as before revision A.
    LeftOut,
}

/// How a refusal by the user reaches the callback; the standard leaves it open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denial {
    /// `oauth_token=…&oauth_problem=user_refused`, by the Problem Reporting extension.
    #[default]
    Problem,
    /// `denied=…`, with the temporary token as its value.
    Denied,
}

/// How requests are refused; the standard says no more than the status (RFC 5849 §3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Errors {
    /// A sentence.
    Plain,
    /// `oauth_problem=…` in a form and in the challenge, by the Problem Reporting extension.
    #[default]
    Problem,
}

/// The rules of the OAuth 1.0a side; every part has a default.
///
/// ```
/// use valetkey_testkit::{Provider, oauth1};
///
/// let rules = oauth1::Rules::default().media_type("text/html").denial(oauth1::Denial::Denied);
/// let provider = Provider::builder().oauth1(rules).build();
/// # drop(provider);
/// ```
#[derive(Clone)]
#[must_use]
pub struct Rules {
    pub(crate) clients: Vec<RegisteredClient>,
    pub(crate) methods: Vec<SignatureMethod>,
    pub(crate) verifier: bool,
    pub(crate) confirmation: Confirmation,
    pub(crate) denial: Denial,
    pub(crate) errors: Errors,
    pub(crate) media_type: String,
    /// How long a token is good before it must be renewed by its session handle.
    pub(crate) session: Option<Duration>,
    pub(crate) passwords: Vec<(String, String)>,
    pub(crate) two_legged: bool,
}

impl Rules {
    /// Registers a client; one of the same key is replaced.
    pub fn client(mut self, client: RegisteredClient) -> Self {
        self.clients.retain(|known| known.key != client.key);
        self.clients.push(client);
        self
    }

    /// Which signature methods the provider takes; all by default.
    pub fn signature_methods(mut self, methods: impl IntoIterator<Item = SignatureMethod>) -> Self {
        self.methods = methods.into_iter().collect();
        self
    }

    /// Whether the user's approval makes a verifier; it does by default.
    ///
    /// Without, the provider is one of OAuth 1.0 before its revision A of 2009: the callback may come with
    /// the user, as `oauth_callback` of the authorization URL, and nothing ties the user who approved to
    /// the one who returns. Such a provider leaves out [`Confirmation`] too.
    pub fn verifier(mut self, issued: bool) -> Self {
        self.verifier = issued;
        self
    }

    /// What temporary credentials say about the callback; `true` by default.
    pub fn confirmation(mut self, confirmation: Confirmation) -> Self {
        self.confirmation = confirmation;
        self
    }

    /// How a refusal by the user reaches the callback.
    pub fn denial(mut self, denial: Denial) -> Self {
        self.denial = denial;
        self
    }

    /// How requests are refused.
    pub fn errors(mut self, errors: Errors) -> Self {
        self.errors = errors;
        self
    }

    /// The media type of credentials; `application/x-www-form-urlencoded` by default (RFC 5849 §2.1).
    ///
    /// # Panics
    ///
    /// If it has a control character.
    pub fn media_type(mut self, media_type: impl Into<String>) -> Self {
        self.media_type = media_type.into();
        assert!(!self.media_type.contains(char::is_control), "a media type is one line");
        self
    }

    /// Issues tokens that are good for this time only, with a session handle that renews them (the Session
    /// extension); by default tokens are good until they are revoked.
    ///
    /// A renewal is a request for token credentials with the old token and `oauth_session_handle`; the old
    /// token ends with it.
    pub fn sessions(mut self, lifetime: Duration) -> Self {
        self.session = Some(lifetime);
        self
    }

    /// Lets token credentials be had for a user's name and password, as `x_auth_username`,
    /// `x_auth_password` and `x_auth_mode=client_auth` (xAuth); by default there is no such way.
    pub fn xauth(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.passwords.push((user.into(), password.into()));
        self
    }

    /// Whether the API answers a client without a token, who acts for itself; it does not by default.
    pub fn two_legged(mut self, allowed: bool) -> Self {
        self.two_legged = allowed;
        self
    }

    pub(crate) fn find(&self, key: &str) -> Option<&RegisteredClient> {
        self.clients.iter().find(|client| client.key == key)
    }
}

impl Default for Rules {
    fn default() -> Self {
        let client = |key, secret| RegisteredClient::new(key, secret).callback("https://client.test/cb");
        Self {
            clients: vec![
                client("dpf43f3p2l4k3l03", "kd94hf93k423kf44"),
                client("weird key+&=%", "sécret &=+%/~"),
            ],
            methods: SignatureMethod::ALL.to_vec(),
            verifier: true,
            confirmation: Confirmation::default(),
            denial: Denial::default(),
            errors: Errors::default(),
            media_type: String::from("application/x-www-form-urlencoded"),
            session: None,
            passwords: Vec::new(),
            two_legged: false,
        }
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules").field("clients", &self.clients).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callbacks_are_registered_or_on_loopback_or_out_of_band() {
        let client = RegisteredClient::new("k", "").callback("https://client.test/cb");
        for good in
            ["oob", "https://client.test/cb", "http://127.0.0.1:9/x?y", "http://[::1]/", "http://localhost"]
        {
            assert!(client.allows_callback(good), "{good}");
        }
        for bad in [
            "",
            "OOB",
            "https://client.test/cb/",
            "https://127.0.0.1/cb",
            "http://127.0.0.1.evil.test/",
            "http://127.0.0.1:1@evil.test/",
            "http://localhost1/",
        ] {
            assert!(!client.allows_callback(bad), "{bad}");
        }
    }
}
