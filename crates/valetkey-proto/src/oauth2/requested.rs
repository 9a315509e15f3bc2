//! What was asked for, kept beside what was granted.

use serde_json::{Map, Value, value::RawValue};

use crate::{
    error::{Error, ErrorKind, Reason, Result},
    form,
    oauth2::{AuthorizationDetails, ResourceIndicator, Scope, details, step_up::StepUps},
    response::{
        members::{members, read},
        value::{Text, Texts},
    },
};

/// The most resources of one request.
const MAX_RESOURCES: usize = 16;

/// What was asked for: a scope, the APIs that the tokens are for, and what for in detail. It is kept with the tokens, so that
/// renewing asks for the same APIs, and an API that wants more gets no less than before.
///
/// ```
/// use valetkey_proto::oauth2::{Requested, ResourceIndicator, Scope};
///
/// let requested = Requested::new()
///     .with_scope(Scope::parse("read")?)
///     .with_resource(ResourceIndicator::parse("https://api.example/")?)?;
/// assert_eq!(requested.resources().len(), 1);
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requested {
    scope: Option<Scope>,
    resources: Vec<ResourceIndicator>,
    details: Option<AuthorizationDetails>,
    step_ups: Option<Box<StepUps>>,
}

impl Requested {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A scope, in place of one said before.
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<Option<Scope>>) -> Self {
        self.scope = scope.into();
        self
    }

    /// An API that the tokens are to be for, besides those said before; the same one counts once.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::TooLarge`] beyond 16.
    pub fn with_resource(mut self, resource: ResourceIndicator) -> Result<Self> {
        if !self.resources.contains(&resource) {
            if self.resources.len() == MAX_RESOURCES {
                return Err(Error::new(ErrorKind::Config, Reason::TooLarge).with_detail("resource"));
            }
            self.resources.push(resource);
        }
        Ok(self)
    }

    /// What the tokens are to be good for, in place of what was said before.
    #[must_use]
    pub fn with_authorization_details(mut self, details: impl Into<Option<AuthorizationDetails>>) -> Self {
        self.details = details.into().filter(|details| !details.is_empty());
        self
    }

    /// The same, by who may say it once.
    pub(super) fn with_first_details(self, all: AuthorizationDetails) -> Result<Self> {
        if self.details.is_some() {
            return Err(Error::new(ErrorKind::Usage, Reason::ReservedParameter).with_detail(details::NAME));
        }
        Ok(self.with_authorization_details(all))
    }

    /// The scope.
    #[must_use]
    pub fn scope(&self) -> Option<&Scope> {
        self.scope.as_ref()
    }

    /// The APIs that the tokens are for.
    #[must_use]
    pub fn resources(&self) -> &[ResourceIndicator] {
        &self.resources
    }

    /// What the tokens are good for, in detail.
    #[must_use]
    pub fn authorization_details(&self) -> Option<&AuthorizationDetails> {
        self.details.as_ref()
    }

    /// Whether a user was asked for more because an API wanted it, for an operation that has not succeeded yet.
    #[must_use]
    pub fn was_stepped_up(&self) -> bool {
        self.step_ups().is_some_and(StepUps::has_rounds)
    }

    pub(super) fn step_ups(&self) -> Option<&StepUps> {
        self.step_ups.as_deref()
    }

    pub(super) fn with_step_ups(mut self, step_ups: StepUps) -> Self {
        self.step_ups = Some(Box::new(step_ups)).filter(|step_ups| !step_ups.is_empty());
        self
    }

    /// The parameters beside the scope, each resource by itself (RFC 8707 §2).
    pub(crate) fn parameters(&self) -> impl Iterator<Item = (&'static str, String)> {
        let resources = self.resources.iter().map(|resource| ("resource", resource.as_str().to_owned()));
        resources.chain(self.details.iter().map(|all| (details::NAME, all.to_json())))
    }

    /// Appends them to a query.
    pub(crate) fn write_into(&self, query: &mut String) {
        for (name, value) in self.parameters() {
            query.push('&');
            query.push_str(name);
            query.push('=');
            form::encode(query, &value);
        }
    }

    /// The member of a record that holds it; nothing if there is nothing to keep.
    pub(crate) fn to_value(&self) -> Option<Value> {
        let mut members = Map::new();
        let mut keep = |name: &str, value: Option<Value>| {
            members.extend(value.map(|value| (name.to_owned(), value)));
        };
        keep("scope", self.scope.as_ref().map(|scope| scope.as_str().into()));
        let resources = self.resources.iter().map(ResourceIndicator::as_str);
        keep("resources", (!self.resources.is_empty()).then(|| resources.collect()));
        keep(details::NAME, self.details.as_ref().map(AuthorizationDetails::to_value));
        keep("step_ups", self.step_ups.as_deref().map(StepUps::to_value));
        (!members.is_empty()).then_some(Value::Object(members))
    }

    /// What [`to_value`](Self::to_value) wrote; `None` if it is not that.
    pub(crate) fn of_record(member: Option<&RawValue>) -> Option<Self> {
        let Some(member) = member else { return Some(Self::default()) };
        let wire: Wire<'_> = read(member.get()).ok()?;
        let mut requested = Self::new().with_scope(wire.scope.map(|scope| Scope::tolerant(&scope)));
        for resource in wire.resources.map(|Texts(all)| all).unwrap_or_default() {
            requested = requested.with_resource(ResourceIndicator::parse(&resource).ok()?).ok()?;
        }
        if let Some(details) = wire.authorization_details {
            requested =
                requested.with_authorization_details(AuthorizationDetails::parse(details.get()).ok()?);
        }
        match wire.step_ups {
            Some(step_ups) => Some(requested.with_step_ups(StepUps::of_record(step_ups)?)),
            None => Some(requested),
        }
    }
}

members! {
    struct Wire {
        scope: Text<'de>,
        resources: Texts,
        authorization_details: &'de RawValue,
        step_ups: &'de RawValue,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(text: &str) -> ResourceIndicator {
        ResourceIndicator::parse(text).unwrap()
    }

    #[test]
    fn s_ri_01_each_resource_is_said_once_and_there_is_an_end_to_them() {
        let mut requested = Requested::new();
        for text in ["urn:b", "urn:a", "urn:b"] {
            requested = requested.with_resource(resource(text)).unwrap();
        }
        let mut query = String::from("x=1");
        requested.write_into(&mut query);
        assert_eq!(query, "x=1&resource=urn%3Ab&resource=urn%3Aa");
        let add = |all: Requested, at: usize| all.with_resource(resource(&format!("urn:{at}")));
        let full = (2..MAX_RESOURCES).try_fold(requested, add).unwrap();
        assert_eq!(add(full, 99).unwrap_err().reason(), Reason::TooLarge);
    }

    #[test]
    fn what_was_asked_for_is_kept_and_read_back() {
        let details = AuthorizationDetails::parse(r#"[{"type":"a","n":1}]"#).unwrap();
        let requested = Requested::new()
            .with_scope(Scope::parse("a b").unwrap())
            .with_resource(resource("https://a.example/?x"))
            .unwrap()
            .with_authorization_details(details);
        let text = requested.to_value().unwrap().to_string();
        let raw = |text: &str| serde_json::from_str::<Box<RawValue>>(text).unwrap();
        assert_eq!(Requested::of_record(Some(&raw(&text))), Some(requested));
        assert_eq!((Requested::new().to_value(), Requested::of_record(None)), (None, Some(Requested::new())));
        for bad in ["[]", r#"{"resources":["/x"]}"#, r#"{"authorization_details":{}}"#, r#"{"step_ups":1}"#] {
            assert_eq!(Requested::of_record(Some(&raw(bad))), None, "{bad}");
        }
    }
}
