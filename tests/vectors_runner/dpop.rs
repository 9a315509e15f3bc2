//! RFC 9449: what a proof says, and whether one is taken.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, Method, Uri};
use serde_json::Value;
use valetkey_http::{Request, Response};
use valetkey_proto::{
    Call, Event, Exchange, Flow, Party, Result, Step,
    crypto::{CryptoProvider, PrivateKey, SignatureAlgorithm},
    endpoint::Origin,
    jose::jwt::{Kind, ProofOf, Validator, Writer},
    oauth2::{
        binding::Dpop,
        client::{ClientAuth, ClientMetadata},
        grant::ClientCredentialsGrant,
        resource::ResourceRequest,
        server::{Issuer, ServerMetadata},
    },
    secret::AccessToken,
};

use super::{
    case::Case,
    check::{Answer, Checks, Stop},
    world::World,
};

pub(crate) fn run(case: &Case, crypto: CryptoProvider) -> Answer {
    let checks = Checks::of(case);
    match case.text("op") {
        Some("ath") => checks.same("ath", written(case, "ath", crypto)?),
        Some("htu") => checks.same("htu", written(case, "htu", crypto)?),
        Some("retry") => retry(case, &checks, &World::new().with(crypto))?,
        Some("verify_proof") => checks.same("jkt", verify(case, crypto)?),
        other => return Err(Stop::unanswered(format!("op={}", other.unwrap_or_default()))),
    }
    checks.done()
}

fn uri(case: &Case) -> Result<Uri, Stop> {
    case.text("url").unwrap_or("https://rs.example/").parse().map_err(Stop::refused)
}

/// A claim of the proof that is written for this request.
fn written(case: &Case, claim: &str, crypto: CryptoProvider) -> Result<String, Stop> {
    let world = World::new().with(crypto);
    let jwk = case.shared["test_private_jwk"].to_string();
    let key = PrivateKey::parse(jwk.as_bytes())?.signing_key(SignatureAlgorithm::Es256, &world.crypto)?;
    let writer = Writer::new(Kind::DpopProof, key)?;
    let token = case.text("access_token");
    let claims = writer.dpop_proof(&Method::GET, &uri(case)?, token, None, &world.env())?;
    let claims: Value = serde_json::from_str(claims.expose()).expect("JSON");
    Ok(claims[claim].as_str().expect("a text").to_owned())
}

/// The thumbprint of the key of a proof that is taken.
fn verify(case: &Case, crypto: CryptoProvider) -> Result<String, Stop> {
    let world = World::at(case.input["now"].as_i64().expect("a time")).with(crypto);
    let method = Method::from_bytes(case.text("method").expect("a method").as_bytes()).expect("a method");
    let uri = uri(case)?;
    let mut request = ProofOf::new(&method, &uri);
    if let Some(token) = case.text("access_token") {
        request = request.access_token(token);
    }
    if let Some(nonce) = case.text("nonce") {
        request = request.nonce(nonce);
    }
    if let Some(jkt) = case.text("expected_jkt") {
        request = request.thumbprint(jkt);
    }
    let proof = case.text("proof").expect("a proof");
    let (_, jwk) = Validator::dpop_proof().validate_proof(proof, &request, &world.env())?;
    Ok(jwk.thumbprint(&world.crypto))
}

/// What a client does with an answer, and with which nonce it comes again.
fn retry(case: &Case, checks: &Checks<'_>, world: &World) -> Result<(), Stop> {
    let status = case.input["status"].as_u64().expect("a status");
    // An API answers 401, the server 400 (RFC 9449 §8, §9).
    let is_api = status == 401;
    let mut response =
        Response::new(Bytes::copy_from_slice(case.text("body").unwrap_or_default().as_bytes()));
    *response.status_mut() =
        u16::try_from(status).ok().and_then(|status| status.try_into().ok()).expect("a status");
    for (name, value) in case.input["headers"].as_object().expect("headers") {
        let name: HeaderName = name.parse().map_err(Stop::refused)?;
        let value = value.as_str().expect("a text").parse().map_err(Stop::refused)?;
        response.headers_mut().insert(name, value);
    }
    let is_second = checks.expected("when").is_some();
    let seen = if is_api { api(&response, is_second, world)? } else { server(&response, is_second, world)? };
    let action = match (seen.again, is_api) {
        (true, _) => "retry_once",
        // An API's refusal is handed to the session, which renews.
        (false, true) => "fail_or_refresh",
        (false, false) => "fail",
    };
    checks.same("action", action);
    if seen.again {
        checks.same("nonce", seen.nonce.clone().unwrap_or_default());
    }
    if let Some(place) = checks.expected("store_nonce_for") {
        let own = if is_api { "resource server origin" } else { "authorization server origin" };
        if place != own || seen.elsewhere.is_some() {
            checks.wrong(format!("the nonce is known for another origin: {:?}", seen.elsewhere));
        }
    }
    if checks.expected("store_nonce").is_some() {
        checks.same("store_nonce", seen.nonce.unwrap_or_default());
    }
    Ok(())
}

/// What was seen of a client that got an answer.
struct Seen {
    /// Whether it sent the request again.
    again: bool,
    /// The nonce of the next proof to the same origin.
    nonce: Option<String>,
    /// The nonce of the next proof to another origin.
    elsewhere: Option<String>,
}

fn api(response: &Response, is_second: bool, world: &World) -> Result<Seen, Stop> {
    let call = |dpop: &Dpop, host: &str| {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = format!("https://{host}/").parse().expect("a URI");
        let origins: Arc<[Origin]> = [Origin::parse(&format!("https://{host}"))?].into();
        let token = AccessToken::dpop("token").expect("visible ASCII");
        let party = Party::bearer(Issuer::parse("https://as.example")?, token, origins);
        Ok(Call::new(ResourceRequest::new(request), Arc::new(party)).with_dpop(dpop.clone()))
    };
    see(response, is_second, world, call)
}

fn server(response: &Response, is_second: bool, world: &World) -> Result<Seen, Stop> {
    let call = |dpop: &Dpop, host: &str| {
        let issuer = Issuer::parse(&format!("https://{host}"))?;
        let server =
            ServerMetadata::new(issuer.clone()).with_token_endpoint(&format!("https://{host}/token"))?;
        let client = ClientMetadata::new("app")?.with_auth(ClientAuth::secret_basic("secret"));
        let party = Party::client(issuer, client.id(), client.auth())?;
        Ok(Call::new(ClientCredentialsGrant::new(&server, &client)?, Arc::new(party)).with_dpop(dpop.clone()))
    };
    see(response, is_second, world, call)
}

fn see<E: Exchange>(
    response: &Response,
    is_second: bool,
    world: &World,
    call: impl Fn(&Dpop, &str) -> Result<Call<E>>,
) -> Result<Seen, Stop> {
    let dpop = Dpop::generate(SignatureAlgorithm::Es256, &world.crypto)?;
    let mut first = call(&dpop, "one.example")?;
    let mut step = first.step(Event::Go, &world.env());
    for _ in 0..if is_second { 2 } else { 1 } {
        assert!(matches!(step, Ok(Step::Send(..))), "a request is sent");
        step = first.step(Event::Response(response.clone()), &world.env());
    }
    let nonce_at = |host| {
        let request = world.first_request(call(&dpop, host)?)?;
        let proof = request.headers()["dpop"].to_str().map_err(Stop::refused)?;
        let of = ProofOf::new(request.method(), request.uri());
        let (proof, _) = Validator::dpop_proof().validate_proof(proof, &of, &world.env())?;
        Ok::<_, Stop>(proof.nonce().map(str::to_owned))
    };
    let again = matches!(step, Ok(Step::Send(..)));
    Ok(Seen { again, nonce: nonce_at("one.example")?, elsewhere: nonce_at("two.example")? })
}
