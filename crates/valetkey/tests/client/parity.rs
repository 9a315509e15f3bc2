//! What users of oauthlib (OL), requests-oauthlib (RO) and Authlib (AL) do by OAuth 2, done here. Where the outcome must be
//! another than there, the test says so.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use valetkey::{
    BoxError, Client, ErrorKind, Reason, Runtime, Session, Timestamp, TokenKeeper, TokenRecord,
    oauth2::{
        Scope,
        authorization::ResponseType,
        client::{ClientAuth, ClientId},
        profile::{Hook, ProviderProfile, RequestKind},
        resource::ResourceRequest,
        server::Issuer,
        token::TokenSet,
    },
    run,
    secret::{AccessToken, RefreshToken, Secret},
};
use valetkey_http::Backend;
use valetkey_proto::{Call, Party};
use valetkey_testkit::{Effect, Entry, Expect, Fault, Member, OpenId, Place, Provider, block_on};

use crate::{
    builder, client, get,
    renewal::{HOUR, call, session},
    sign_in,
};

/// The last request to the token endpoint.
fn last_token_request(provider: &Provider) -> Entry {
    provider.transcript().into_iter().rfind(|entry| entry.place() == Place::Token).expect("there is one")
}

/// The names of the parameters in its form.
fn names(entry: &Entry) -> Vec<&str> {
    entry.form().iter().map(|(name, _)| name.as_str()).collect()
}

/// Where tokens are kept: `token_updater`, `update_token`.
#[derive(Default)]
struct Shelf(Mutex<Vec<String>>);

#[async_trait::async_trait]
impl TokenKeeper for Shelf {
    async fn keep(&self, record: &TokenRecord) -> Result<(), BoxError> {
        self.0.lock().unwrap().push(record.to_text().expose().to_owned());
        Ok(())
    }
}

/// A session of the tokens that another one has, as a dictionary of another library would have them.
fn taken_over(client: &Client, provider: &Provider, tokens: &TokenSet) -> Session {
    let token = AccessToken::bearer(tokens.access_token().expose()).unwrap();
    let taken = TokenSet::of_parts(token, tokens.expires_at(), Timestamp::from(provider.now()))
        .with_refresh_token(RefreshToken::new(tokens.refresh_token().unwrap().expose()))
        .with_scope(Scope::parse("read").unwrap());
    let (issuer, id) = (Issuer::parse(&provider.issuer()).unwrap(), ClientId::parse("app").unwrap());
    client.restore(TokenRecord::new(issuer, id, 0, taken)).unwrap()
}

#[test]
fn ro_1_a_session_begins_with_kept_tokens_and_hands_over_new_ones() {
    let provider = Provider::new();
    let client = client(&provider);
    let first = block_on(sign_in(&client, &provider).unwrap().tokens()).unwrap();
    let session = taken_over(&client, &provider, &first);
    let shelf = Arc::new(Shelf::default());
    block_on(session.keep(Arc::clone(&shelf))).unwrap();
    assert_eq!(call(&session, &provider).unwrap(), 200);
    provider.advance(2 * HOUR);
    assert_eq!(call(&session, &provider).unwrap(), 200, "it has renewed itself");
    let kept = shelf.0.lock().unwrap().clone();
    assert_eq!(kept.len(), 2, "the first tokens, and those that came for them");
    let again = client.restore(TokenRecord::parse(&kept[1]).unwrap()).unwrap();
    assert_eq!(block_on(again.tokens()).unwrap(), block_on(session.tokens()).unwrap());
}

#[test]
fn ro_2_a_session_says_what_it_has() {
    let provider = Provider::new();
    let session = session(&provider);
    let (tokens, record) = (block_on(session.tokens()).unwrap(), session.record().unwrap());
    assert_eq!(record.tokens(), &tokens);
    assert_eq!((record.issuer().as_str(), record.client().as_str()), ("https://issuer.test", "app"));
    assert_eq!(tokens.scope().scope().unwrap().as_str(), "read");
    assert!(session.bearer().unwrap().as_bytes().ends_with(tokens.access_token().expose().as_bytes()));
    // `authorized` is false before there are tokens, and when there are none any more.
    let service = block_on(builder(&provider).id("service").secret("service-secret").build()).unwrap();
    let service = service.client_credentials().session().unwrap();
    assert!(service.record().is_none() && service.bearer().is_none());
    block_on(service.tokens()).unwrap();
    assert!(service.record().is_some() && service.bearer().is_some());
    block_on(session.revoke()).unwrap();
    assert!(session.record().is_none() && session.bearer().is_none());
}

#[test]
fn ro_3_and_al_5_a_url_comes_with_what_must_be_kept_until_the_user_is_back() {
    let provider = Provider::new();
    let client = client(&provider);
    let start = || block_on(client.authorize().scope("read").parameter("prompt", "login").start()).unwrap();
    let ((url, pending), (other, _)) = (start(), start());
    assert_ne!(url, other, "a state and a verifier for each");
    // PKCE by S256 needs no asking for: there, it does.
    assert!(url.as_str().contains("&code_challenge_method=S256&"), "{url}");
    assert!(url.as_str().contains("&prompt=login&"), "{url}");
    block_on(client.redeem(pending, provider.visit(&url).unwrap())).unwrap();
    assert_eq!(last_token_request(&provider).param("code_verifier").unwrap().len(), 43);
}

#[test]
fn al_5_a_list_of_resources_repeats_the_parameter_and_no_other_does() {
    let provider = Provider::new();
    let asked = client(&provider).authorize().resource("https://a.test/").resource("https://b.test/");
    let (url, _) = block_on(asked.start()).unwrap();
    let resources: Vec<_> = url.as_str().split('&').filter(|piece| piece.starts_with("resource=")).collect();
    assert_eq!(resources, ["resource=https%3A%2F%2Fa.test%2F", "resource=https%3A%2F%2Fb.test%2F"]);
    let twice = client(&provider).authorize().parameter("audience", "a").parameter("audience", "b");
    let error = block_on(twice.start()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::ReservedParameter));
}

#[test]
fn ro_4_and_al_6_a_code_is_exchanged_by_the_secret_where_it_is_said() {
    let provider = Provider::new();
    for (auth, in_form) in [
        (None, vec!["grant_type", "code", "redirect_uri", "code_verifier"]),
        (
            Some(ClientAuth::secret_basic("app-secret")),
            vec!["grant_type", "code", "redirect_uri", "code_verifier"],
        ),
        (
            Some(ClientAuth::secret_post("app-secret")),
            vec!["grant_type", "code", "redirect_uri", "code_verifier", "client_id", "client_secret"],
        ),
    ] {
        let builder = Client::builder(provider.clone()).discover(&provider.issuer()).id("app");
        let builder = match auth {
            Some(auth) => builder.auth(auth),
            None => builder.secret("app-secret"),
        };
        let client = block_on(builder.redirect_uri("https://client.test/cb").build()).unwrap();
        sign_in(&client, &provider).unwrap();
        let sent = last_token_request(&provider);
        assert_eq!(names(&sent), in_form);
        assert_eq!(sent.headers().contains_key("authorization"), !in_form.contains(&"client_secret"));
    }
    let profile =
        r#"{ "name": "p", "token": { "auth": "basic_and_id", "parameters": { "audience": "x" } } }"#;
    let builder = builder(&provider).profile(ProviderProfile::from_json(profile).unwrap());
    sign_in(&block_on(builder.build()).unwrap(), &provider).unwrap();
    let sent = last_token_request(&provider);
    assert!(
        sent.param("client_id") == Some("app") && sent.param("audience") == Some("x"),
        "{:?}",
        names(&sent)
    );
}

#[test]
fn ro_5_and_al_7_a_fragment_brings_a_token_with_proof_that_it_is_ours() {
    let provider = Provider::builder().openid(OpenId::new()).build();
    let client = client(&provider);
    let start = || client.authorize().scope("openid read").response_type(ResponseType::IdTokenToken);
    let (url, pending) = block_on(start().start()).unwrap();
    let callback = provider.visit(&url).unwrap();
    assert!(callback.contains("#") && callback.contains("access_token="));
    let session = block_on(client.redeem(pending, &callback)).unwrap();
    assert_eq!(session.identity().unwrap().key(), ("https://issuer.test", "alice"));
    assert_eq!(call(&session, &provider).unwrap(), 200);
    assert_eq!(provider.count(Place::Token), 0);
    // A token that was not asked for is refused, be the state right.
    let (url, pending) = block_on(client.authorize().start()).unwrap();
    let state = url.as_str().split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let forged = format!("https://client.test/cb#access_token=theirs&token_type=Bearer&state={state}");
    assert_eq!(block_on(client.redeem(pending, forged)).unwrap_err().reason(), Reason::UnexpectedToken);
}

#[test]
fn ro_6_and_al_7_a_refresh_keeps_its_token_if_no_other_comes() {
    let provider = Provider::builder().rotation(false).build();
    let profile = r#"{ "name": "p", "refresh": { "parameters": { "audience": "x" } } }"#;
    let builder = builder(&provider).profile(ProviderProfile::from_json(profile).unwrap());
    let session = sign_in(&block_on(builder.build()).unwrap(), &provider).unwrap();
    let first = block_on(session.tokens()).unwrap();
    let leaves_out: &[Member] = &[Member::Remove("refresh_token")];
    provider.set_fault(Fault::new("of-this-test", Place::Token, Effect::Json(leaves_out), Expect::Accepted));
    let second = block_on(session.refresh()).unwrap();
    assert_ne!(second.access_token(), first.access_token());
    assert_eq!(second.refresh_token(), first.refresh_token());
    // `auto_refresh_kwargs`: what a provider wants in addition is in its profile, for every renewal.
    assert_eq!(names(&last_token_request(&provider)), ["grant_type", "refresh_token", "audience"]);
}

#[test]
fn al_7_one_call_gets_tokens_that_can_be_used_however_they_are_renewed() {
    let provider = Provider::new();
    let service = block_on(builder(&provider).id("service").secret("service-secret").build()).unwrap();
    let service = service.client_credentials().scope("read").session().unwrap();
    for (session, grant) in [(session(&provider), "refresh_token"), (service, "client_credentials")] {
        let tokens = || block_on(session.tokens()).unwrap();
        let first = tokens();
        assert_eq!(tokens(), first, "nothing is asked for while they are good");
        provider.advance(2 * HOUR);
        assert_ne!(tokens().access_token(), first.access_token());
        assert_eq!(last_token_request(&provider).param("grant_type"), Some(grant));
    }
}

#[test]
fn ro_7_a_request_renews_first_and_nothing_of_it_goes_to_the_token_endpoint() {
    let provider = Provider::new();
    // Without anybody who keeps new tokens: there, that is an error after a refresh that succeeded, and they are lost.
    let session = session(&provider);
    provider.advance(2 * HOUR);
    let request = http::Request::post(provider.api("echo")).header("content-type", "application/json");
    let request = request.body(Bytes::from_static(b"{\"secret\":1}")).unwrap();
    assert_eq!(block_on(session.send(request)).unwrap().status(), 200);
    let sent = last_token_request(&provider);
    // There, what was said about the call is sent there, too.
    assert_eq!((names(&sent), sent.query().len()), (vec!["grant_type", "refresh_token"], 0));
}

#[test]
fn al_4_a_client_authenticates_by_its_secret_wherever_it_has_one() {
    let provider = Provider::new();
    let session = session(&provider);
    block_on(session.revoke()).unwrap();
    let is_basic = |entry: &Entry| {
        entry.headers().get("authorization").is_some_and(|value| value.as_bytes().starts_with(b"Basic "))
    };
    let asked: Vec<_> = provider
        .transcript()
        .into_iter()
        .filter(|entry| matches!(entry.place(), Place::Token | Place::Revocation))
        .collect();
    assert!(asked.len() == 3 && asked.iter().all(is_basic));
    // Without a secret it says who it is, and nothing else.
    let native = Client::builder(provider.clone()).discover(&provider.issuer()).id("native");
    let native = block_on(native.redirect_uri("http://127.0.0.1:1/cb").build()).unwrap();
    sign_in(&native, &provider).unwrap();
    let sent = last_token_request(&provider);
    assert!(!sent.headers().contains_key("authorization") && sent.param("client_id") == Some("native"));
}

/// Notes what it sees, and marks it.
#[derive(Clone, Debug, Default)]
struct Marking(Arc<Mutex<Vec<RequestKind>>>);

impl Hook for Marking {
    fn name(&self) -> &str {
        "marking"
    }

    fn request(&self, kind: RequestKind, request: &mut valetkey_http::Request) -> valetkey::Result<()> {
        self.0.lock().unwrap().push(kind);
        request.headers_mut().insert("x-mark", http::HeaderValue::from_static("1"));
        Ok(())
    }
}

#[test]
fn al_10_hooks_see_every_kind_of_request() {
    let provider = Provider::new();
    let marking = Marking::default();
    let profile = ProviderProfile::from_json(r#"{ "name": "p" }"#).unwrap().with_hook(marking.clone());
    let client = block_on(builder(&provider).profile(profile).build()).unwrap();
    let session = sign_in(&client, &provider).unwrap();
    assert_eq!(call(&session, &provider).unwrap(), 200);
    block_on(async {
        session.refresh().await.unwrap();
        client.introspect(session.tokens().await.unwrap().access_token()).await.unwrap();
        client.revoke(Secret::new("nobody's")).await.unwrap();
        drop(client.device().start().await);
    });
    assert_eq!(
        *marking.0.lock().unwrap(),
        [
            RequestKind::Token,
            RequestKind::Resource,
            RequestKind::Refresh,
            RequestKind::Introspection,
            RequestKind::Revocation,
            RequestKind::DeviceAuthorization
        ]
    );
    let marked = |entry: &Entry| !matches!(entry.place(), Place::Metadata | Place::Authorize);
    assert!(
        provider
            .transcript()
            .iter()
            .filter(|entry| marked(entry))
            .all(|entry| entry.headers().contains_key("x-mark"))
    );
}

#[test]
fn al_11_a_request_without_a_token_or_with_one_that_is_over_says_so() {
    let provider = Provider::builder().refresh_tokens(false).build();
    let client = client(&provider);
    let session = sign_in(&client, &provider).unwrap();
    // `withhold_token`: a request that nobody signs is not the session's.
    let request = ResourceRequest::new(get(provider.api("me")));
    let runtime = Runtime::new(provider.clone());
    let bare = block_on(run(Call::new(request, Arc::new(Party::anonymous())), &runtime)).unwrap();
    assert_eq!(bare.status(), 401);
    assert!(!provider.transcript().last().unwrap().headers().contains_key("authorization"));
    // A body of any kind, for another HTTP client.
    let mut streamed = http::Request::post(provider.api("echo")).body(std::io::empty()).unwrap();
    block_on(session.attach(&mut streamed)).unwrap();
    assert!(streamed.headers().contains_key("authorization"));
    // `InvalidTokenError`, `MissingTokenError`.
    provider.advance(2 * HOUR);
    let error = call(&session, &provider).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Expired, Reason::TokenExpired));
    drop(block_on(session.revoke()));
    assert_eq!(call(&session, &provider).unwrap_err().reason(), Reason::SessionClosed);
}

#[test]
fn al_11_a_token_that_cannot_be_borne_is_refused_when_it_comes() {
    let provider = Provider::new();
    let client = client(&provider);
    let strange: &[Member] = &[Member::Set("token_type", b"\"mac\"")];
    provider.set_fault(Fault::new("of-this-test", Place::Token, Effect::Json(strange), Expect::Accepted));
    // There, it is kept, and `UnsupportedTokenTypeError` comes when it is used.
    let error = sign_in(&client, &provider).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Protocol, Reason::UnsupportedTokenType));
    assert_eq!(provider.count(Place::Resource), 0);
}

#[test]
fn ol_14_a_session_of_taken_over_tokens_that_have_expired_renews_itself() {
    let provider = Provider::new();
    let client = client(&provider);
    let first = block_on(sign_in(&client, &provider).unwrap().tokens()).unwrap();
    provider.advance(2 * HOUR + Duration::from_secs(1));
    let session = taken_over(&client, &provider, &first);
    assert!(session.bearer().is_none());
    assert_eq!(call(&session, &provider).unwrap(), 200);
    let tokens = block_on(session.tokens()).unwrap();
    assert_ne!(tokens.refresh_token(), first.refresh_token());
    assert_eq!(provider.count(Place::Token), 2);
}

#[test]
fn ol_15_a_web_application_signs_in_by_a_code_that_a_browser_brings() {
    let provider = Provider::new();
    let session = session(&provider);
    let sent = last_token_request(&provider);
    assert_eq!(sent.param("grant_type"), Some("authorization_code"));
    assert_eq!(sent.param("redirect_uri"), Some("https://client.test/cb"));
    assert_eq!(call(&session, &provider).unwrap(), 200);
    assert_eq!(provider.transcript().last().unwrap().place(), Place::Resource);
}
