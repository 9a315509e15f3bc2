//! What some providers want their service accounts to say.

use std::{fmt, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::value::RawValue;

use super::Assertion;
use crate::{
    crypto::{CryptoProvider, HashAlgorithm, PrivateKey, SignatureAlgorithm, SigningKey},
    endpoint::Endpoint,
    error::{Error, ErrorKind, Reason, Result},
    jose::Jwk,
    oauth2::{
        client::ClientId,
        server::{Issuer, ServerMetadata},
    },
    response::{
        members::{members, read},
        value::Text,
    },
    secret::Wiped,
};

/// A program's account at a provider, which has no password but a key: who it is, where it gets its tokens, and how
/// what it signs is written.
///
/// At Google and Salesforce, what it signs is exchanged for tokens; GitHub and Snowflake take it as the token.
///
/// ```
/// use valetkey_proto::{crypto::{RemoteKey, SignatureAlgorithm, SigningKey}, oauth2::assertion::ServiceAccount};
///
/// let key = SigningKey::Remote(RemoteKey::new("keys/robot", SignatureAlgorithm::Rs256));
/// let account = ServiceAccount::salesforce("consumer-key", "alice@example.com", "https://login.salesforce.com", key)?;
/// assert_eq!(account.server().token_endpoint()?.as_str(), "https://login.salesforce.com/services/oauth2/token");
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone)]
pub struct ServiceAccount {
    server: ServerMetadata,
    id: ClientId,
    api: Option<Box<str>>,
    assertion: Assertion,
    is_token: bool,
}

members! {
    /// A key file of Google's.
    struct KeyFile {
        kind = "type": Text<'de>,
        client_email: Text<'de>,
        private_key: &'de RawValue,
        private_key_id: Text<'de>,
        token_uri: Text<'de>,
    }
}

/// A minute and less than its hour, which is what Snowflake takes at most.
const SNOWFLAKE_LIFETIME: Duration = Duration::from_secs(59 * 60);
/// What GitHub takes at most, counted from a minute ago, as it recommends.
const GITHUB_LIFETIME: Duration = Duration::from_secs(600);
const GITHUB_BACKDATING: Duration = Duration::from_secs(60);
/// Salesforce refuses an assertion that is good for more than five minutes.
const SALESFORCE_LIFETIME: Duration = Duration::from_secs(180);
/// Google takes an hour, and needs it no longer than any other server.
const GOOGLE_LIFETIME: Duration = Duration::from_secs(300);

impl ServiceAccount {
    /// An account at Google, by its key file in JSON, for this scope.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidKey`] if the file is not a service account's or its key cannot be read;
    /// [`Reason::InvalidUrl`] or [`Reason::InsecureUrl`] for a `token_uri` that is not `https`.
    ///
    /// # Security
    ///
    /// The file says where its assertions go: take none from others.
    pub fn google(file: &str, scope: &str, crypto: &CryptoProvider) -> Result<Self> {
        let blame = |error: Error| {
            error.restated_by(ErrorKind::Config).with_reason(Reason::InvalidKey).with_detail("key file")
        };
        let read: KeyFile<'_> = read(file).map_err(blame)?;
        let missing = |name: &'static str| {
            move || {
                Error::new(ErrorKind::Config, Reason::InvalidKey)
                    .with_detail(["key file of a service account: ", name].concat())
            }
        };
        read.kind.filter(|kind| **kind == *"service_account").ok_or_else(missing("type"))?;
        let email = read.client_email.ok_or_else(missing("client_email"))?;
        let token_uri = read.token_uri.ok_or_else(missing("token_uri"))?;
        let key = read.private_key.and_then(|raw| unescaped(raw.get())).ok_or_else(missing("private_key"))?;
        let key = PrivateKey::parse(key.as_bytes())?.signing_key(SignatureAlgorithm::Rs256, crypto)?;
        let mut assertion = Assertion::new(key, &email)?
            .with_audience(&token_uri)?
            .with_text("scope", scope)?
            .with_lifetime(GOOGLE_LIFETIME);
        if let Some(kid) = read.private_key_id {
            assertion = assertion.with_kid(&kid);
        }
        let server =
            ServerMetadata::new(Issuer::parse(&origin(&token_uri)?)?).with_token_endpoint(&token_uri)?;
        Ok(Self { server, id: ClientId::parse(&email)?, api: None, assertion, is_token: false })
    }

    /// A GitHub App, by its client id or app id, at `api.github.com`. The key signs by RS256.
    ///
    /// What it signs is good for nine minutes, and lists installations and gets their tokens.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidValue`] for the id, [`Reason::UnsupportedAlgorithm`] for the key.
    pub fn github_app(id: &str, key: SigningKey) -> Result<Self> {
        let assertion = Assertion::new(rs256(key)?, id)?
            .with_lifetime(GITHUB_LIFETIME)
            .with_backdating(GITHUB_BACKDATING);
        Ok(Self {
            server: ServerMetadata::new(Issuer::parse("https://github.com")?),
            id: ClientId::parse(id)?,
            api: Some("https://api.github.com/".into()),
            assertion,
            is_token: true,
        })
    }

    /// A connected app at Salesforce, by its consumer key, that acts for a user. The login URL is
    /// `https://login.salesforce.com`, `https://test.salesforce.com`, or a site's own. The key signs by RS256.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidUrl`], [`Reason::InsecureUrl`]; as [`github_app`](Self::github_app).
    pub fn salesforce(consumer_key: &str, user: &str, login_url: &str, key: SigningKey) -> Result<Self> {
        let login_url = login_url.strip_suffix('/').unwrap_or(login_url);
        let assertion = Assertion::new(rs256(key)?, consumer_key)?
            .with_subject(user)?
            .with_audience(login_url)?
            .with_lifetime(SALESFORCE_LIFETIME);
        let server = ServerMetadata::new(Issuer::parse(login_url)?)
            .with_token_endpoint(&[login_url, "/services/oauth2/token"].concat())?;
        Ok(Self { server, id: ClientId::parse(consumer_key)?, api: None, assertion, is_token: false })
    }

    /// A user at Snowflake. The account is its identifier (`myorg-account1`), or its locator with its region
    /// (`xy12345.us-east-1`). The key signs by RS256; one that is elsewhere must come with its public key.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidKey`] if the public key is not known, [`Reason::InvalidUrl`] for the account; as
    /// [`github_app`](Self::github_app).
    pub fn snowflake(account: &str, user: &str, key: SigningKey, crypto: &CryptoProvider) -> Result<Self> {
        let key = rs256(key)?;
        let unknown = || Error::new(ErrorKind::Config, Reason::InvalidKey).with_detail("no public key");
        let spki = Jwk::parse(key.public_jwk().ok_or_else(unknown)?)?.rsa_spki().ok_or_else(unknown)?;
        let fingerprint = STANDARD.encode(crypto.hash.digest(HashAlgorithm::Sha256, &spki));
        // A locator goes without its region, and the account of an organization has none.
        let end = if account.contains(".global") { '-' } else { '.' };
        let name = account.split(end).next().unwrap_or_default();
        let subject = [name, ".", user].concat().to_uppercase();
        // No host has an underscore.
        let url = format!("https://{}.snowflakecomputing.com", account.to_lowercase().replace('_', "-"));
        let assertion = Assertion::new(key, &[&subject, ".SHA256:", &fingerprint].concat())?
            .with_subject(&subject)?
            .with_lifetime(SNOWFLAKE_LIFETIME);
        Ok(Self {
            server: ServerMetadata::new(Issuer::parse(&url)?),
            id: ClientId::parse(&subject)?,
            api: Some(url.into()),
            assertion,
            is_token: true,
        })
    }

    /// Acts for this user (`sub`), as an administrator has allowed it: domain-wide delegation at Google.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::ReservedParameter`] if the account says already whom it acts for.
    pub fn with_subject(mut self, user: &str) -> Result<Self> {
        self.assertion = self.assertion.with_subject(user)?;
        Ok(self)
    }

    /// The API is here: at a GitHub Enterprise Server.
    ///
    /// # Errors
    ///
    /// `Config`: as [`Endpoint::parse`].
    pub fn with_api(mut self, url: &str) -> Result<Self> {
        self.api = Some(Endpoint::parse(url)?.as_str().into());
        Ok(self)
    }

    /// Where it gets its tokens; without a token endpoint if it makes them itself.
    #[must_use]
    pub fn server(&self) -> &ServerMetadata {
        &self.server
    }

    /// Who it is.
    #[must_use]
    pub fn id(&self) -> &ClientId {
        &self.id
    }

    /// Where its tokens are good, if that is one place.
    #[must_use]
    pub fn api(&self) -> Option<&str> {
        self.api.as_deref()
    }

    /// How what it signs is written.
    #[must_use]
    pub fn assertion(&self) -> &Assertion {
        &self.assertion
    }

    /// Whether what it signs is the token, and no server is asked.
    #[must_use]
    pub fn is_token(&self) -> bool {
        self.is_token
    }
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccount")
            .field("server", &self.server)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

fn rs256(key: SigningKey) -> Result<SigningKey> {
    if key.algorithm() == SignatureAlgorithm::Rs256 {
        return Ok(key);
    }
    Err(Error::new(ErrorKind::Config, Reason::UnsupportedAlgorithm)
        .with_detail("this account signs by RS256"))
}

/// Scheme, host and port of a URL, as they are written.
fn origin(url: &str) -> Result<String> {
    let endpoint = Endpoint::parse(url)?;
    let uri = endpoint.uri();
    let (scheme, authority) = (uri.scheme_str().unwrap_or_default(), uri.authority());
    Ok([scheme, "://", authority.map_or("", |authority| authority.as_str())].concat())
}

/// A text of JSON without its escapes, in a buffer that is wiped; `None` if it has others than a key in PEM has.
fn unescaped(json: &str) -> Option<Wiped<String>> {
    let mut text = Wiped::new(String::with_capacity(json.len()));
    let mut rest = json.strip_prefix('"')?.strip_suffix('"')?;
    while let Some((plain, escape)) = rest.split_once('\\') {
        text.push_str(plain);
        let (escaped, length) = match escape.chars().next()? {
            'n' => ('\n', 1),
            'r' => ('\r', 1),
            't' => ('\t', 1),
            '/' => ('/', 1),
            'u' => {
                let digits =
                    escape.get(1..5).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
                (char::from_u32(u32::from_str_radix(digits, 16).ok()?)?, 5)
            }
            _ => return None,
        };
        text.push(escaped);
        rest = escape.get(length..)?;
    }
    text.push_str(rest);
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_a_key_in_json_are_undone() {
        let undone = |json: &str| unescaped(json).map(|text| text.to_string());
        assert_eq!(undone(r#""-\nA\/\u003d\r\n""#).as_deref(), Some("-\nA/=\r\n"));
        for broken in [r#""\q""#, r#""\u00""#, r#""\ud800""#, r#""\u+041""#, "1", "\"", ""] {
            assert_eq!(undone(broken), None, "{broken}");
        }
    }
}
