//! The token by which a job of GitHub Actions says what it is.

use http::{HeaderValue, header::AUTHORIZATION};
use valetkey_http::Response;

use super::{TokenTypeIdentifier, TypedToken};
use crate::{
    call::{Exchange, Retry},
    draft::Draft,
    endpoint::Endpoint,
    error::{Error, ErrorKind, Reason, Result},
    flow::Env,
    form,
    oauth2::authorization::with_joint,
    response::json,
    secret::AccessToken,
    time::Timestamp,
};

/// Asks the runner's service for an ID token of the job.
///
/// Where it is and what to show there stands in the job's environment, if it has the permission `id-token: write`.
///
/// ```
/// use valetkey_proto::{oauth2::grant::GitHubActionsTokenRequest, secret::AccessToken};
///
/// let url = "https://run-actions-1.example/token?api-version=2.0";
/// let shown = AccessToken::bearer("eyJ0eXAiOi").expect("visible ASCII");
/// let request = GitHubActionsTokenRequest::new(url, shown, Some("https://as.example"))?;
/// # let _ = request;
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct GitHubActionsTokenRequest {
    url: Endpoint,
    shown: AccessToken,
}

impl GitHubActionsTokenRequest {
    /// Asks at `ACTIONS_ID_TOKEN_REQUEST_URL`, showing `ACTIONS_ID_TOKEN_REQUEST_TOKEN`, for a token that is for this
    /// audience; for the repository's owner if none is said.
    ///
    /// # Errors
    ///
    /// `Config`: as [`Endpoint::parse`]; [`Reason::InsecureUrl`] for whatever is not `https`, loopback too.
    pub fn new(url: &str, shown: AccessToken, audience: Option<&str>) -> Result<Self> {
        let mut endpoint = Endpoint::parse(url)?;
        if endpoint.uri().scheme_str() != Some("https") {
            return Err(Error::new(ErrorKind::Config, Reason::InsecureUrl));
        }
        if let Some(audience) = audience {
            let mut url = with_joint(&endpoint);
            url.push_str("audience=");
            form::encode(&mut url, audience);
            endpoint = Endpoint::parse(&url)?;
        }
        Ok(Self { url: endpoint, shown })
    }
}

impl Exchange for GitHubActionsTokenRequest {
    type Output = TypedToken;

    fn retry(&self) -> Retry {
        Retry::IDEMPOTENT
    }

    fn request(&self, _: &Env<'_>) -> Result<Draft> {
        let mut draft = Draft::get(&self.url);
        let shown: HeaderValue = self.shown.header().clone();
        draft.headers_mut().insert(AUTHORIZATION, shown);
        Ok(draft)
    }

    fn response(&self, response: Response, _: Timestamp, _: &Env<'_>) -> Result<TypedToken> {
        let token = TypedToken::parse_json(json(&response)?, "value", TokenTypeIdentifier::IdToken);
        token.map_err(|error| error.restated_by(ErrorKind::Protocol).with_status(response.status()))
    }
}
