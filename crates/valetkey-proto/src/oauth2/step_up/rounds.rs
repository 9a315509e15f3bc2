//! How often a user was asked for more, and for what.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{Method, Uri};
use serde_json::{Value, json, value::RawValue};

use crate::{
    crypto::HashAlgorithm,
    endpoint::normalized,
    flow::Env,
    response::{
        members::{members, read},
        value::Texts,
    },
};

/// The most operations and classes that are remembered: they are kept with tokens, and in cookies.
const MAX: usize = 8;

/// What was to be done at an API, for which its token did not suffice: a method and a URL without its query. It is kept as
/// a hash.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operation(Box<str>);

impl Operation {
    /// The operation of a request.
    #[must_use]
    pub fn of(method: &Method, uri: &Uri, env: &Env<'_>) -> Self {
        let url = normalized(uri).unwrap_or_default();
        let hash =
            env.crypto.hash.digest(HashAlgorithm::Sha256, [method.as_str(), " ", &url].concat().as_bytes());
        Self(URL_SAFE_NO_PAD.encode(hash.as_ref().get(..12).unwrap_or_default()).into())
    }

    /// Any operation, where it is not known which: all of them together are then one.
    #[must_use]
    pub fn any() -> Self {
        Self("".into())
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Operation").field(&self.0).finish()
    }
}

/// The step-ups that led to tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::oauth2) struct StepUps {
    /// How the user was asked to be authenticated: whoever comes back for another reason is to be no less.
    acr_values: Vec<Box<str>>,
    rounds: BTreeMap<Operation, u8>,
}

impl StepUps {
    pub(in crate::oauth2) fn is_empty(&self) -> bool {
        self.acr_values.is_empty() && self.rounds.is_empty()
    }

    pub(in crate::oauth2) fn has_rounds(&self) -> bool {
        !self.rounds.is_empty()
    }

    pub(in crate::oauth2) fn acr_values(&self) -> impl Iterator<Item = &str> {
        self.acr_values.iter().map(AsRef::as_ref)
    }

    pub(super) fn rounds(&self, operation: &Operation) -> u8 {
        self.rounds.get(operation).copied().unwrap_or_default()
    }

    /// These and one more, which asks for these classes first; `None` if there were too many.
    pub(super) fn next<'a>(
        &self,
        operation: &Operation,
        acr_values: impl Iterator<Item = &'a str>,
    ) -> Option<Self> {
        let mut next = Self { acr_values: acr_values.map(Into::into).collect(), rounds: self.rounds.clone() };
        // All that is demanded now, and of what was before as much as there is room for.
        let before = self.acr_values.iter().filter(|acr| !next.acr_values.contains(acr)).cloned();
        let before: Vec<_> = before.take(MAX.saturating_sub(next.acr_values.len())).collect();
        next.acr_values.extend(before);
        let rounds = next.rounds.entry(operation.clone()).or_default();
        *rounds = rounds.saturating_add(1);
        (next.rounds.len() <= MAX).then_some(next)
    }

    /// These without those for an operation; `None` if there are none.
    pub(in crate::oauth2) fn without(&self, operation: &Operation) -> Option<Self> {
        let mut rest = self.clone();
        rest.rounds.remove(operation).map(|_| rest)
    }

    pub(in crate::oauth2) fn to_value(&self) -> Value {
        let rounds: BTreeMap<&str, u8> = self.rounds.iter().map(|(name, count)| (&*name.0, *count)).collect();
        json!({ "acr_values": self.acr_values.iter().map(|acr| &**acr).collect::<Vec<_>>(), "rounds": rounds })
    }

    pub(in crate::oauth2) fn of_record(member: &RawValue) -> Option<Self> {
        let wire: Wire<'_> = read(member.get()).ok()?;
        let rounds = wire.rounds?.into_iter().map(|(name, count)| (Operation(name.into()), count)).collect();
        Some(Self { acr_values: wire.acr_values.map(|Texts(all)| all)?, rounds })
    }
}

members! {
    struct Wire {
        acr_values: Texts,
        rounds: BTreeMap<Cow<'de, str>, u8>,
    }
}
