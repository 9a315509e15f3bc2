//! What a test does with a provider of OpenID Connect, beside being its client.

use bytes::Bytes;
use http::{Request, header::CONTENT_TYPE};

use super::logout_token;
use crate::{message::Post, provider::Provider, transcript::Place, user::VisitError};

/// OpenID Connect, if [asked for](crate::ProviderBuilder::openid).
impl Provider {
    /// Plays a browser whose answer goes to the client by `form_post`: opens the URL, and returns the request
    /// that the browser then makes.
    ///
    /// ```
    /// use valetkey_testkit::{OpenId, Provider};
    ///
    /// let provider = Provider::builder().openid(OpenId::new()).build();
    /// let post = provider.posted(
    ///     "https://issuer.test/authorize?response_type=code&response_mode=form_post&client_id=app\
    ///      &scope=openid&redirect_uri=https%3A%2F%2Fclient.test%2Fcb",
    /// )?;
    /// assert_eq!(post.uri(), "https://client.test/cb");
    /// assert!(post.body().starts_with(b"code="));
    /// # Ok::<(), valetkey_testkit::VisitError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`VisitError`] as [`visit`](Self::visit); [`VisitError::Elsewhere`] if the answer came by a redirect.
    pub fn posted(&self, url: impl AsRef<str>) -> Result<Request<Bytes>, VisitError> {
        let script = self.open(url.as_ref())?;
        match script.post {
            Some(post) => Ok(form_request(&post.uri, post.form())),
            None if script.status.is_redirection() => Err(VisitError::Elsewhere),
            None => Err(VisitError::page(&script)),
        }
    }

    /// The keys that it signs with now, as a JWK set: for a client that has them from elsewhere.
    #[must_use]
    pub fn jwks(&self) -> String {
        let inner = self.inner();
        let algorithms =
            inner.state.settings.openid.as_ref().map_or(&["RS256"][..], |openid| &openid.algorithms);
        inner.state.openid.keyring.jwks(algorithms).to_string()
    }

    /// Signs with other keys from now on; the old ones are published no longer.
    pub fn rotate_keys(&self) {
        self.inner().state.openid.keyring.rotate();
    }

    /// Puts something at a URL of the client's, where the provider finds it as it would by fetching: a request
    /// object (Core §6.2).
    pub fn host(&self, url: impl Into<String>, body: impl Into<String>) {
        self.inner().state.openid.hosted.insert(url.into(), body.into());
    }

    /// The user signs out at the provider, without any client.
    pub fn sign_out(&self) {
        self.inner().state.end_session();
    }

    /// The requests by which the provider tells clients of logouts since the last call, to be handed to
    /// whoever receives them (Back-Channel Logout §2.5).
    ///
    /// A [fault](crate::Effect::Jwt) at [`Place::BackChannelLogout`] happens to their tokens.
    #[must_use]
    pub fn back_channel_logouts(&self) -> Vec<Request<Bytes>> {
        let now = self.time();
        let inner = &mut *self.inner();
        let logouts = std::mem::take(&mut inner.state.openid.back_channel);
        let before = inner.faults.happened;
        let request = |logout: &super::Logout| {
            let token = logout_token(&inner.state, logout, now);
            let token = inner.faults.play_jwt(Place::BackChannelLogout, &inner.state, now, token);
            let mut form = form_urlencoded::Serializer::new(String::new());
            form_request(&logout.uri, form.append_pair("logout_token", &token).finish())
        };
        let requests = logouts.iter().map(request).collect();
        inner.note_fault(before);
        requests
    }

    /// The URLs that the browser opens, each in a frame, to tell clients of logouts since the last call
    /// (Front-Channel Logout §3).
    #[must_use]
    pub fn front_channel_logouts(&self) -> Vec<String> {
        std::mem::take(&mut self.inner().state.openid.front_channel)
    }

    /// The URL by which somebody else sends the user to a client to begin a login (Core §4); `None` if the
    /// client registered none.
    ///
    /// ```
    /// use valetkey_testkit::{Provider, RegisteredClient};
    ///
    /// let client = RegisteredClient::confidential("shop", "s").initiate_login_uri("https://shop.test/login");
    /// let provider = Provider::builder().client(client).build();
    /// let url = provider.initiate_login("shop", "https://shop.test/cart").unwrap();
    /// assert!(url.starts_with("https://shop.test/login?iss=https%3A%2F%2Fissuer.test&login_hint="));
    /// ```
    #[must_use]
    pub fn initiate_login(&self, client: &str, target_link_uri: &str) -> Option<String> {
        let settings = &self.inner().state.settings;
        let uri = settings.client(client)?.openid.initiate_login_uri.as_deref()?;
        let mut query = form_urlencoded::Serializer::new(String::new());
        query
            .append_pair("iss", &settings.issuer.text)
            .append_pair("login_hint", "alice")
            .append_pair("target_link_uri", target_link_uri);
        let joint = if uri.contains('?') { '&' } else { '?' };
        Some(format!("{uri}{joint}{}", query.finish()))
    }
}

fn form_request(uri: &str, form: String) -> Request<Bytes> {
    let mut request = Request::new(Bytes::from(form));
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = uri.parse().unwrap_or_default();
    let form = http::HeaderValue::from_static("application/x-www-form-urlencoded");
    request.headers_mut().insert(CONTENT_TYPE, form);
    request
}

impl Post {
    fn form(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.params).finish()
    }
}
