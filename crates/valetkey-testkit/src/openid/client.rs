//! What a client has registered for OpenID Connect (OpenID Connect Registration §2).

use crate::settings::RegisteredClient;

/// The part of a registration that is OpenID's alone.
#[derive(Clone, Debug)]
pub(crate) struct OpenIdOfClient {
    pub(crate) id_token_alg: String,
    /// `None` for plain JSON.
    pub(crate) user_info_alg: Option<String>,
    pub(crate) request_object_alg: Option<String>,
    pub(crate) subject_type: SubjectType,
    pub(crate) request_uris: Vec<String>,
    pub(crate) post_logout_redirect_uris: Vec<String>,
    pub(crate) back_channel_logout_uri: Option<String>,
    pub(crate) front_channel_logout_uri: Option<String>,
    pub(crate) initiate_login_uri: Option<String>,
}

impl Default for OpenIdOfClient {
    fn default() -> Self {
        Self {
            id_token_alg: "RS256".into(),
            user_info_alg: None,
            request_object_alg: None,
            subject_type: SubjectType::Public,
            request_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            back_channel_logout_uri: None,
            front_channel_logout_uri: None,
            initiate_login_uri: None,
        }
    }
}

/// What a user is called (OpenID Connect Core §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "Core §8 has these two")]
pub enum SubjectType {
    /// The same before all clients: the name of the account.
    Public,
    /// Another before each sector, so that clients cannot compare notes.
    Pairwise,
}

/// What the client registered for OpenID Connect.
///
/// ```
/// use valetkey_testkit::{OpenId, Provider, RegisteredClient};
///
/// let shop = RegisteredClient::confidential("shop", "s3cret")
///     .redirect_uri("https://shop.test/cb")
///     .id_token_signed_by("ES256")
///     .user_info_signed_by("RS256")
///     .post_logout_redirect_uri("https://shop.test/bye")
///     .back_channel_logout_uri("https://shop.test/logout");
/// let provider = Provider::builder().openid(OpenId::new()).client(shop).build();
/// # drop(provider);
/// ```
impl RegisteredClient {
    /// `id_token_signed_response_alg`; RS256 by default. HS256 signs with the client's secret.
    #[must_use]
    pub fn id_token_signed_by(mut self, algorithm: impl Into<String>) -> Self {
        self.openid.id_token_alg = algorithm.into();
        self
    }

    /// `userinfo_signed_response_alg`; by default `UserInfo` is not signed.
    #[must_use]
    pub fn user_info_signed_by(mut self, algorithm: impl Into<String>) -> Self {
        self.openid.user_info_alg = Some(algorithm.into());
        self
    }

    /// `request_object_signing_alg`; by default any that the client has a key for, and `none`.
    #[must_use]
    pub fn request_object_signed_by(mut self, algorithm: impl Into<String>) -> Self {
        self.openid.request_object_alg = Some(algorithm.into());
        self
    }

    /// `subject_type`; public by default.
    #[must_use]
    pub fn subject_type(mut self, subject_type: SubjectType) -> Self {
        self.openid.subject_type = subject_type;
        self
    }

    /// Adds one of `request_uris`; a client that has none may name any.
    #[must_use]
    pub fn request_uri(mut self, uri: impl Into<String>) -> Self {
        self.openid.request_uris.push(uri.into());
        self
    }

    /// Adds one of `post_logout_redirect_uris`, to be matched exactly.
    #[must_use]
    pub fn post_logout_redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.openid.post_logout_redirect_uris.push(uri.into());
        self
    }

    /// `backchannel_logout_uri`: where the client wants to be told of logouts.
    #[must_use]
    pub fn back_channel_logout_uri(mut self, uri: impl Into<String>) -> Self {
        self.openid.back_channel_logout_uri = Some(uri.into());
        self
    }

    /// `frontchannel_logout_uri`: what the browser opens at logout.
    #[must_use]
    pub fn front_channel_logout_uri(mut self, uri: impl Into<String>) -> Self {
        self.openid.front_channel_logout_uri = Some(uri.into());
        self
    }

    /// `initiate_login_uri`: where others send the user to begin a login.
    #[must_use]
    pub fn initiate_login_uri(mut self, uri: impl Into<String>) -> Self {
        self.openid.initiate_login_uri = Some(uri.into());
        self
    }
}
