//! A provider of a profile, driven by hand: what is sent to it, and what is made of its answers.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use valetkey::{
    Result, Timestamp,
    crypto::CryptoProvider,
    oauth2::{
        authorization::{AuthorizationRequest, Callback, PendingAuthorization},
        client::{ClientAuth, ClientMetadata},
        endpoint::revocation::RevocationRequest,
        grant::{AuthorizationCodeGrant, ClientCredentialsGrant, RefreshTokenGrant},
        resource::ResourceRequest,
        server::ServerMetadata,
        token::{TokenResponse, TokenSet},
    },
    profile::{ProviderProfile, preset},
    secret::{AccessToken, RefreshToken},
};
use valetkey_http::{Request, Response};
use valetkey_proto::{
    Call, Env, Event, Exchange, Flow, Party, Step,
    endpoint::Origin,
    random::{RandomFailed, SecureRandom},
};

/// What comes back from a sign-in, but for the state.
pub(crate) const CODE: &str = "code=c0de";
/// An answer that has nothing of a provider's own.
pub(crate) const PLAIN: &str =
    r#"{"access_token":"at","token_type":"bearer","expires_in":3600,"refresh_token":"rt"}"#;

/// A provider, and the client `app` with the secret `s3cret` at it, who does it by `Basic` unless the profile knows better.
pub(crate) struct Provider {
    server: ServerMetadata,
    client: ClientMetadata,
}

impl Provider {
    pub(crate) fn preset(name: &str, variables: &[(&str, &str)]) -> Self {
        let profile = preset(name).expect(name);
        Self::of(variables.iter().fold(profile, |profile, (name, value)| profile.with_variable(name, value)))
    }

    pub(crate) fn of(profile: ProviderProfile) -> Self {
        let profile = profile.with_variable("client_id", "app");
        let auth = profile.client_auth("s3cret".into());
        let auth = auth.unwrap_or_else(|| ClientAuth::secret_basic("s3cret"));
        let client = ClientMetadata::new("app").unwrap().with_auth(auth);
        Self {
            server: profile.server().unwrap(),
            client: client.with_redirect_uri("https://app.example/cb").unwrap(),
        }
    }

    fn begin(&self, scope: &str) -> (String, PendingAuthorization) {
        let request = AuthorizationRequest::new(&self.server, &self.client).unwrap();
        let (url, pending) = request.with_scope(scope).unwrap().start(&World::new().env()).unwrap();
        (url.into(), pending)
    }

    /// The URL of a sign-in, without what differs at each one.
    pub(crate) fn url(&self, scope: &str) -> String {
        masked(&self.begin(scope).0)
    }

    /// The tokens for the code of a callback with these parameters, or with `code=c0de`.
    pub(crate) fn exchange(&self, callback: &str, answer: Response) -> (String, Result<TokenResponse>) {
        let (url, pending) = self.begin("a b");
        let state = url.split("&state=").nth(1).expect("a state").split(['&', '#']).next().unwrap();
        let callback = format!("{callback}&state={state}");
        let callback = match url.contains("response_mode=form_post") {
            true => Callback::form(callback),
            false => Callback::uri(format!("https://app.example/cb?{callback}")),
        };
        let received = pending.receive(callback).unwrap();
        self.call(AuthorizationCodeGrant::new(&self.server, received).unwrap(), answer)
    }

    /// New tokens for the refresh token `rt`.
    pub(crate) fn renew(&self, answer: Response) -> (String, Result<TokenResponse>) {
        self.call(RefreshTokenGrant::new(&self.server, RefreshToken::new("rt")).unwrap(), answer)
    }

    /// Tokens without a user.
    pub(crate) fn credentials(&self, answer: Response) -> (String, Result<TokenResponse>) {
        self.call(ClientCredentialsGrant::new(&self.server, &self.client).unwrap(), answer)
    }

    /// Revokes the access token `at`.
    pub(crate) fn revoke(&self, answer: Response) -> (String, Result<()>) {
        let token = AccessToken::bearer("at").unwrap();
        self.call(RevocationRequest::new(&self.server, &token).unwrap(), answer)
    }

    fn call<E: Exchange>(&self, exchange: E, answer: Response) -> (String, Result<E::Output>) {
        let (issuer, client) = (self.server.issuer().clone(), &self.client);
        let party = Party::client(issuer, client.id(), client.auth()).unwrap();
        run(Call::new(exchange, Arc::new(party)), answer)
    }

    /// How a request to an API goes out with the token `at`.
    pub(crate) fn api(&self, request: Request) -> String {
        let origin = Origin::of(request.uri()).unwrap();
        let token = AccessToken::bearer("at").unwrap();
        let party =
            Party::bearer(self.server.issuer().clone(), token, [origin].into()).with_server(&self.server);
        run(Call::new(ResourceRequest::new(request), Arc::new(party)), json("{}")).0
    }
}

fn run<E: Exchange>(mut call: Call<E>, answer: Response) -> (String, Result<E::Output>) {
    let world = World::new();
    let Step::Send(request, _) = call.step(Event::Go, &world.env()).unwrap() else { panic!("nothing sent") };
    let outcome = match call.step(Event::Response(answer), &world.env()) {
        Ok(Step::Done(output)) => Ok(output),
        Ok(_) => panic!("it goes on"),
        Err(error) => Err(error),
    };
    (shown(&request), outcome)
}

/// A request in a line: method, URL, credentials, whatever else a profile may put into its head, and body.
fn shown(request: &Request) -> String {
    let mut line = format!("{} {}", request.method(), masked(&request.uri().to_string()));
    for (name, value) in request.headers() {
        let value = value.to_str().unwrap();
        match (name.as_str(), value.split_once(' ')) {
            ("authorization", Some(("Basic", encoded))) => {
                let credentials = STANDARD.decode(encoded).unwrap();
                line += &format!(" Basic({})", String::from_utf8(credentials).unwrap());
            }
            ("authorization", _) => line += &format!(" ({value})"),
            ("content-type", _) if value == "application/x-www-form-urlencoded" => {}
            ("accept" | "accept-encoding", _) => {}
            (name, _) => line += &format!(" ({name}: {value})"),
        }
    }
    format!("{line} {}", masked(&String::from_utf8_lossy(request.body()))).trim_end().to_owned()
}

/// A text with a `~` in the places of what is random, and `CB` in that of the redirect URI.
fn masked(text: &str) -> String {
    let mut masked = text.replace("https%3A%2F%2Fapp.example%2Fcb", "CB");
    for name in ["state=", "nonce=", "code_challenge=", "code_verifier=", "\"code_verifier\":\""] {
        if let Some(at) = masked.find(name).map(|at| at + name.len()) {
            let end = masked[at..].find(['&', '#', '"']).map_or(masked.len(), |end| at + end);
            masked.replace_range(at..end, "~");
        }
    }
    masked
}

/// Tokens in a line: token, type, seconds, refresh token, scope, and what is kept. APIs can be used with them.
pub(crate) fn read(tokens: &TokenResponse) -> String {
    TokenSet::of(tokens, None).unwrap();
    let mut line = format!("{} {}", tokens.access_token().expose(), tokens.token_type().as_str());
    line += &tokens.lifetime().map_or_else(String::new, |time| format!(" {}", time.as_secs()));
    line += &tokens.refresh_token().map_or_else(String::new, |token| format!(" {}", token.expose()));
    line += &tokens.scope().map_or_else(String::new, |scope| format!(" [{}]", scope.as_str()));
    for (name, value) in tokens.kept().into_iter().flat_map(|kept| kept.iter()) {
        line += &format!(" {name}={value}");
    }
    line
}

pub(crate) fn answer(status: u16, media_type: &str, body: &str) -> Response {
    let response = http::Response::builder().status(status).header("content-type", media_type);
    response.body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

pub(crate) fn json(body: &str) -> Response {
    answer(200, "application/json", body)
}

/// A clock that stands still, and randomness that repeats.
struct World(CryptoProvider);

impl World {
    fn new() -> Self {
        Self(CryptoProvider::ring())
    }

    fn env(&self) -> Env<'_> {
        Env { now: Timestamp::from_secs(1_700_000_000), random: &Sevens, crypto: &self.0 }
    }
}

#[derive(Debug)]
struct Sevens;

impl SecureRandom for Sevens {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomFailed> {
        buffer.fill(7);
        Ok(())
    }
}
