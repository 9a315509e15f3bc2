//! A provider whose tokens are bound to keys (RFC 9449): proofs are checked here, and the rest is the provider's.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, header::AUTHORIZATION};
use serde_json::{Value, json};
use valetkey_http::{Backend, Failure, Limits, Request, Response, Task};
use valetkey_proto::{
    Env,
    crypto::{CryptoProvider, SystemRandom},
    jose::jwt::{ProofOf, Validator},
};
use valetkey_testkit::Provider;

/// What the server does about nonces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nonces {
    /// It wants none.
    None,
    /// It wants the present one.
    Demanded,
    /// It wants the present one, and names another with every answer.
    Rotating,
    /// It is never content.
    ForEver,
    /// It names one of 100 KB.
    Huge,
}

/// The provider behind a guard.
#[derive(Clone)]
pub(crate) struct Guard(Arc<Inner>);

struct Inner {
    provider: Provider,
    state: Mutex<State>,
}

pub(crate) struct State {
    pub(crate) nonces: Nonces,
    /// Whether it answers with bearer tokens after all.
    pub(crate) downgrades: bool,
    turn: usize,
    keys: HashMap<String, String>,
    jtis: HashSet<String>,
    /// Requests to the token endpoint and to the API, refused ones included.
    pub(crate) asked: [usize; 2],
    /// The thumbprints of the keys that tokens were bound to.
    pub(crate) thumbprints: Vec<String>,
}

const TOKEN: usize = 0;
const API: usize = 1;

impl Guard {
    pub(crate) fn new(provider: &Provider, nonces: Nonces) -> Self {
        let state = State {
            nonces,
            downgrades: false,
            turn: 0,
            keys: HashMap::new(),
            jtis: HashSet::new(),
            asked: [0; 2],
            thumbprints: Vec::new(),
        };
        Self(Arc::new(Inner { provider: provider.clone(), state: Mutex::new(state) }))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    /// The thumbprint of the key of a good proof for this request, or the refusal.
    fn check(&self, request: &Request, place: usize, token: Option<&str>) -> Result<String, Response> {
        let mut state = self.state();
        state.asked[place] += 1;
        let nonce = format!("{}-{}", ["as", "api"][place], state.turn);
        let refuse = |code: &str| Err(refusal(place, code));
        let mut proofs = request.headers().get_all("dpop").iter();
        let (Some(proof), None) = (proofs.next(), proofs.next()) else { return refuse("invalid_dpop_proof") };
        let mut of = ProofOf::new(request.method(), request.uri());
        if let Some(token) = token {
            of = of.access_token(token);
        }
        let env = Env {
            now: self.0.provider.now().into(),
            random: &SystemRandom::new(),
            crypto: &CryptoProvider::ring(),
        };
        let Ok((proof, jwk)) =
            Validator::dpop_proof().validate_proof(proof.to_str().unwrap_or_default(), &of, &env)
        else {
            return refuse("invalid_dpop_proof");
        };
        if !state.jtis.insert(proof.id().unwrap_or_default().to_owned()) {
            return refuse("invalid_dpop_proof");
        }
        let is_fresh = match state.nonces {
            Nonces::None => true,
            Nonces::Demanded | Nonces::Rotating => proof.nonce() == Some(&nonce),
            Nonces::ForEver | Nonces::Huge => false,
        };
        if is_fresh { Ok(jwk.thumbprint(env.crypto)) } else { refuse("use_dpop_nonce") }
    }

    /// Names a nonce for the next request.
    fn name_nonce(&self, mut response: Response, place: usize) -> Response {
        let mut state = self.state();
        if matches!(state.nonces, Nonces::Rotating | Nonces::ForEver) {
            state.turn += 1;
        }
        let nonce = match state.nonces {
            Nonces::None => return response,
            Nonces::Huge => "n".repeat(100 << 10),
            _ => format!("{}-{}", ["as", "api"][place], state.turn),
        };
        response.headers_mut().insert("dpop-nonce", nonce.parse().unwrap());
        response
    }

    async fn token(&self, request: Request, limits: Limits) -> Result<Response, Failure> {
        let jkt = match self.check(&request, TOKEN, None) {
            Ok(jkt) => jkt,
            Err(refusal) => return Ok(refusal),
        };
        let form = String::from_utf8_lossy(request.body()).into_owned();
        let part = |name: &str| form.split('&').find_map(|pair| pair.strip_prefix(name)).map(str::to_owned);
        if let Some(used) = part("refresh_token=")
            && self.state().keys.get(&used).is_some_and(|bound| *bound != jkt)
        {
            return Ok(refusal(TOKEN, "invalid_grant"));
        }
        let response = self.0.provider.send(request, limits).await?;
        let Ok(mut tokens) = serde_json::from_slice::<Value>(response.body()) else { return Ok(response) };
        let mut state = self.state();
        for name in ["access_token", "refresh_token"] {
            if let Some(token) = tokens[name].as_str() {
                state.keys.insert(token.to_owned(), jkt.clone());
            }
        }
        if tokens["access_token"].is_string() && !state.downgrades {
            tokens["token_type"] = json!("DPoP");
            state.thumbprints.push(jkt);
        }
        let (mut parts, _) = response.into_parts();
        parts.headers.remove("content-length");
        Ok(Response::from_parts(parts, Bytes::from(tokens.to_string())))
    }

    async fn api(&self, mut request: Request, limits: Limits) -> Result<Response, Failure> {
        let shown = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some(token) = shown.and_then(|shown| shown.strip_prefix("DPoP ")).map(str::to_owned) else {
            self.state().asked[API] += 1;
            return Ok(refusal(API, "invalid_token"));
        };
        match self.check(&request, API, Some(&token)) {
            Err(refusal) => return Ok(refusal),
            Ok(jkt) if self.state().keys.get(&token) != Some(&jkt) => {
                return Ok(refusal(API, "invalid_token"));
            }
            Ok(_) => {}
        }
        let bearer = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
        request.headers_mut().insert(AUTHORIZATION, bearer);
        let mut response = self.0.provider.send(request, limits).await?;
        if let Some(challenge) = response.headers().get("www-authenticate") {
            let challenge = challenge.to_str().unwrap().replace("Bearer", "DPoP");
            response.headers_mut().insert("www-authenticate", challenge.parse().unwrap());
        }
        Ok(response)
    }
}

fn refusal(place: usize, code: &str) -> Response {
    let mut response = Response::new(Bytes::new());
    if place == TOKEN {
        *response.status_mut() = http::StatusCode::BAD_REQUEST;
        *response.body_mut() = Bytes::from(json!({ "error": code }).to_string());
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    } else {
        *response.status_mut() = http::StatusCode::UNAUTHORIZED;
        let challenge = format!("DPoP error=\"{code}\", algs=\"ES256\"");
        response.headers_mut().insert("www-authenticate", challenge.parse().unwrap());
    }
    response
}

#[async_trait]
impl Backend for Guard {
    async fn send(&self, request: Request, limits: Limits) -> Result<Response, Failure> {
        let (place, answer) = match request.uri().path() {
            "/token" => (TOKEN, self.token(request, limits).await?),
            path if path.starts_with("/api") => (API, self.api(request, limits).await?),
            _ => return self.0.provider.send(request, limits).await,
        };
        Ok(self.name_nonce(answer, place))
    }

    async fn sleep(&self, time: Duration) {
        self.0.provider.sleep(time).await;
    }

    fn now(&self) -> SystemTime {
        self.0.provider.now()
    }

    fn spawn(&self, task: Task) -> Result<(), Task> {
        self.0.provider.spawn(task)
    }
}
