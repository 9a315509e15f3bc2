//! What ours is measured against: the `oauth2` crate doing the same, and `serde_json` alone.

use std::{cell::Cell, collections::BTreeSet, fmt::Error};

use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use oauth2::{
    AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet, EndpointSet, HttpRequest,
    HttpResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope, TokenUrl,
    basic::{BasicClient, BasicTokenResponse},
};
use serde::Deserialize;

use crate::{
    contender::Contender,
    subject,
    world::{AUTHORIZE, CLIENT_ID, CLIENT_SECRET, CODE, JSON, REDIRECT_URI, SCOPES, TOKEN, TOKENS},
};

type Client = BasicClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

/// Row 2.
pub(crate) fn authorization_url() -> Contender {
    let client = client();
    let scopes = SCOPES.map(|scope| Scope::new(scope.to_owned()));
    Contender::new(
        "authorization URL, oauth2",
        || (),
        move |()| {
            let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
            let request = client.authorize_url(CsrfToken::new_random).add_scopes(scopes.iter().cloned());
            (request.set_pkce_challenge(challenge).url(), verifier)
        },
    )
}

/// Row 3. The crate shows its request only to an HTTP client, and this one goes no further.
pub(crate) fn token_request() -> Contender {
    let client = client();
    Contender::new(
        "token request, oauth2",
        || Some(code()),
        move |code| {
            let failed = redeem(&client, code.take().expect("an input is used once"), &|_| Err(Error));
            assert!(failed.is_none());
        },
    )
}

/// Row 4. The crate has no way to the response but through the request.
pub(crate) fn token_response() -> Contender {
    let client = client();
    Contender::new(
        "token response, oauth2",
        || (Some(code()), Cell::new(Some(tokens()))),
        move |(code, response)| {
            let code = code.take().expect("an input is used once");
            redeem(&client, code, &|_| response.take().ok_or(Error)).expect("tokens")
        },
    )
}

/// Row 4: the members of a token response, read by `serde_json` into texts of their own.
pub(crate) fn flat_struct() -> Contender {
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "what counts is that it is read")]
    struct Tokens {
        access_token: String,
        token_type: String,
        expires_in: u64,
        refresh_token: String,
        scope: String,
    }
    let read = |()| serde_json::from_slice::<Tokens>(TOKENS.as_bytes()).expect("tokens");
    Contender::new("token response, flat struct", || (), move |()| read(()))
}

/// Both sides do the same work, or else a ratio says nothing.
pub(crate) fn assert_alike() {
    assert_eq!(TOKENS.len(), 340);
    let ours = subject::a_token_request();
    let theirs = Cell::new(None);
    let keep = |request: HttpRequest| {
        theirs.set(Some(request));
        Err(Error)
    };
    assert!(redeem(&client(), code(), &keep).is_none());
    let theirs = theirs.take().expect("a request");
    let names = |body: &[u8]| -> BTreeSet<String> {
        let text = str::from_utf8(body).expect("a form");
        text.split('&').map(|piece| piece.split('=').next().unwrap_or_default().to_owned()).collect()
    };
    let sorted = |headers: &HeaderMap| -> BTreeSet<String> {
        headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or_default()))
            .collect()
    };
    assert_eq!((ours.method(), ours.uri()), (theirs.method(), theirs.uri()));
    assert_eq!(names(ours.body()), names(theirs.body()));
    assert_eq!(ours.body().len(), theirs.body().len());
    assert_eq!(sorted(ours.headers()), sorted(theirs.headers()));
}

fn client() -> Client {
    BasicClient::new(ClientId::new(CLIENT_ID.to_owned()))
        .set_client_secret(ClientSecret::new(CLIENT_SECRET.to_owned()))
        .set_auth_uri(AuthUrl::new(AUTHORIZE.to_owned()).expect("a URL"))
        .set_token_uri(TokenUrl::new(TOKEN.to_owned()).expect("a URL"))
        .set_redirect_uri(RedirectUrl::new(REDIRECT_URI.to_owned()).expect("a URL"))
}

fn code() -> (AuthorizationCode, PkceCodeVerifier) {
    let (_, verifier) = PkceCodeChallenge::new_random_sha256();
    (AuthorizationCode::new(CODE.to_owned()), verifier)
}

fn redeem(
    client: &Client,
    (code, verifier): (AuthorizationCode, PkceCodeVerifier),
    send: &dyn Fn(HttpRequest) -> Result<HttpResponse, Error>,
) -> Option<BasicTokenResponse> {
    let send = |request| send(request);
    client.exchange_code(code).set_pkce_verifier(verifier).request(&send).ok()
}

fn tokens() -> HttpResponse {
    let mut response = HttpResponse::new(TOKENS.as_bytes().to_vec());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    response
}
