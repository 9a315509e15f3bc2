//! Authorization details: what a token is to be good for, in more words than a scope has (RFC 9396).

use std::{fmt, sync::Arc};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::{
    error::{Error, ErrorKind, Reason, Result},
    jose::check_shape,
    oauth2::{
        endpoint::{introspection::ActiveToken, registration::RegistrationMetadata},
        server::ServerMetadata,
        token::TokenResponse,
    },
};

/// The most that are taken at once.
const MAX_DETAILS: usize = 64;
/// The longest text of them, in bytes: they go into a URL, unless they are pushed.
const MAX_BYTES: usize = 32 << 10;

/// The parameter, and the member of answers.
pub(crate) const NAME: &str = "authorization_details";

/// One thing that a token is to be good for (RFC 9396 §2): an object of a type, which says what other members mean.
///
/// ```
/// use valetkey_proto::oauth2::AuthorizationDetail;
///
/// let payment = AuthorizationDetail::new("payment_initiation")?
///     .with_location("https://bank.example/payments")
///     .with_action("initiate")
///     .with_json("instructedAmount", r#"{"currency":"EUR","amount":"123.50"}"#)?;
/// assert_eq!(payment.kind(), "payment_initiation");
/// assert_eq!(payment.actions().collect::<Vec<_>>(), ["initiate"]);
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct AuthorizationDetail(Map<String, Value>);

/// The members that are lists of texts (RFC 9396 §2.2).
macro_rules! lists {
    ($($(#[$doc:meta])* $setter:ident, $(#[$reader_doc:meta])* $reader:ident;)*) => {
        impl AuthorizationDetail {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $setter(mut self, one: &str) -> Self {
                    self.push(stringify!($reader), one);
                    self
                }

                $(#[$reader_doc])*
                pub fn $reader(&self) -> impl Iterator<Item = &str> {
                    self.list(stringify!($reader))
                }
            )*
        }
    };
}

lists! {
    /// Adds a place where it is to be good, such as the address of an API.
    with_location,
    /// The places where it is good.
    locations;
    /// Adds what is to be done there.
    with_action,
    /// What may be done.
    actions;
    /// Adds a kind of data that it is about.
    with_datatype,
    /// The kinds of data that it is about.
    datatypes;
    /// Adds a kind or level of privilege.
    with_privilege,
    /// The kinds or levels of privilege.
    privileges;
}

impl AuthorizationDetail {
    /// One of this type.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidValue`] for an empty type.
    pub fn new(kind: &str) -> Result<Self> {
        Self::of(json!({ "type": kind })).ok_or_else(invalid)
    }

    /// An object of a type.
    fn of(value: Value) -> Option<Self> {
        let Value::Object(members) = value else { return None };
        let has_type = members.get("type")?.as_str().is_some_and(|kind| !kind.is_empty());
        has_type.then_some(Self(members))
    }

    fn push(&mut self, name: &str, one: &str) {
        let list = self.0.entry(name).or_insert_with(|| json!([]));
        if let Value::Array(list) = list {
            list.push(one.into());
        } else {
            *list = json!([one]);
        }
    }

    fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    /// Names what it is about, in the words of the API.
    #[must_use]
    pub fn with_identifier(mut self, identifier: &str) -> Self {
        self.0.insert("identifier".to_owned(), identifier.into());
        self
    }

    /// Adds another member, by its value in JSON, in place of one of the same name.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidValue`] if it is not JSON, or for `type`.
    pub fn with_json(mut self, name: &str, json: &str) -> Result<Self> {
        if name == "type" {
            return Err(invalid());
        }
        check_shape(json).map_err(|error| error.restated_by(ErrorKind::Config))?;
        self.0.insert(name.to_owned(), serde_json::from_str(json).map_err(|_| invalid())?);
        Ok(self)
    }

    /// The type (`type`).
    #[must_use]
    pub fn kind(&self) -> &str {
        self.0.get("type").and_then(Value::as_str).unwrap_or_default()
    }

    /// What it is about, in the words of the API.
    #[must_use]
    pub fn identifier(&self) -> Option<&str> {
        self.0.get("identifier").and_then(Value::as_str)
    }

    /// A member of any name and type; `None` if it is absent, `null` or of another type.
    #[must_use]
    pub fn member<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let value = self.0.get(name).filter(|value| !value.is_null())?;
        serde_json::from_value(value.clone()).ok()
    }
}

/// It shows the type and the names, and no values, which may be a user's.
impl fmt::Debug for AuthorizationDetail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.keys().collect();
        f.debug_struct("AuthorizationDetail").field("type", &self.kind()).field("members", &names).finish()
    }
}

/// What a token is to be good for, or is (`authorization_details`, RFC 9396): at most 64 objects and 32 KiB.
///
/// ```
/// use valetkey_proto::oauth2::{AuthorizationDetail, AuthorizationDetails};
///
/// let accounts = AuthorizationDetail::new("account_information")?.with_action("list_accounts");
/// let details = AuthorizationDetails::new().with(accounts)?;
/// assert_eq!(details.to_json(), r#"[{"actions":["list_accounts"],"type":"account_information"}]"#);
/// assert_eq!(details, AuthorizationDetails::parse(&details.to_json())?);
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
///
/// Two are equal if they have the same objects, in whatever order. What is more or less than something else, only who made
/// the type can say (RFC 9396 §6.1).
#[doc(alias = "RFC 9396")]
#[derive(Clone, Default)]
pub struct AuthorizationDetails(Arc<Vec<AuthorizationDetail>>);

impl AuthorizationDetails {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an object.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::TooLarge`] beyond 64 objects or 32 KiB.
    pub fn with(mut self, detail: AuthorizationDetail) -> Result<Self> {
        Arc::make_mut(&mut self.0).push(detail);
        self.checked().map_err(|error| error.restated_by(ErrorKind::Config))
    }

    /// Takes a list of objects in JSON.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::Malformed`] if it is no list of objects that each have a `type`, [`Reason::TooLarge`].
    pub fn parse(json: &str) -> Result<Self> {
        let read = || {
            check_shape(json)?;
            Self::of(serde_json::from_str(json).map_err(|_| malformed())?)
        };
        read().map_err(|error| error.restated_by(ErrorKind::Config))
    }

    /// What a server says.
    pub(crate) fn of(value: Value) -> Result<Self> {
        let Value::Array(values) = value else { return Err(malformed()) };
        let details: Option<Vec<_>> = values.into_iter().map(AuthorizationDetail::of).collect();
        Self(Arc::new(details.ok_or_else(malformed)?)).checked()
    }

    fn checked(self) -> Result<Self> {
        if self.0.len() > MAX_DETAILS || self.to_json().len() > MAX_BYTES {
            return Err(Error::new(ErrorKind::Protocol, Reason::TooLarge).with_detail(NAME));
        }
        Ok(self)
    }

    /// The objects, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &AuthorizationDetail> {
        self.0.iter()
    }

    /// The objects of this type.
    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a AuthorizationDetail> {
        self.iter().filter(move |detail| detail.kind() == kind)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The list in JSON, members by name.
    #[must_use]
    pub fn to_json(&self) -> String {
        self.to_value().to_string()
    }

    pub(crate) fn to_value(&self) -> Value {
        self.iter().map(|detail| Value::Object(detail.0.clone())).collect()
    }
}

impl PartialEq for AuthorizationDetails {
    fn eq(&self, other: &Self) -> bool {
        // Each against one of its own: two payments of one amount are more than one. There are 64 at most.
        let mut rest: Vec<_> = other.iter().collect();
        self.len() == other.len()
            && self.iter().all(|detail| match rest.iter().position(|known| *known == detail) {
                Some(at) => {
                    rest.swap_remove(at);
                    true
                }
                None => false,
            })
    }
}

impl Eq for AuthorizationDetails {}

impl fmt::Debug for AuthorizationDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// What a server grants, as it says it in JSON; `None` if it says nothing.
fn granted(said: Option<Value>) -> Result<Option<AuthorizationDetails>> {
    said.map(AuthorizationDetails::of).transpose()
}

impl TokenResponse {
    /// What the token is good for (RFC 9396 §7), if the server said: it may be less than was asked for, or have more said of
    /// it. It is read anew at every call.
    ///
    /// # Errors
    ///
    /// `Protocol`: [`Reason::Malformed`], [`Reason::TooLarge`].
    pub fn authorization_details(&self) -> Result<Option<AuthorizationDetails>> {
        granted(self.extra(NAME))
    }
}

impl ActiveToken {
    /// What the token is good for (RFC 9396 §9.2), if the server says.
    ///
    /// # Errors
    ///
    /// `Protocol`: [`Reason::Malformed`], [`Reason::TooLarge`].
    pub fn authorization_details(&self) -> Result<Option<AuthorizationDetails>> {
        granted(self.extra(NAME))
    }
}

impl ServerMetadata {
    /// The types of authorization details that the server knows (`authorization_details_types_supported`, RFC 9396 §10);
    /// `None` if it does not say.
    #[must_use]
    pub fn authorization_details_types(&self) -> Option<Vec<String>> {
        self.extra("authorization_details_types_supported")
    }
}

impl RegistrationMetadata {
    /// The types of authorization details that it asks for.
    #[must_use]
    pub fn authorization_details_types(&self) -> Vec<&str> {
        self.texts("authorization_details_types")
    }
}

fn malformed() -> Error {
    Error::new(ErrorKind::Protocol, Reason::Malformed).with_detail(NAME)
}

fn invalid() -> Error {
    Error::new(ErrorKind::Config, Reason::InvalidValue).with_detail(NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rar_only_a_list_of_objects_with_types_is_taken() {
        for bad in [
            "",
            "{}",
            r#"{"type":"a"}"#,
            "null",
            "[1]",
            "[[]]",
            r#"["a"]"#,
            "[{}]",
            r#"[{"type":""}]"#,
            r#"[{"type":1}]"#,
            r#"[{"type":"a"},{"kind":"b"}]"#,
            r#"[{"type":"a"}] x"#,
        ] {
            let error = AuthorizationDetails::parse(bad).expect_err(bad);
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::Malformed), "{bad}");
        }
        assert!(AuthorizationDetails::parse("[]").is_ok_and(|details| details.is_empty()));
    }

    #[test]
    fn rar_what_is_taken_is_bounded() {
        let many = |count: usize| format!("[{}]", vec![r#"{"type":"a"}"#; count].join(","));
        assert_eq!(AuthorizationDetails::parse(&many(MAX_DETAILS)).unwrap().len(), MAX_DETAILS);
        let long = format!(r#"[{{"type":"a","x":"{}"}}]"#, "x".repeat(MAX_BYTES));
        let deep = format!(r#"[{{"type":"a","x":{}{}}}]"#, "[".repeat(500), "]".repeat(500));
        for large in [many(MAX_DETAILS + 1), long, deep] {
            assert_eq!(AuthorizationDetails::parse(&large).unwrap_err().reason(), Reason::TooLarge);
        }
        let detail = AuthorizationDetail::new("a").unwrap();
        let all = (0..MAX_DETAILS).try_fold(AuthorizationDetails::new(), |all, _| all.with(detail.clone()));
        assert_eq!(all.unwrap().with(detail).unwrap_err().reason(), Reason::TooLarge);
    }

    #[test]
    fn details_are_equal_in_any_order_and_each_counts() {
        let details = |text: &str| AuthorizationDetails::parse(text).unwrap();
        let (a, b) = (r#"{"type":"a","x":1}"#, r#"{"x":2,"type":"a"}"#);
        assert_eq!(details(&format!("[{a},{b}]")), details(&format!("[{b},{a}]")));
        assert_ne!(details(&format!("[{a},{a}]")), details(&format!("[{a},{b}]")));
        assert_ne!(details(&format!("[{a}]")), details(&format!("[{a},{a}]")));
    }

    #[test]
    fn members_are_written_and_read_and_values_are_not_shown() {
        let detail = AuthorizationDetail::new("files").unwrap();
        let detail =
            detail.with_location("https://a.example").with_datatype("photos").with_privilege("admin");
        let detail = detail.with_identifier("canary").with_json("size", "3").unwrap();
        assert_eq!(detail.locations().collect::<Vec<_>>(), ["https://a.example"]);
        assert_eq!((detail.datatypes().count(), detail.privileges().count()), (1, 1));
        assert_eq!((detail.identifier(), detail.member::<u8>("size")), (Some("canary"), Some(3)));
        assert_eq!(detail.member::<String>("size"), None);
        assert!(!format!("{detail:?}").contains("canary"));
        for (name, json) in [("type", "\"b\""), ("x", "{"), ("x", "")] {
            assert_eq!(detail.clone().with_json(name, json).unwrap_err().reason(), Reason::InvalidValue);
        }
    }
}
