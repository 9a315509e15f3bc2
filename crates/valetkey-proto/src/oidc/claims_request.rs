//! Claims that are asked for one by one (OpenID Connect Core §5.5).

use std::fmt;

use serde_json::{Map, Value, json};

/// The claims that a sign-in asks for: in the ID token, and from the endpoint that tells about the user.
///
/// ```
/// use valetkey_proto::oidc::{Claim, ClaimsRequest};
///
/// let claims = ClaimsRequest::new()
///     .id_token("auth_time", Claim::essential())
///     .id_token("acr", Claim::voluntary().values(["urn:mace:incommon:iap:silver"]))
///     .user_info("given_name", Claim::essential())
///     .user_info("http://example.info/claims/groups", Claim::voluntary());
/// assert_eq!(
///     claims.to_json(),
///     r#"{"id_token":{"acr":{"values":["urn:mace:incommon:iap:silver"]},"auth_time":{"essential":true}},"userinfo":{"given_name":{"essential":true},"http://example.info/claims/groups":null}}"#
/// );
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct ClaimsRequest {
    id_token: Map<String, Value>,
    user_info: Map<String, Value>,
}

impl ClaimsRequest {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for a claim in the ID token. What was said of the same claim before is forgotten.
    #[must_use]
    pub fn id_token(mut self, name: &str, claim: Claim) -> Self {
        self.id_token.insert(name.to_owned(), claim.into_value());
        self
    }

    /// Asks for a claim about the user. What was said of the same claim before is forgotten.
    #[must_use]
    pub fn user_info(mut self, name: &str, claim: Claim) -> Self {
        self.user_info.insert(name.to_owned(), claim.into_value());
        self
    }

    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.id_token.is_empty() && self.user_info.is_empty()
    }

    /// The values of which `acr` must have one (§5.5.1.1): those that are essential.
    pub(crate) fn required_acr(&self) -> Vec<Box<str>> {
        let Some(acr) = self.id_token.get("acr").filter(|acr| acr["essential"] == true) else {
            return Vec::new();
        };
        let texts = |value: &Value| value.as_str().map(Into::into);
        match (acr.get("value"), acr.get("values").and_then(Value::as_array)) {
            (Some(value), _) => texts(value).into_iter().collect(),
            (None, Some(values)) => values.iter().filter_map(texts).collect(),
            (None, None) => Vec::new(),
        }
    }

    /// The parameter `claims`.
    #[must_use]
    pub fn to_json(&self) -> String {
        let parts = [("id_token", &self.id_token), ("userinfo", &self.user_info)];
        let said = parts.into_iter().filter(|(_, claims)| !claims.is_empty());
        let said: Map<_, _> = said.map(|(name, claims)| (name.to_owned(), claims.clone().into())).collect();
        Value::Object(said).to_string()
    }
}

impl fmt::Debug for ClaimsRequest {
    /// Shows names and no values, which may be the user's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClaimsRequest")
            .field("id_token", &self.id_token.keys().collect::<Vec<_>>())
            .field("user_info", &self.user_info.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// How a claim is asked for.
#[derive(Clone, Default, PartialEq)]
pub struct Claim {
    is_essential: bool,
    value: Option<(&'static str, Value)>,
}

impl Claim {
    /// It would be of use (§5.5.1).
    #[must_use]
    pub fn voluntary() -> Self {
        Self::default()
    }

    /// What the user wants to do may not work without it (§5.5.1). It may be missing all the same.
    #[must_use]
    pub fn essential() -> Self {
        Self { is_essential: true, value: None }
    }

    /// It should have this value, such as a `sub`.
    #[must_use]
    pub fn value(mut self, value: &str) -> Self {
        self.value = Some(("value", value.into()));
        self
    }

    /// It should have one of these values, the best first.
    #[must_use]
    pub fn values<'a>(mut self, values: impl IntoIterator<Item = &'a str>) -> Self {
        self.value = Some(("values", values.into_iter().map(Value::from).collect()));
        self
    }

    fn into_value(self) -> Value {
        let mut members = Map::new();
        if self.is_essential {
            members.insert("essential".to_owned(), json!(true));
        }
        members.extend(self.value.map(|(name, value)| (name.to_owned(), value)));
        if members.is_empty() { Value::Null } else { Value::Object(members) }
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").field("is_essential", &self.is_essential).finish_non_exhaustive()
    }
}
