//! What tokens are for: the APIs (RFC 8707), and what for in detail (RFC 9396).

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::{
    message::{Params, Refusal},
    settings::Settings,
    state::{GrantId, State},
};

/// What somebody asks for, or was granted.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Targets {
    resources: Vec<String>,
    details: Vec<Value>,
}

/// What was granted, and what each access token is for.
#[derive(Debug, Default)]
pub(crate) struct Targeted {
    grants: HashMap<GrantId, Targets>,
    access: HashMap<String, Targets>,
}

impl Targets {
    /// Reads the parameters. In a request object, several resources are a list (RFC 9101 §4).
    pub(crate) fn read(settings: &Settings, params: &Params) -> Result<Self, Refusal> {
        let values = params.0.iter().filter(|(name, value)| name == "resource" && !value.is_empty());
        let resources: Vec<String> = values
            .flat_map(|(_, value)| serde_json::from_str(value).unwrap_or_else(|_| vec![value.clone()]))
            .collect();
        let is_known = |resource: &String| match &settings.resources {
            Some(known) => known.contains(resource),
            None => resource.contains(':') && !resource.contains('#'),
        };
        if !resources.iter().all(is_known) {
            return Err(Refusal::new("invalid_target", "no such resource"));
        }
        let wrong = || Refusal::new("invalid_authorization_details", "not a list of objects with a type");
        let details: Vec<Value> = match params.get("authorization_details") {
            Some(text) => serde_json::from_str(text).map_err(|_| wrong())?,
            None => Vec::new(),
        };
        if !details.iter().all(|detail| detail["type"].is_string()) {
            return Err(wrong());
        }
        Ok(Self { resources, details })
    }

    /// What a user, or the provider, grants of it.
    fn granted(mut self, settings: &Settings) -> Self {
        if settings.narrows_details {
            self.details.truncate(1);
        }
        self
    }

    /// These, or what is asked for of them (RFC 8707 §2.2, RFC 9396 §6).
    fn narrowed(self, asked: &Self) -> Result<Self, Refusal> {
        let pick = |all: Vec<String>, some: &[String]| match some {
            [] => Some(all),
            some => (all.is_empty() || some.iter().all(|one| all.contains(one))).then(|| some.to_vec()),
        };
        let details = match &asked.details[..] {
            [] => Some(self.details),
            some => (self.details.is_empty() || some.iter().all(|one| self.details.contains(one)))
                .then(|| some.to_vec()),
        };
        Ok(Self {
            resources: pick(self.resources, &asked.resources)
                .ok_or_else(|| Refusal::new("invalid_target", "this was not granted"))?,
            details: details
                .ok_or_else(|| Refusal::new("invalid_authorization_details", "this was not granted"))?,
        })
    }

    /// What the token endpoint says of it (RFC 9396 §7).
    pub(crate) fn say_in(&self, body: &mut Value) {
        if !self.details.is_empty() {
            body["authorization_details"] = json!(self.details);
        }
    }

    /// What introspection says of it (RFC 9396 §9.2).
    pub(crate) fn introspected(&self, said: &mut Value) {
        self.say_in(said);
        if !self.resources.is_empty() {
            said["aud"] = json!(self.resources);
        }
    }
}

impl State {
    pub(crate) fn target_grant(&mut self, grant: GrantId, targets: Targets) {
        self.targeted.grants.insert(grant, targets.granted(&self.settings));
    }

    /// What a token of this grant is for, if these are asked for.
    pub(crate) fn targets_of(&self, grant: GrantId, asked: &Targets) -> Result<Targets, Refusal> {
        match self.targeted.grants.get(&grant) {
            Some(granted) => granted.clone().narrowed(asked),
            None => Ok(asked.clone().granted(&self.settings)),
        }
    }

    pub(crate) fn target_access(&mut self, token: &str, targets: Targets) {
        self.targeted.access.insert(token.to_owned(), targets);
    }

    pub(crate) fn targets_of_access(&self, token: &str) -> Option<&Targets> {
        self.targeted.access.get(token)
    }
}
