//! The table of modules: the families oidcc, form-post, refresh token, third-party login and logout.

mod logins;
mod logouts;
mod tokens;

use super::{ACCEPTED, Module, Plan, Task, Verdict};
use crate::{
    fault::{Effect, Expect, Fault, Feature, JwtEdit},
    openid::{ResponseType, TokenPlacement},
    transcript::Place,
};

/// All modules of the suite for clients of OpenID Connect.
pub fn modules() -> impl Iterator<Item = &'static Module> {
    [logins::GOOD, tokens::ROWS, logins::AROUND, logouts::ROWS].into_iter().flatten()
}

/// A module's name: the suite's prefix and this.
macro_rules! name {
    ($suffix:literal) => {
        concat!("oidcc-client-test", $suffix)
    };
}
use name;

const BIH: &[Plan] = &[Plan::Basic, Plan::Implicit, Plan::Hybrid];
const X: &[Plan] = &[Plan::Full];

use ResponseType::{Code, CodeIdToken, CodeIdTokenToken, CodeToken, IdToken, IdTokenToken};

const BY_CODE: &[ResponseType] = &[Code];
/// With an access token, and so with `UserInfo`.
const WITH_TOKEN: &[ResponseType] = &[Code, IdTokenToken, CodeIdToken, CodeToken, CodeIdTokenToken];
/// With an ID token by the browser.
const BY_BROWSER: &[ResponseType] = &[IdToken, IdTokenToken, CodeIdToken, CodeIdTokenToken];
const BASIC_AND_HYBRID: &[ResponseType] = &[Code, CodeIdToken, CodeToken, CodeIdTokenToken];
const ALL: &[ResponseType] = &ResponseType::ALL;

/// A login that must succeed, and in which nothing goes wrong.
const fn module(
    name: &'static str,
    plans: &'static [Plan],
    response_types: &'static [ResponseType],
    does: &'static str,
) -> Module {
    Module {
        name,
        does,
        plans,
        task: Task::LogIn,
        response_types,
        verdict: ACCEPTED,
        faults: &[],
        id_token_alg: "RS256",
        user_info_alg: None,
        user_info_token: TokenPlacement::Any,
        claim_source: None,
        only_basic: false,
    }
}

impl Module {
    const fn task(self, task: Task) -> Self {
        Self { task, ..self }
    }

    const fn faults(self, faults: &'static [Fault]) -> Self {
        Self { faults, ..self }
    }

    const fn verdict(self, verdict: Verdict) -> Self {
        Self { verdict, ..self }
    }
}

/// What is wrong with an ID token.
const fn id_token(name: &'static str, edits: &'static [JwtEdit], expect: Verdict) -> Fault {
    fault(name, Place::Token, Effect::Jwt(edits), expect)
}

const fn fault(name: &'static str, at: Place, effect: Effect, verdict: Verdict) -> Fault {
    let expect = match verdict {
        Verdict::Must(expect) | Verdict::Should(expect) => expect,
        Verdict::Waits | Verdict::BrowserOnly => Expect::Accepted,
    };
    Fault::new(name, at, effect, expect).of(Feature::OpenId)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_the_suites_and_each_is_there_once() {
        let names: BTreeSet<_> = modules().map(|module| module.name).collect();
        assert_eq!((names.len(), modules().count()), (57, 57));
        assert!(names.iter().all(|name| name.starts_with("oidcc-client-test")));
    }

    #[test]
    fn the_plans_have_as_many_modules_as_the_suites() {
        let count = |plan| modules().filter(|module| module.plans.contains(&plan)).count();
        let counts = [
            (Plan::Basic, 16),
            (Plan::Implicit, 17),
            (Plan::Hybrid, 20),
            (Plan::Config, 6),
            (Plan::Dynamic, 12),
            (Plan::RefreshToken, 3),
            (Plan::Logout, 14),
            (Plan::ThirdPartyLogin, 1),
        ];
        for (plan, modules) in counts {
            assert_eq!(count(plan), modules, "{plan:?}");
        }
    }

    #[test]
    fn each_fault_says_what_its_module_says() {
        for module in modules() {
            let last = module.faults.last();
            assert!(
                last.is_none_or(|fault| Some(fault.expect) == module.verdict.expect()),
                "{}",
                module.name
            );
            assert!(module.runs().count() >= module.response_types.len(), "{}", module.name);
        }
    }
}
