//! Claims about a user (OpenID Connect Core §5.1).

use std::{collections::BTreeMap, fmt};

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::time::Timestamp;

/// Claims about a user (OpenID Connect Core §5.1): those of an ID token, or of a UserInfo response.
///
/// ```
/// use valetkey_proto::oidc::Claims;
///
/// let claims = Claims::of_json(r#"{"sub":"248289761001","email":"jane@example.com","email_verified":"true","groups":["a"]}"#);
/// assert_eq!(claims.email().as_deref(), Some("jane@example.com"));
/// assert!(!claims.is_email_verified(), "a text is not `true`");
/// assert_eq!(claims.get::<Vec<String>>("groups"), Some(vec!["a".to_owned()]));
/// ```
///
/// # Security
///
/// Users are told apart by issuer and subject, and by nothing else (OpenID Connect Core §5.7): an e-mail address can be
/// given to somebody else, and anybody can write one into an account at some servers.
#[derive(Clone, PartialEq, Eq)]
pub struct Claims(Box<str>);

/// The claims that are texts.
macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(&self) -> Option<String> {
            self.get(stringify!($name))
        }
    )*};
}

impl Claims {
    /// Claims out of a JSON object. What is no object has none.
    #[must_use]
    pub fn of_json(json: &str) -> Self {
        Self(json.into())
    }

    /// A claim of any name and type, read anew at every call; `None` if it is absent, `null` or of another type.
    #[must_use]
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let claims: BTreeMap<String, &RawValue> = serde_json::from_str(&self.0).ok()?;
        serde_json::from_str(claims.get(name)?.get()).ok()
    }

    /// A claim in the language of this tag (RFC 5646), as in `name#ja-Kana-JP` (OpenID Connect Core §5.2).
    #[must_use]
    pub fn in_language<T: DeserializeOwned>(&self, name: &str, language: &str) -> Option<T> {
        self.get(&format!("{name}#{language}"))
    }

    /// All claims, in JSON.
    #[must_use]
    pub fn as_json(&self) -> &str {
        &self.0
    }

    texts! {
        /// Whom it is about (`sub`), in the words of its issuer.
        sub;
        /// The full name, for display.
        name;
        /// The given name or names.
        given_name;
        /// The family name or names.
        family_name;
        /// The middle name or names.
        middle_name;
        /// The casual name.
        nickname;
        /// What the user wishes to be called by; it may change, and others may have the same.
        preferred_username;
        /// The URL of the profile page.
        profile;
        /// The URL of the picture.
        picture;
        /// The URL of the user's page or blog.
        website;
        /// The e-mail address; see [`is_email_verified`](Self::is_email_verified).
        email;
        /// The gender.
        gender;
        /// The birthday, as `YYYY-MM-DD`, `0000-MM-DD` or `YYYY`.
        birthdate;
        /// The time zone, as in `Europe/Paris`.
        zoneinfo;
        /// The locale, as in `en-US`.
        locale;
        /// The telephone number.
        phone_number;
    }

    /// Whether the issuer says that the address was the user's when it last looked. Only `true` says so: some servers
    /// send texts, of which anything could be read.
    #[must_use]
    pub fn is_email_verified(&self) -> bool {
        self.get("email_verified") == Some(true)
    }

    /// Whether the issuer says that the number was the user's when it last looked.
    #[must_use]
    pub fn is_phone_number_verified(&self) -> bool {
        self.get("phone_number_verified") == Some(true)
    }

    /// The postal address, as claims of their own: `formatted`, which is the whole with line breaks, `street_address`,
    /// `locality`, `region`, `postal_code`, `country` (OpenID Connect Core §5.1.1).
    #[must_use]
    pub fn address(&self) -> Option<Self> {
        let address: Box<RawValue> = self.get("address")?;
        address.get().starts_with('{').then(|| Self::of_json(address.get()))
    }

    /// When these claims were last changed.
    #[must_use]
    pub fn updated_at(&self) -> Option<Timestamp> {
        self.get::<i64>("updated_at").map(Timestamp::from_secs)
    }
}

/// It shows nothing about the user (OpenID Connect Core §17).
impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claims([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_oi_14_only_true_is_true() {
        for (value, is_verified) in [
            ("true", true),
            ("false", false),
            ("\"true\"", false),
            ("\"false\"", false),
            ("1", false),
            ("null", false),
            ("[true]", false),
        ] {
            let json = format!(r#"{{"email_verified":{value},"phone_number_verified":{value}}}"#);
            let claims = Claims::of_json(&json);
            assert_eq!(claims.is_email_verified(), is_verified, "{value}");
            assert_eq!(claims.is_phone_number_verified(), is_verified, "{value}");
        }
    }

    #[test]
    fn s_oi_19_claims_of_other_types_are_absent_and_nothing_is_shown() {
        let claims = Claims::of_json(
            r#"{"name":"canary","name#ja-Kana-JP":"カナリア","updated_at":1700000000,
                "address":{"country":"canary","planet":"Earth"},"email":["canary"]}"#,
        );
        assert_eq!(claims.name().as_deref(), Some("canary"));
        assert_eq!(claims.in_language::<String>("name", "ja-Kana-JP").as_deref(), Some("カナリア"));
        assert_eq!(claims.updated_at(), Some(Timestamp::from_secs(1_700_000_000)));
        assert_eq!(claims.address().unwrap().get::<String>("country").as_deref(), Some("canary"));
        assert_eq!((claims.email(), claims.get::<bool>("name"), claims.locale()), (None, None, None));
        assert!(!format!("{claims:?} {:?}", claims.address()).contains("canary"));
        assert_eq!(Claims::of_json("[1]").name(), None);
    }
}
