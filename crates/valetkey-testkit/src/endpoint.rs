//! The endpoints: functions of the provider's state and a request. None of them knows of faults.

mod authorize;
mod client_auth;
mod device;
mod grant;
mod introspection;
mod metadata;
mod oauth1;
mod openid;
pub(crate) mod page;
mod protected_resource;
mod resource;
mod revocation;
mod token;

use http::{Method, StatusCode, header::CONTENT_TYPE};

use crate::{
    dpop::{Side, with_next_nonce},
    message::{Answer, Asked},
    openid::OpenId,
    settings::Settings,
    state::State,
    transcript::Place,
};

/// Whatever can be asked for at the provider's origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Metadata,
    ResourceMetadata,
    Authorize,
    Decision,
    Token,
    Revocation,
    Introspection,
    DeviceAuthorization,
    /// OpenID Connect.
    Keys,
    UserInfo,
    EndSession,
    Register,
    Registered,
    Claims,
    WebFinger,
    Me,
    Admin,
    Echo,
    /// An API that wants what its URL says.
    Demanding,
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
        if let Some(openid) = &settings.openid
            && let Some(route) = Self::find_openid(openid, path, &issuer.path)
        {
            return route;
        }
        if protected_resource::described(settings, path).is_some() {
            return Self::ResourceMetadata;
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
            Some("/introspect") => Self::Introspection,
            Some("/device_authorization") => Self::DeviceAuthorization,
            Some("/api/me") => Self::Me,
            Some("/api/admin") => Self::Admin,
            Some("/api/echo") => Self::Echo,
            Some(path) if path.starts_with("/api/demanding") => Self::Demanding,
            Some("/oauth1/request_token") => Self::Temporary1,
            Some("/oauth1/authorize") => Self::Authorize1,
            Some("/oauth1/authorize/decision") => Self::Decision1,
            Some("/oauth1/access_token") => Self::Token1,
            Some("/oauth1/api") => Self::Api1,
            Some(path) if path.starts_with("/oauth1/api/") => Self::Api1,
            _ => Self::Nowhere,
        }
    }

    /// What is there if OpenID Connect is.
    fn find_openid(openid: &OpenId, path: &str, prefix: &str) -> Option<Self> {
        // It belongs to the host (RFC 7033 §10.1).
        if path == "/.well-known/webfinger" {
            return Some(Self::WebFinger);
        }
        match path.strip_prefix(prefix)? {
            "/jwks" => Some(Self::Keys),
            "/userinfo" => Some(Self::UserInfo),
            "/logout" => Some(Self::EndSession),
            "/claims" => Some(Self::Claims),
            "/register" if openid.registration => Some(Self::Register),
            path if openid.registration && path.starts_with("/register/") => Some(Self::Registered),
            _ => None,
        }
    }

    pub(crate) fn place(self, path: &str) -> Place {
        match self {
            Self::Metadata => Place::Metadata,
            Self::ResourceMetadata => Place::ResourceMetadata,
            Self::Authorize | Self::Decision => Place::Authorize,
            Self::Token => Place::Token,
            Self::Revocation => Place::Revocation,
            Self::Introspection => Place::Introspection,
            Self::DeviceAuthorization => Place::DeviceAuthorization,
            Self::Keys => Place::Keys,
            Self::UserInfo => Place::UserInfo,
            Self::EndSession => Place::EndSession,
            Self::Register | Self::Registered => Place::Registration,
            Self::Claims => Place::Claims,
            Self::WebFinger => Place::WebFinger,
            Self::Me | Self::Admin | Self::Echo | Self::Demanding | Self::Api1 => Place::Resource,
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
            Self::Metadata
            | Self::ResourceMetadata
            | Self::Authorize1
            | Self::Keys
            | Self::Claims
            | Self::WebFinger => is_get,
            // OpenID Connect Core §3.1.2.1 wants both.
            Self::Authorize => is_get || is_post && state.settings.openid.is_some(),
            Self::UserInfo | Self::EndSession => is_get || is_post,
            Self::Decision | Self::Decision1 | Self::Token | Self::Revocation => is_post,
            Self::Introspection | Self::DeviceAuthorization | Self::Register => is_post,
            Self::Registered => is_get || [Method::PUT, Method::DELETE].contains(asked.method),
            // RFC 5849 §2.1 wants POST; the field sends GET too.
            Self::Temporary1 | Self::Token1 => is_get || is_post,
            Self::Me | Self::Admin | Self::Echo | Self::Demanding | Self::Api1 | Self::Nowhere => true,
        };
        if !allowed {
            return Answer::not_allowed();
        }
        let answered = match self {
            Self::Metadata => Ok(metadata::answer(state, asked.now)),
            Self::ResourceMetadata => Ok(protected_resource::answer(state, asked)),
            Self::Authorize => Ok(authorize::answer(state, asked)),
            Self::Decision => Ok(authorize::decide(state, asked)),
            Self::Token => token::answer(state, asked),
            Self::Revocation => revocation::answer(state, asked),
            Self::Introspection => introspection::answer(state, asked),
            Self::DeviceAuthorization => device::answer(state, asked),
            Self::Keys => Ok(openid::keys(state)),
            Self::UserInfo => Ok(openid::user_info(state, asked)),
            Self::EndSession => Ok(openid::end_session(state, asked)),
            Self::Register => openid::register(state, asked),
            Self::Registered => openid::manage(state, asked),
            Self::Claims => Ok(openid::claims(state, asked)),
            Self::WebFinger => Ok(openid::web_finger(&state.settings, asked)),
            Self::Me => Ok(resource::me(state, asked)),
            Self::Admin => Ok(resource::admin(state, asked)),
            Self::Echo => Ok(resource::echo(state, asked)),
            Self::Demanding => Ok(resource::demanding(state, asked)),
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
            Self::Me | Self::Admin | Self::Echo | Self::Demanding | Self::UserInfo => {
                with_next_nonce(state, Side::Api, answer)
            }
            _ => answer,
        }
    }
}
