//! The token of a job of GitHub Actions.

use std::{env, fmt};

use async_trait::async_trait;
use valetkey_proto::{
    Call, Party, Result,
    oauth2::grant::{GitHubActionsTokenRequest, TypedToken},
    secret::{AccessToken, Secret},
};

use super::{TokenSource, failed};
use crate::{Runtime, run::run};

/// The ID token of a job of GitHub Actions, which is asked for by the client's backend. The job needs the permission
/// `id-token: write`.
///
/// ```
/// use valetkey::{secret::Secret, source::GitHubActions};
///
/// // As the runner says it in the environment, which `from_environment` reads:
/// let source = GitHubActions::new("https://run-actions-1.example/token?api-version=2.0", Secret::new("eyJ0eXAiOi"))
///     .audience("https://as.example");
/// # let _ = source;
/// ```
#[derive(Clone, Debug)]
pub struct GitHubActions {
    url: String,
    shown: Secret,
    audience: Option<String>,
}

const URL: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";
const TOKEN: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";

impl GitHubActions {
    /// What the runner has put into the environment: `ACTIONS_ID_TOKEN_REQUEST_URL`, which must be `https`, and
    /// `ACTIONS_ID_TOKEN_REQUEST_TOKEN`.
    ///
    /// # Errors
    ///
    /// `Store`: [`Reason::SourceFailed`](crate::Reason::SourceFailed) without one of them, as in a job without the
    /// permission.
    pub fn from_environment() -> Result<Self> {
        Self::of(|name| env::var(name).ok())
    }

    fn of(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let said = |name: &'static str| {
            let missing = || failed(&format_args!("variable {name:?}"), &"not set");
            variable(name).filter(|value| !value.is_empty()).ok_or_else(missing)
        };
        Ok(Self::new(said(URL)?, Secret::new(said(TOKEN)?)))
    }

    /// The same two values, from elsewhere.
    #[must_use]
    pub fn new(url: impl Into<String>, shown: Secret) -> Self {
        Self { url: url.into(), shown, audience: None }
    }

    /// Says for whom the token is (`aud`), in place of the repository's owner.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }
}

impl fmt::Display for GitHubActions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GitHub Actions")
    }
}

#[async_trait]
impl TokenSource for GitHubActions {
    async fn token(&self, runtime: &Runtime) -> Result<TypedToken> {
        let shown = AccessToken::bearer(self.shown.expose());
        let shown = shown.ok_or_else(|| failed(self, &format_args!("{TOKEN} is no token")))?;
        let request = GitHubActionsTokenRequest::new(&self.url, shown, self.audience.as_deref())?;
        run(Call::new(request, Party::anonymous().into()), runtime).await
    }
}

#[cfg(test)]
mod tests {
    use valetkey_proto::Reason;

    use super::*;

    #[test]
    fn what_the_environment_lacks_is_named() {
        let both = [(URL, "https://run.example/?v=2"), (TOKEN, "canary")];
        let of = |variables: &[(&str, &str)]| {
            let variables = variables.to_vec();
            GitHubActions::of(move |name| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            })
        };
        let source = of(&both).unwrap();
        assert!(source.url == both[0].1 && source.shown.expose() == "canary");
        assert!(!format!("{source:?}").contains("canary"));
        for (variables, missing) in [(&both[..1], TOKEN), (&both[1..], URL), (&[(URL, "")], URL)] {
            let error = of(variables).unwrap_err();
            assert_eq!(error.reason(), Reason::SourceFailed);
            assert!(error.to_string().contains(missing), "{error}");
        }
    }
}
