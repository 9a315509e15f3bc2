//! The endpoints: functions of the provider's state and a request. None of them knows of faults.

mod authorize;
mod client_auth;
mod metadata;
mod oauth1;
mod page;
mod resource;
mod revocation;
mod token;

use http::{Method, StatusCode, header::CONTENT_TYPE};

use crate::{
    dpop::{Side, with_next_nonce},
    message::{Answer, Asked},
    settings::Settings,
    state::State,
    transcript::Place,
};

/// Whatever can be asked for at the provider's origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Metadata,
    Authorize,
    Decision,
    Token,
    Revocation,
    Me,
    Admin,
    Echo,
    /// OAuth 1.0a (RFC 5849).
    Temporary1,
    Authorize1,
    Decision1,
    Token1,
    Api1,
    Nowhere,
}

impl Route {
    pub(crate) fn find(settings: &Settings, origin: &str, path: &str) -> Self {
        let issuer = &settings.issuer;
        if !origin.eq_ignore_ascii_case(&issuer.origin) {
            return Self::Nowhere;
        }
        if path.contains("/.well-known/") {
            let published = settings.documents.iter().any(|document| document.path(&issuer.path) == path);
            return if published { Self::Metadata } else { Self::Nowhere };
        }
        match path.strip_prefix(&issuer.path) {
            Some("/authorize") => Self::Authorize,
            Some("/authorize/decision") => Self::Decision,
            Some("/token") => Self::Token,
            Some("/revoke") => Self::Revocation,
            Some("/api/me") => Self::Me,
            Some("/api/admin") => Self::Admin,
            Some("/api/echo") => Self::Echo,
            Some("/oauth1/request_token") => Self::Temporary1,
            Some("/oauth1/authorize") => Self::Authorize1,
            Some("/oauth1/authorize/decision") => Self::Decision1,
            Some("/oauth1/access_token") => Self::Token1,
            Some("/oauth1/api") => Self::Api1,
            Some(path) if path.starts_with("/oauth1/api/") => Self::Api1,
            _ => Self::Nowhere,
        }
    }

    pub(crate) fn place(self, path: &str) -> Place {
        match self {
            Self::Metadata => Place::Metadata,
            Self::Authorize | Self::Decision => Place::Authorize,
            Self::Token => Place::Token,
            Self::Revocation => Place::Revocation,
            Self::Me | Self::Admin | Self::Echo | Self::Api1 => Place::Resource,
            Self::Temporary1 => Place::TemporaryCredentials,
            Self::Authorize1 | Self::Decision1 => Place::OwnerAuthorization,
            Self::Token1 => Place::TokenCredentials,
            // A client that looks for a document that is not there still looks for metadata.
            Self::Nowhere if path.contains("/.well-known/") => Place::Metadata,
            Self::Nowhere => Place::Elsewhere,
        }
    }

    pub(crate) fn answer(self, state: &mut State, asked: Asked<'_>) -> Answer {
        let (is_get, is_post) = (asked.method == Method::GET, asked.method == Method::POST);
        let allowed = match self {
            Self::Metadata | Self::Authorize | Self::Authorize1 => is_get,
            Self::Decision | Self::Decision1 | Self::Token | Self::Revocation => is_post,
            // RFC 5849 §2.1 wants POST; the field sends GET too.
            Self::Temporary1 | Self::Token1 => is_get || is_post,
            Self::Me | Self::Admin | Self::Echo | Self::Api1 | Self::Nowhere => true,
        };
        if !allowed {
            return Answer::not_allowed();
        }
        let answered = match self {
            Self::Metadata => Ok(metadata::answer(&state.settings)),
            Self::Authorize => Ok(authorize::answer(state, asked)),
            Self::Decision => Ok(authorize::decide(state, asked)),
            Self::Token => token::answer(state, asked),
            Self::Revocation => revocation::answer(state, asked),
            Self::Me => Ok(resource::me(state, asked)),
            Self::Admin => Ok(resource::admin(state, asked)),
            Self::Echo => Ok(resource::echo(state, asked)),
            Self::Temporary1 => Ok(oauth1::answered(state, asked, oauth1::temporary)),
            Self::Authorize1 => Ok(oauth1::authorize(state, asked)),
            Self::Decision1 => Ok(oauth1::decide(state, asked)),
            Self::Token1 => Ok(oauth1::answered(state, asked, oauth1::token)),
            Self::Api1 => Ok(oauth1::answered(state, asked, oauth1::api)),
            Self::Nowhere => Ok(Answer::empty(StatusCode::NOT_FOUND).with(CONTENT_TYPE, "text/plain")),
        };
        let answer = answered.unwrap_or_else(Answer::from);
        match self {
            Self::Token => with_next_nonce(state, Side::Token, answer),
            Self::Me | Self::Admin | Self::Echo => with_next_nonce(state, Side::Api, answer),
            _ => answer,
        }
    }
}
