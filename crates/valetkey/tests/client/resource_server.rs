//! An API that reads the tokens that it is shown, by keys that it keeps.

use std::time::Duration;

use http::Request;
use valetkey::{
    ErrorKind, Reason, ResourceServer, ResourceServerBuilder, Session, blocking,
    oauth2::protected_resource::Refusal,
};
use valetkey_testkit::{Dpop, OpenId, Place, Provider, ProviderBuilder, block_on, fault};

use crate::builder;

const API: &str = "https://api.test/v1";

fn provider() -> ProviderBuilder {
    Provider::builder().openid(OpenId::new()).jwt_access_tokens(API)
}

fn api(provider: &Provider) -> ResourceServerBuilder {
    ResourceServer::builder(provider.clone()).discover("https://issuer.test").resource(API)
}

fn build(builder: ResourceServerBuilder) -> ResourceServer {
    block_on(builder.build()).expect("the provider is well")
}

/// A session of the client `service` with the scope `read`.
fn session(provider: &Provider, dpop: bool) -> Session {
    let builder = builder(provider).id("service").secret("service-secret").api("https://api.test");
    let client = block_on(if dpop { builder.dpop() } else { builder }.build()).unwrap();
    client.client_credentials().scope("read").session().unwrap()
}

/// A request that shows the session's token.
fn shown(session: &Session) -> Request<()> {
    let mut request = Request::get("https://api.test/v1/me?x=1").body(()).unwrap();
    block_on(session.attach(&mut request)).unwrap();
    request
}

fn reason(refusal: &Refusal) -> Reason {
    refusal.error().expect("a cause").reason()
}

fn challenge(refusal: &Refusal) -> String {
    refusal.headers()["www-authenticate"].to_str().unwrap().to_owned()
}

#[test]
fn s_jk_02_tokens_are_verified_by_keys_that_are_asked_for_once() {
    let provider = provider().build();
    let api = build(api(&provider));
    let session = session(&provider, false);
    for _ in 0..5 {
        let claims = block_on(api.verify(&shown(&session))).unwrap();
        assert_eq!((claims.subject(), claims.client_id()), ("service", "service"));
        assert!(api.require(&claims, "read").is_ok() && claims.audience().eq([API]));
    }
    assert_eq!(provider.count(Place::Keys), 1);
    // Many at once share one question, also for keys that are new.
    provider.rotate_keys();
    block_on(session.refresh()).unwrap();
    let request = shown(&session);
    let verdicts = block_on(futures_util::future::join_all((0..20).map(|_| api.verify(&request))));
    assert!(verdicts.iter().all(Result::is_ok));
    assert_eq!(provider.count(Place::Keys), 2);
}

#[test]
fn s_jk_02_a_key_that_an_api_does_not_know_is_looked_for_once_in_half_a_minute() {
    let provider = provider().build();
    let api = build(api(&provider));
    let session = session(&provider, false);
    block_on(api.verify(&shown(&session))).unwrap();
    // Names of keys that are made up do not make us ask.
    let of_another = |name: &str| {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        let token = block_on(session.tokens()).unwrap().access_token().expose().to_owned();
        let (_, rest) = token.split_once('.').unwrap();
        let header = format!(r#"{{"typ":"at+jwt","alg":"RS256","kid":"{name}"}}"#);
        let token = format!("Bearer {}.{rest}", URL_SAFE_NO_PAD.encode(header));
        Request::get("/v1/me").header("authorization", token).body(()).unwrap()
    };
    for number in 0..10 {
        let refusal = block_on(api.verify(&of_another(&number.to_string()))).unwrap_err();
        assert_eq!((reason(&refusal), refusal.status().as_u16()), (Reason::KeyNotFound, 401));
    }
    assert_eq!(provider.count(Place::Keys), 2);
    provider.advance(Duration::from_secs(31));
    block_on(api.verify(&of_another("x"))).unwrap_err();
    assert_eq!(provider.count(Place::Keys), 3);
}

#[test]
fn s_md_06_an_api_survives_an_outage_of_its_server_and_says_when_it_cannot() {
    let provider = provider().build();
    let kept = build(api(&provider));
    let (fresh, session) = (build(api(&provider)), session(&provider, false));
    block_on(kept.verify(&shown(&session))).unwrap();
    for at in [Place::Metadata, Place::Keys] {
        provider.add_fault(fault("keys-500").moved_to(at));
    }
    provider.advance(Duration::from_secs(700));
    assert!(block_on(kept.verify(&shown(&session))).is_ok(), "with the keys of before");
    let refusal = block_on(fresh.verify(&shown(&session))).unwrap_err();
    assert_eq!((refusal.status().as_u16(), refusal.code()), (503, None));
    assert_eq!(refusal.error().unwrap().kind(), ErrorKind::Server);
    assert!(!refusal.headers().contains_key("www-authenticate"), "the client has done nothing wrong");
}

#[test]
fn a_refusal_tells_what_is_needed_and_where_the_api_describes_itself() {
    let provider = provider().build();
    let place = "https://api.test/.well-known/oauth-protected-resource/v1";
    let api = build(api(&provider).resource_metadata(place));
    let bare = Request::get("/v1/me").body(()).unwrap();
    let refusal = block_on(api.verify(&bare)).unwrap_err();
    assert_eq!(challenge(&refusal), format!("Bearer resource_metadata=\"{place}\""));
    let claims = block_on(api.verify(&shown(&session(&provider, false)))).unwrap();
    let refusal = api.require(&claims, "read admin").unwrap_err();
    assert_eq!(refusal.status(), 403);
    assert_eq!(
        challenge(&refusal),
        format!("Bearer error=\"insufficient_scope\", scope=\"read admin\", resource_metadata=\"{place}\"")
    );
    let twice = Request::get("/").header("authorization", "Bearer a").header("authorization", "Bearer b");
    assert_eq!(block_on(api.verify(&twice.body(()).unwrap())).unwrap_err().status(), 400);
    // What a client of this library reads in it, it can act on.
    let headers = refusal.headers();
    let challenges = places(&headers);
    assert_eq!(challenges, [Some(place.to_owned())]);
}

/// Where these challenges say that metadata is.
fn places(headers: &http::HeaderMap) -> Vec<Option<String>> {
    let challenges = valetkey_proto::header::Challenge::parse_all(headers).unwrap();
    challenges.iter().map(|one| one.parameter("resource_metadata").map(str::to_owned)).collect()
}

#[test]
fn s_dp_01_a_bound_token_comes_with_a_proof_for_the_url_that_the_client_has_seen() {
    let provider = provider().dpop(Dpop::Offered).build();
    let api = build(api(&provider));
    let session = session(&provider, true);
    let request = shown(&session);
    // As a server sees it: without scheme and host.
    let mut inside = request.clone();
    *inside.uri_mut() = "/v1/me?x=1".parse().unwrap();
    let claims = block_on(api.verify(&inside)).unwrap();
    assert!(claims.confirmation().is_some_and(|bound| bound.key().is_some()));
    let refusal = block_on(api.verify(&request)).unwrap_err();
    assert_eq!((reason(&refusal), refusal.code()), (Reason::Replayed, Some("invalid_dpop_proof")));
    assert!(challenge(&refusal).starts_with("DPoP algs="));

    let mut stolen = shown(&session);
    let token = block_on(session.tokens()).unwrap().access_token().expose().to_owned();
    stolen.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    assert_eq!(reason(&block_on(api.verify(&stolen)).unwrap_err()), Reason::BindingMismatch);
    // The host that a request names is its sender's word.
    let mut renamed = shown(&session);
    *renamed.uri_mut() = "https://evil.test/v1/me?x=1".parse().unwrap();
    assert!(block_on(api.verify(&renamed)).is_ok());
    let seen_elsewhere = build(self::api(&provider).origin("https://eu.api.test"));
    let refusal = block_on(seen_elsewhere.verify(&shown(&session))).unwrap_err();
    assert_eq!(refusal.code(), Some("invalid_dpop_proof"));
    let mut elsewhere = shown(&session);
    *elsewhere.uri_mut() = "/v1/admin".parse().unwrap();
    assert_eq!(block_on(api.verify(&elsewhere)).unwrap_err().code(), Some("invalid_dpop_proof"));
}

#[test]
fn what_is_wrong_with_the_parts_of_an_api_is_said_at_once() {
    let provider = provider().build();
    let config = |builder: ResourceServerBuilder| block_on(builder.build()).unwrap_err().reason();
    let bare = || ResourceServer::builder(provider.clone());
    assert_eq!(config(bare().resource(API)), Reason::InvalidValue);
    assert_eq!(config(bare().discover("https://issuer.test")), Reason::InvalidValue);
    assert_eq!(config(api(&provider).discover("http://issuer.test")), Reason::InsecureUrl);
    assert_eq!(config(api(&provider).resource_metadata("/x")), Reason::InvalidUrl);
    // A server without keys makes no tokens that an API could read.
    let plain = Provider::new();
    let without = ResourceServer::builder(plain).discover("https://issuer.test").resource(API);
    assert_eq!(config(without), Reason::MissingEndpoint);
    // And the same without async.
    let api = blocking::ResourceServer::build(api(&provider)).unwrap();
    let claims = api.verify(&shown(&session(&provider, false))).unwrap();
    assert!(api.require(&claims, "read").is_ok());
}
