//! Calls with a key (RFC 9449): what proofs say, and what a demand for a nonce brings.

use std::sync::Arc;

use http::{Method, Uri};
use valetkey_http::{Failure, FailureKind, Request, Response, Sent};
use valetkey_proto::{
    Call, Error, ErrorCode, ErrorKind, Event, Exchange, Flow, Party, Reason, Retry, Step,
    crypto::{CryptoProvider, PrivateKey, RemoteKey, Signature, SignatureAlgorithm, SigningKey},
    endpoint::Origin,
    jose::jwt::{Jwt, ProofOf, Validator},
    oauth2::{
        authorization::{AuthorizationRequest, PendingAuthorization},
        binding::{Dpop, Nonces, Proof},
        client::{ClientId, ClientMetadata},
        resource::ResourceRequest,
        server::{Issuer, ServerMetadata},
        token::{Strictness, TokenRecord, TokenResponse, TokenSet},
    },
    seal::{SealingKey, SealingKeys},
    secret::AccessToken,
};

use crate::{
    call::ask,
    transcript::{START, World, answer, demand, json},
};

fn crypto() -> CryptoProvider {
    CryptoProvider::ring()
}

fn dpop() -> Dpop {
    Dpop::generate(SignatureAlgorithm::Es256, &crypto()).unwrap()
}

fn issuer() -> Issuer {
    Issuer::parse("https://as.example").unwrap()
}

/// A call to an API with this token.
fn call_api(token: AccessToken, request: ResourceRequest) -> Call<ResourceRequest> {
    let origins: Arc<[Origin]> = [Origin::parse("https://api.example").unwrap()].into();
    Call::new(request, Arc::new(Party::bearer(issuer(), token, origins)))
}

fn resource() -> ResourceRequest {
    ResourceRequest::new(Request::new(bytes::Bytes::new()).map_uri("https://api.example/me?q=1#f"))
}

trait MapUri {
    fn map_uri(self, uri: &str) -> Self;
}

impl MapUri for Request {
    fn map_uri(mut self, uri: &str) -> Self {
        *self.uri_mut() = uri.parse().unwrap();
        self
    }
}

fn sent<E: Exchange>(call: &mut Call<E>, event: Event, world: &World) -> Request {
    match call.step(event, &world.env()).unwrap() {
        Step::Send(request, _) => request,
        other => panic!("{other:?}"),
    }
}

fn failed<E: Exchange>(call: &mut Call<E>, event: Event, world: &World) -> Error {
    call.step(event, &world.env()).map(|step| format!("{step:?}")).unwrap_err()
}

/// Checks the proof of a request as a server does: for this request, token, nonce and key.
fn check(request: &Request, token: Option<&str>, nonce: Option<&str>, dpop: &Dpop) -> Jwt {
    let proofs: Vec<_> = request.headers().get_all("dpop").iter().collect();
    let [proof] = proofs[..] else { panic!("{} proofs", proofs.len()) };
    let mut of = ProofOf::new(request.method(), request.uri()).thumbprint(dpop.thumbprint());
    if let Some(token) = token {
        of = of.access_token(token);
    }
    if let Some(nonce) = nonce {
        of = of.nonce(nonce);
    }
    let world = World::new();
    let (proof, _) =
        Validator::dpop_proof().validate_proof(proof.to_str().unwrap(), &of, &world.env()).unwrap();
    assert_eq!(proof.claim::<String>("ath").is_some(), token.is_some());
    assert_eq!(proof.claim::<String>("nonce").as_deref(), nonce);
    proof
}

/// An API's demand for a nonce.
fn challenge(scheme: &str, nonce: &str) -> Response {
    let mut response = answer(401, "", "");
    let challenge = format!("{scheme} error=\"use_dpop_nonce\", error_description=\"nonce please\"");
    response.headers_mut().insert("www-authenticate", challenge.parse().unwrap());
    response.headers_mut().insert("dpop-nonce", nonce.parse().unwrap());
    response
}

fn with_nonce(mut response: Response, nonce: &str) -> Event {
    response.headers_mut().insert("dpop-nonce", nonce.parse().unwrap());
    Event::Response(response)
}

#[test]
fn s_dp_01_every_attempt_has_a_proof_of_its_own() {
    let (mut world, dpop) = (World::new(), dpop());
    let mut call = Call::anonymous(ask(Retry::IDEMPOTENT)).with_dpop(dpop.clone());
    let mut request = sent(&mut call, Event::Go, &world);
    let mut seen = Vec::new();
    for _ in 0..3 {
        let proof = check(&request, None, None, &dpop);
        assert_eq!(proof.claim::<String>("htu").as_deref(), Some("https://as.example/ask"));
        assert_eq!(proof.claim::<i64>("iat"), Some(world.now.as_secs()));
        let jti = proof.claim::<String>("jti").unwrap();
        assert!(jti.len() == 43 && !seen.contains(&jti), "{jti}");
        seen.push(jti);
        let failure = Failure::new(Sent::Nothing, FailureKind::Connect);
        let Step::Wait(time) = call.step(Event::Failure(failure), &world.env()).unwrap() else { panic!() };
        world.now = world.now + time;
        request = sent(&mut call, Event::Go, &world);
    }
}

#[test]
fn s_dp_01_an_api_is_shown_the_token_and_a_proof_for_it() {
    let (world, dpop) = (World::new(), dpop());
    let token = AccessToken::dpop("at.1").unwrap();
    let mut call = call_api(token, resource()).with_dpop(dpop.clone());
    let request = sent(&mut call, Event::Go, &world);
    assert_eq!(request.headers()["authorization"], "DPoP at.1");
    let proof = check(&request, Some("at.1"), None, &dpop);
    assert_eq!(proof.claim::<String>("htu").as_deref(), Some("https://api.example/me"));
    // Of another token, another method or another place it is no proof.
    let proof = request.headers()["dpop"].to_str().unwrap();
    let elsewhere: Uri = "https://api.example/you".parse().unwrap();
    let other_origin: Uri = "https://evil.example/me".parse().unwrap();
    for of in [
        ProofOf::new(&Method::GET, request.uri()).access_token("at.2"),
        ProofOf::new(&Method::POST, request.uri()).access_token("at.1"),
        ProofOf::new(&Method::GET, &elsewhere).access_token("at.1"),
        ProofOf::new(&Method::GET, &other_origin).access_token("at.1"),
    ] {
        assert!(Validator::dpop_proof().validate_proof(proof, &of, &world.env()).is_err());
    }
}

#[test]
fn s_dp_01_a_bound_token_goes_nowhere_without_its_key_and_a_bearer_token_needs_none() {
    let world = World::new();
    let bound = AccessToken::dpop("at").unwrap();
    let error = failed(&mut call_api(bound.clone(), resource()), Event::Go, &world);
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::KeyMissing));

    let mut call = call_api(AccessToken::bearer("at").unwrap(), resource()).with_dpop(dpop());
    let request = sent(&mut call, Event::Go, &world);
    assert!(request.headers()["authorization"] == "Bearer at" && !request.headers().contains_key("dpop"));

    let mut request = Request::new(bytes::Bytes::new()).map_uri("https://api.example/");
    request.headers_mut().insert("dpop", "mine".parse().unwrap());
    let mut call = call_api(bound, ResourceRequest::new(request)).with_dpop(dpop());
    assert_eq!(failed(&mut call, Event::Go, &world).reason(), Reason::AlreadyAuthorized);
}

#[test]
fn s_dp_03_a_code_is_sent_again_when_the_server_demands_a_nonce_and_never_otherwise() {
    let (world, dpop) = (World::new(), dpop());
    let mut call = Call::anonymous(ask(Retry::ONE_TIME)).with_dpop(dpop.clone());
    let first = sent(&mut call, Event::Go, &world);
    let second = sent(&mut call, Event::Response(demand("n1")), &world);
    assert_eq!(first.body(), second.body());
    let jti = |proof: Jwt| proof.claim::<String>("jti").unwrap();
    assert_ne!(jti(check(&first, None, None, &dpop)), jti(check(&second, None, Some("n1"), &dpop)));
    // The answer to the second is final, whatever it is.
    let error = failed(&mut call, Event::Failure(Failure::new(Sent::Maybe, FailureKind::Closed)), &world);
    assert_eq!(error.reason(), Reason::OutcomeUnknown);
    assert_eq!(failed(&mut call, Event::Go, &world).reason(), Reason::OutOfTurn);
    // Without a key, it is an error like any other.
    let mut call = Call::anonymous(ask(Retry::ONE_TIME));
    sent(&mut call, Event::Go, &world);
    assert_eq!(failed(&mut call, Event::Response(demand("n1")), &world).reason(), Reason::ServerFailed);
}

#[test]
fn s_dp_03_a_demand_for_ever_costs_one_request() {
    let world = World::new();
    let mut call = Call::anonymous(ask(Retry::IDEMPOTENT)).with_dpop(dpop());
    sent(&mut call, Event::Go, &world);
    sent(&mut call, Event::Response(demand("n1")), &world);
    let error = failed(&mut call, Event::Response(demand("n2")), &world);
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::NonceDemanded));
    assert_eq!(error.response().map(|refused| refused.code().clone()), Some(ErrorCode::UseDpopNonce));

    let mut call = call_api(AccessToken::dpop("at").unwrap(), resource()).with_dpop(dpop());
    sent(&mut call, Event::Go, &world);
    sent(&mut call, Event::Response(challenge("DPoP", "n1")), &world);
    let error = failed(&mut call, Event::Response(challenge("DPoP", "n2")), &world);
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::NonceDemanded));
    assert!(error.status().is_some() && error.challenges().iter().any(|one| one.demands_nonce()));
}

#[test]
fn s_dp_03_a_demand_without_a_nonce_that_can_be_used_is_an_error() {
    let world = World::new();
    for nonce in [String::new(), "a b".to_owned(), "\"".to_owned(), "n".repeat(100 << 10)] {
        let mut call = Call::anonymous(ask(Retry::ONE_TIME)).with_dpop(dpop());
        sent(&mut call, Event::Go, &world);
        let error = failed(&mut call, Event::Response(demand(&nonce)), &world);
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::NonceDemanded));
        assert!(nonce.len() < 2 || !format!("{error:?}").contains(&nonce));
    }
    let mut call = Call::anonymous(ask(Retry::ONE_TIME)).with_dpop(dpop());
    sent(&mut call, Event::Go, &world);
    let without = json(400, r#"{"error":"use_dpop_nonce"}"#);
    assert_eq!(failed(&mut call, Event::Response(without), &world).reason(), Reason::NonceDemanded);
}

#[test]
fn s_dp_03_the_newest_nonce_of_any_answer_is_used_at_its_own_origin() {
    let (world, dpop) = (World::new(), dpop());
    let token = || AccessToken::dpop("at").unwrap();
    let mut seen = None::<String>;
    // A new nonce with every answer, successes included: it costs no further request.
    for at in 0..5 {
        let mut call = call_api(token(), resource()).with_dpop(dpop.clone());
        let request = sent(&mut call, Event::Go, &world);
        check(&request, Some("at"), seen.as_deref(), &dpop);
        let nonce = format!("api{at}");
        let status = [200, 500, 401, 302, 429][at];
        assert!(matches!(
            call.step(with_nonce(answer(status, "", ""), &nonce), &world.env()),
            Ok(Step::Done(_))
        ));
        seen = Some(nonce);
    }
    // The server's own are others.
    let mut call = Call::anonymous(ask(Retry::NEVER)).with_dpop(dpop.clone());
    check(&sent(&mut call, Event::Go, &world), None, None, &dpop);
    let _ = call.step(with_nonce(answer(200, "", ""), "as"), &world.env()).unwrap();
    let mut call = Call::anonymous(ask(Retry::NEVER)).with_dpop(dpop.clone());
    check(&sent(&mut call, Event::Go, &world), None, Some("as"), &dpop);
    let mut call = call_api(token(), resource()).with_dpop(dpop.clone());
    check(&sent(&mut call, Event::Go, &world), Some("at"), Some("api4"), &dpop);
    // Another key of the same client knows them, too, if it is told.
    let nonces = Arc::new(Nonces::new());
    let [first, second] = [dpop.clone(), self::dpop()].map(|dpop| dpop.with_nonces(Arc::clone(&nonces)));
    let mut call = Call::anonymous(ask(Retry::NEVER)).with_dpop(first);
    sent(&mut call, Event::Go, &world);
    let _ = call.step(with_nonce(answer(200, "", ""), "shared"), &world.env()).unwrap();
    let mut call = Call::anonymous(ask(Retry::NEVER)).with_dpop(second.clone());
    check(&sent(&mut call, Event::Go, &world), None, Some("shared"), &second);
}

#[test]
fn s_dp_03_a_challenge_counts_in_whatever_case_and_only_from_an_api() {
    let world = World::new();
    for scheme in ["DPoP", "dPoP", "dpop", "Bearer error=\"invalid_token\", DPoP"] {
        let mut call = call_api(AccessToken::dpop("at").unwrap(), resource()).with_dpop(dpop());
        sent(&mut call, Event::Go, &world);
        sent(&mut call, Event::Response(challenge(scheme, "n")), &world);
    }
    // Not for a request that must not be sent twice, and not by its body: both are the user's to read.
    let bodied = with_nonce(json(401, r#"{"error":"use_dpop_nonce"}"#), "n");
    for (request, event) in
        [(resource().sent_once(), Event::Response(challenge("DPoP", "n"))), (resource(), bodied)]
    {
        let mut call = call_api(AccessToken::dpop("at").unwrap(), request).with_dpop(dpop());
        sent(&mut call, Event::Go, &world);
        assert!(matches!(call.step(event, &world.env()), Ok(Step::Done(_))));
    }
}

#[test]
fn s_dp_03_a_demand_is_answered_once_more_after_another_answer() {
    let (mut world, dpop) = (World::new(), dpop());
    let mut call = Call::anonymous(ask(Retry::IDEMPOTENT)).with_dpop(dpop.clone());
    sent(&mut call, Event::Go, &world);
    for round in 0..3 {
        let nonce = format!("n{round}");
        let request = sent(&mut call, Event::Response(demand(&nonce)), &world);
        check(&request, None, Some(&nonce), &dpop);
        let Ok(Step::Wait(time)) = call.step(Event::Response(answer(503, "", "")), &world.env()) else {
            panic!("busy")
        };
        world.now = world.now + time;
        sent(&mut call, Event::Go, &world);
    }
    sent(&mut call, Event::Response(demand("n3")), &world);
    assert_eq!(failed(&mut call, Event::Response(demand("n4")), &world).reason(), Reason::NonceDemanded);
}

#[test]
fn s_dp_05_a_key_elsewhere_signs_every_attempt() {
    let world = World::new();
    let key = PrivateKey::generate(SignatureAlgorithm::Es256, &crypto()).unwrap();
    let here = key.signing_key(SignatureAlgorithm::Es256, &crypto()).unwrap();
    let elsewhere =
        RemoteKey::new("hsm/1", SignatureAlgorithm::Es256).with_public_jwk(here.public_jwk().unwrap());
    let dpop = Dpop::new(SigningKey::Remote(elsewhere), &crypto()).unwrap();
    assert_eq!(dpop.thumbprint(), Dpop::new(here.clone(), &crypto()).unwrap().thumbprint());
    let SigningKey::Local(signer) = here else { panic!("here") };
    let sign = |signing: valetkey_proto::Signing| {
        let mut signature = Signature::new();
        signer.sign(&signing.message, &mut signature).unwrap();
        Event::Signed(Ok(signature.as_ref().to_vec()))
    };
    let mut call = Call::anonymous(ask(Retry::ONE_TIME)).with_dpop(dpop.clone());
    let mut event = Event::Go;
    for nonce in [None, Some("n1")] {
        let Step::Sign(signing) = call.step(event, &world.env()).unwrap() else { panic!("to be signed") };
        check(&sent(&mut call, sign(signing), &world), None, nonce, &dpop);
        event = Event::Response(demand("n1"));
    }
    // A proof for a request that somebody else sends.
    let uri: Uri = "https://api.example/x".parse().unwrap();
    let mut proof = Proof::new(&dpop, Method::PUT, uri.clone(), AccessToken::dpop("at").unwrap());
    assert!(proof.step(Event::Response(answer(200, "", "")), &world.env()).is_err());
    let Ok(Step::Sign(_)) = proof.step(Event::Go, &world.env()) else { panic!("to be signed") };
    let Ok(Step::Sign(signing)) = proof.step(Event::Go, &world.env()) else { panic!("again") };
    let Ok(Step::Done(value)) = proof.step(sign(signing), &world.env()) else { panic!("signed") };
    let of = ProofOf::new(&Method::PUT, &uri).access_token("at").thumbprint(dpop.thumbprint());
    Validator::dpop_proof().validate_proof(value.to_str().unwrap(), &of, &world.env()).unwrap();
    // A signer that fails.
    let mut proof = Proof::new(&dpop, Method::PUT, uri, AccessToken::dpop("at").unwrap());
    let _ = proof.step(Event::Go, &world.env()).unwrap();
    let error = proof.step(Event::Signed(Err("locked".into())), &world.env()).unwrap_err();
    assert_eq!(error.reason(), Reason::SigningFailed);
}

fn token_response(token_type: &str) -> TokenResponse {
    let body = format!(r#"{{"access_token":"at","refresh_token":"rt","token_type":"{token_type}"}}"#);
    TokenResponse::parse(&json(200, &body), START, Strictness::Strict).unwrap()
}

#[test]
fn s_tk_09_a_token_that_is_not_bound_is_refused_if_a_bound_one_was_asked_for() {
    let dpop = dpop();
    for name in ["DPoP", "dpop", "DPOP"] {
        let tokens = TokenSet::bound(&token_response(name), None, dpop.kept()).unwrap();
        assert_eq!(tokens.access_token().header(), "DPoP at");
        assert_eq!(tokens.key(), Some(dpop.kept()));
        let error = tokens.renewed(&token_response("Bearer")).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::TokenNotBound));
        assert_eq!(tokens.renewed(&token_response(name)).unwrap().key(), Some(dpop.kept()), "the same key");
        // And one that nobody asked to be bound cannot be used.
        let error = TokenSet::of(&token_response(name), None).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Protocol, Reason::UnsupportedTokenType));
    }
    let error = TokenSet::bound(&token_response("Bearer"), None, dpop.kept()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::TokenNotBound));
    let error = TokenSet::bound(&token_response("mac"), None, dpop.kept()).unwrap_err();
    assert_eq!(error.reason(), Reason::UnsupportedTokenType);
}

#[test]
fn s_dp_04_a_record_holds_the_key_that_was_made_for_it() {
    let made = dpop();
    let tokens = TokenSet::bound(&token_response("DPoP"), None, made.kept()).unwrap();
    let record = TokenRecord::new(issuer(), ClientId::parse("app").unwrap(), 0, tokens);
    let text = record.to_text();
    assert!(text.expose().contains(r#""v":"2""#), "a program of version 1 refuses it");
    let read = TokenRecord::parse(text.expose()).unwrap();
    assert_eq!(read.tokens(), record.tokens());
    assert_eq!(read.tokens().access_token().header(), "DPoP at");
    let restored = Dpop::restored(read.tokens().key().unwrap(), &crypto()).unwrap();
    assert_eq!(restored.thumbprint(), made.thumbprint());

    // A key of the program's own is not in it, and is missed.
    let key = PrivateKey::generate(SignatureAlgorithm::EdDsa, &crypto()).unwrap();
    let own = Dpop::new(key.signing_key(SignatureAlgorithm::EdDsa, &crypto()).unwrap(), &crypto()).unwrap();
    let kept = TokenSet::bound(&token_response("DPoP"), None, own.kept()).unwrap();
    let record = TokenRecord::new(issuer(), ClientId::parse("app").unwrap(), 0, kept);
    let read = TokenRecord::parse(record.to_text().expose()).unwrap();
    let error = Dpop::restored(read.tokens().key().unwrap(), &crypto()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::KeyMissing));

    // Nor does another key do.
    let swapped = text.expose().replace(made.thumbprint(), dpop().thumbprint());
    let read = TokenRecord::parse(&swapped).unwrap();
    let error = Dpop::restored(read.tokens().key().unwrap(), &crypto()).unwrap_err();
    assert_eq!(error.reason(), Reason::KeyMissing);
    // And a key or a version alone is no record.
    for (from, to) in [
        ("\"v\":\"2\"", "\"v\":\"1\""),
        ("\"dpop_jkt\"", "\"x\""),
        ("\"dpop_key\":\"", "\"dpop_key\":\"AAAA"),
    ] {
        let bad = text.expose().replacen(from, to, 1);
        assert_eq!(TokenRecord::parse(&bad).unwrap_err().reason(), Reason::Malformed, "{from}");
    }
}

#[test]
fn s_dp_02_nothing_shows_the_key() {
    let dpop = dpop();
    let tokens = TokenSet::bound(&token_response("DPoP"), None, dpop.kept()).unwrap();
    let record = TokenRecord::new(issuer(), ClientId::parse("app").unwrap(), 0, tokens.clone()).to_text();
    let json: serde_json::Value = serde_json::from_str(record.expose()).unwrap();
    let key = json["dpop_key"].as_str().unwrap();
    let shown = format!("{dpop:?} {tokens:?} {:?} {record:?}", dpop.kept());
    assert!(!shown.contains(key) && shown.contains(dpop.thumbprint()), "{shown}");
    let call = Call::anonymous(ask(Retry::NEVER)).with_dpop(dpop);
    assert!(!format!("{call:?}").contains(key));
}

fn server(members: &str) -> ServerMetadata {
    let document = format!(
        r#"{{"issuer":"https://as.example","authorization_endpoint":"https://as.example/a",
            "token_endpoint":"https://as.example/token"{members}}}"#
    );
    ServerMetadata::parse(&issuer(), &document.into()).unwrap()
}

#[test]
fn s_dp_04_a_code_is_bound_to_the_key_and_the_key_is_kept_meanwhile() {
    let (world, dpop) = (World::new(), dpop());
    let client = ClientMetadata::new("app").unwrap().with_redirect_uri("https://app.example/cb").unwrap();
    let request = AuthorizationRequest::new(&server(""), &client).unwrap().with_dpop(&dpop).unwrap();
    assert_eq!(request.clone().with_dpop(&dpop).unwrap_err().reason(), Reason::ReservedParameter);
    assert!(request.clone().with_parameter("dpop_jkt", "x").is_err());
    let (url, pending) = request.start(&world.env()).unwrap();
    assert!(url.as_str().contains(&format!("&dpop_jkt={}", dpop.thumbprint())), "{url}");

    let keys = SealingKeys::new(SealingKey::new([1; 32]));
    let sealed = pending.seal(&keys, &world.env()).unwrap();
    let pending =
        PendingAuthorization::open(sealed.expose(), &issuer(), client.id(), &keys, &world.env()).unwrap();
    let state = url.as_str().split("&state=").nth(1).unwrap().split('&').next().unwrap();
    let received = pending.receive(format!("https://app.example/cb?code=c&state={state}")).unwrap();
    let restored = Dpop::restored(received.key().unwrap(), &crypto()).unwrap();
    assert_eq!(restored.thumbprint(), dpop.thumbprint());
    // Without a key there is none, before and after.
    let (url, pending) =
        AuthorizationRequest::new(&server(""), &client).unwrap().start(&world.env()).unwrap();
    assert!(!url.as_str().contains("dpop_jkt"));
    let sealed = pending.seal(&keys, &world.env()).unwrap();
    assert!(PendingAuthorization::open(sealed.expose(), &issuer(), client.id(), &keys, &world.env()).is_ok());
}

#[test]
fn s_dp_01_a_key_is_one_whose_proofs_the_server_takes() {
    let algorithms = |list: &str| server(&format!(r#","dpop_signing_alg_values_supported":{list}"#));
    for (server, algorithm, alg) in [
        (server(""), SignatureAlgorithm::Es256, "ES256"),
        (algorithms(r#"["RS256","ES256","EdDSA"]"#), SignatureAlgorithm::Es256, "ES256"),
        (algorithms(r#"["EdDSA"]"#), SignatureAlgorithm::EdDsa, "EdDSA"),
        (algorithms(r#"["Ed25519"]"#), SignatureAlgorithm::EdDsa, "Ed25519"),
        (algorithms(r#"["ES384"]"#), SignatureAlgorithm::Es384, "ES384"),
    ] {
        assert_eq!(Dpop::algorithm_for(&server).unwrap(), algorithm);
        let dpop = Dpop::generate_for(&server, &crypto()).unwrap();
        let mut call = Call::anonymous(ask(Retry::NEVER)).with_dpop(dpop.clone());
        let request = sent(&mut call, Event::Go, &World::new());
        let proof = request.headers()["dpop"].to_str().unwrap();
        let header = proof.split('.').next().unwrap();
        let header =
            base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, header).unwrap();
        let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
        assert_eq!((header["typ"].as_str(), header["alg"].as_str()), (Some("dpop+jwt"), Some(alg)));
        // Restored, it signs as before.
        let again = Dpop::restored(dpop.kept(), &crypto()).unwrap().fitted_to(&server).unwrap();
        assert_eq!(again.thumbprint(), dpop.thumbprint());
    }
    let server = algorithms(r#"["RS256"]"#);
    for error in [Dpop::generate_for(&server, &crypto()).unwrap_err(), dpop().fitted_to(&server).unwrap_err()]
    {
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::UnsupportedAlgorithm));
    }
    for algorithm in [SignatureAlgorithm::Rs256, SignatureAlgorithm::Hs256, SignatureAlgorithm::Es512] {
        let error = Dpop::generate(algorithm, &crypto()).unwrap_err();
        assert_eq!(error.reason(), Reason::UnsupportedAlgorithm, "{algorithm}");
    }
}

#[test]
fn s_dp_06_the_servers_clock_is_not_believed() {
    let (world, dpop) = (World::new(), dpop());
    let mut call = Call::anonymous(ask(Retry::NEVER)).with_dpop(dpop.clone());
    sent(&mut call, Event::Go, &world);
    let mut refused = json(400, r#"{"error":"invalid_dpop_proof"}"#);
    refused.headers_mut().insert("date", "Fri, 01 Jan 2038 00:00:00 GMT".parse().unwrap());
    assert!(call.step(Event::Response(refused), &world.env()).is_err(), "and it is not asked again");
    let mut call = Call::anonymous(ask(Retry::NEVER)).with_dpop(dpop.clone());
    let proof = check(&sent(&mut call, Event::Go, &world), None, None, &dpop);
    assert_eq!(proof.claim::<i64>("iat"), Some(START.as_secs()));
}
