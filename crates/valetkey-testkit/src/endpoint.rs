//! The endpoints: functions of the provider's state and a request. None of them knows of faults.

mod authorize;
mod client_auth;
mod metadata;
mod resource;
mod revocation;
mod token;

use http::{Method, StatusCode, header::CONTENT_TYPE};

use crate::{
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
            _ => Self::Nowhere,
        }
    }

    pub(crate) fn place(self, path: &str) -> Place {
        match self {
            Self::Metadata => Place::Metadata,
            Self::Authorize | Self::Decision => Place::Authorize,
            Self::Token => Place::Token,
            Self::Revocation => Place::Revocation,
            Self::Me | Self::Admin | Self::Echo => Place::Resource,
            // A client that looks for a document that is not there still looks for metadata.
            Self::Nowhere if path.contains("/.well-known/") => Place::Metadata,
            Self::Nowhere => Place::Elsewhere,
        }
    }

    pub(crate) fn answer(self, state: &mut State, asked: Asked<'_>) -> Answer {
        let method = match self {
            Self::Metadata | Self::Authorize => &Method::GET,
            Self::Decision | Self::Token | Self::Revocation => &Method::POST,
            Self::Me | Self::Admin | Self::Echo | Self::Nowhere => asked.method,
        };
        if asked.method != method {
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
            Self::Nowhere => Ok(Answer::empty(StatusCode::NOT_FOUND).with(CONTENT_TYPE, "text/plain")),
        };
        answered.unwrap_or_else(Answer::from)
    }
}
