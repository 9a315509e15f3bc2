//! Our side.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Uri, header::CONTENT_TYPE};
use valetkey_http::{Request, Response};
use valetkey_proto::{
    Call, Env, Event, Flow, Party, Step, Timestamp,
    crypto::{CryptoProvider, SystemRandom},
    endpoint::Origin,
    oauth2::{
        authorization::{AuthorizationRequest, AuthorizationResponse},
        client::{ClientAuth, ClientMetadata},
        grant::AuthorizationCodeGrant,
        resource::ResourceRequest,
        server::{Issuer, ServerMetadata},
    },
};

use crate::{
    contender::Contender,
    world::{
        API, AUTHORIZE, CLIENT_ID, CLIENT_SECRET, CODE, ISSUER, JSON, REDIRECT_URI, SCOPES, TOKEN, TOKENS,
    },
};

/// Row 2: a URL with PKCE, state and three scopes, and what is kept for the callback.
pub(crate) fn authorization_url() -> Contender {
    let app = App::new();
    Contender::new(
        "authorization URL, valetkey",
        || (),
        move |()| app.request.start(&app.env()).expect("a URL"),
    )
}

/// Row 3: a received code in, the request for its tokens out.
pub(crate) fn token_request() -> Contender {
    let app = Arc::new(App::new());
    let received = app.clone();
    Contender::new(
        "token request, valetkey",
        move || Some(received.receive()),
        move |received| {
            let mut call = app.redeem(received.take().expect("an input is used once"));
            sent(call.step(Event::Go, &app.env()).expect("a request"))
        },
    )
}

/// Row 4: the answer in, the tokens out.
pub(crate) fn token_response() -> Contender {
    let app = Arc::new(App::new());
    let asking = app.clone();
    Contender::new(
        "token response, valetkey",
        move || {
            let mut call = asking.redeem(asking.receive());
            drop(sent(call.step(Event::Go, &asking.env()).expect("a request")));
            (call, Some(asking.tokens()))
        },
        move |(call, response)| {
            let step =
                call.step(Event::Response(response.take().expect("an input is used once")), &app.env());
            assert!(matches!(step, Ok(Step::Done(_))));
            step
        },
    )
}

/// Row 11: from the URL over the callback and the tokens to the answer of an API.
pub(crate) fn code_flow() -> Contender {
    let app = App::new();
    Contender::new("code flow, valetkey", || (), move |()| app.sign_in_and_call())
}

/// The request as it would be sent for this code and verifier.
pub(crate) fn a_token_request() -> Request {
    let app = App::new();
    sent(app.redeem(app.receive()).step(Event::Go, &app.env()).expect("a request"))
}

/// A program with one client at one server, and the server's answers.
struct App {
    server: ServerMetadata,
    request: AuthorizationRequest,
    party: Arc<Party>,
    origins: Arc<[Origin]>,
    api: Uri,
    random: SystemRandom,
    crypto: CryptoProvider,
}

impl App {
    fn new() -> Self {
        let issuer = Issuer::parse(ISSUER).expect("an issuer");
        let server = ServerMetadata::new(issuer.clone())
            .with_authorization_endpoint(AUTHORIZE)
            .and_then(|server| server.with_token_endpoint(TOKEN))
            .expect("endpoints");
        let client = ClientMetadata::new(CLIENT_ID)
            .expect("a client id")
            .with_auth(ClientAuth::secret_basic(CLIENT_SECRET))
            .with_redirect_uri(REDIRECT_URI)
            .expect("a redirect URI");
        let party = Party::client(issuer, client.id(), client.auth()).expect("a secret");
        let request = AuthorizationRequest::new(&server, &client)
            .and_then(|request| request.with_scope(&SCOPES.join(" ")))
            .expect("a request");
        Self {
            server,
            request,
            party: Arc::new(party),
            origins: Arc::new([Origin::parse(API).expect("an origin")]),
            api: Uri::from_static(API),
            random: SystemRandom::new(),
            crypto: CryptoProvider::ring(),
        }
    }

    fn env(&self) -> Env<'_> {
        Env { now: Timestamp::from_secs(1_700_000_000), random: &self.random, crypto: &self.crypto }
    }

    fn redeem(&self, received: AuthorizationResponse) -> Call<AuthorizationCodeGrant> {
        let grant = AuthorizationCodeGrant::new(&self.server, received).expect("a grant");
        Call::new(grant, self.party.clone())
    }

    /// The user signs in, and the browser comes back.
    fn receive(&self) -> AuthorizationResponse {
        let (url, pending) = self.request.start(&self.env()).expect("a URL");
        pending.receive(callback(url.as_str())).expect("a code")
    }

    fn sign_in_and_call(&self) -> Response {
        let env = self.env();
        let mut call = self.redeem(self.receive());
        drop(sent(call.step(Event::Go, &env).expect("a request")));
        let tokens = done(call.step(Event::Response(self.tokens()), &env).expect("tokens"));

        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = self.api.clone();
        let token = tokens.access_token().clone();
        let bearer = Party::bearer(self.server.issuer().clone(), token, self.origins.clone());
        let mut call = Call::new(ResourceRequest::new(request), Arc::new(bearer));
        drop(sent(call.step(Event::Go, &env).expect("a request")));
        done(call.step(Event::Response(Response::new(Bytes::new())), &env).expect("an answer"))
    }

    /// The server's answer to a code.
    fn tokens(&self) -> Response {
        let mut response = Response::new(Bytes::from_static(TOKENS.as_bytes()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        response
    }
}

/// Where the browser comes back to from this URL.
fn callback(url: &str) -> String {
    let (_, state) = url.split_once("&state=").expect("a state");
    let state = state.split('&').next().unwrap_or_default();
    [REDIRECT_URI, "?code=", CODE, "&state=", state].concat()
}

fn sent<T>(step: Step<T>) -> Request {
    match step {
        Step::Send(request, _) => request,
        step => panic!("{step:?} in place of a request"),
    }
}

fn done<T>(step: Step<T>) -> T {
    match step {
        Step::Done(output) => output,
        step => panic!("{step:?} in place of a result"),
    }
}
