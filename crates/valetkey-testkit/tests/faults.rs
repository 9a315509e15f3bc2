//! The protocol crate against the table of faults: each row says what must come of a login.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode};
use valetkey_http::{Backend, Limits, Response};
use valetkey_proto::{
    Call, Env, Event, Exchange, Flow, Party, Result, Step, Timestamp,
    crypto::CryptoProvider,
    endpoint::Origin,
    oauth2::{
        authorization::{AuthorizationRequest, Callback},
        client::{ClientAuth, ClientMetadata},
        grant::AuthorizationCodeGrant,
        resource::ResourceRequest,
        server::{Discovery, Issuer, ServerMetadata},
        token::TokenSet,
    },
};
use valetkey_testkit::{Expect, Place, Provider, block_on, faults};

/// The driver: whatever the flow wants, the provider does.
async fn run<F: Flow>(provider: &Provider, mut flow: F) -> Result<F::Output> {
    let (random, crypto) = (provider.random(), CryptoProvider::ring());
    let mut event = Event::Go;
    loop {
        let env = Env { now: Timestamp::from(provider.now()), random: &*random, crypto: &crypto };
        event = match flow.step(event, &env)? {
            Step::Send(request, demand) => {
                match provider.send(request, demand.limits(Limits::default())).await {
                    Ok(response) => Event::Response(response),
                    Err(failure) => Event::Failure(failure),
                }
            }
            Step::Wait(time) => {
                provider.sleep(time).await;
                Event::Go
            }
            Step::Sign(_) => unreachable!("no remote key"),
            Step::Done(value) => return Ok(value),
        };
    }
}

fn client() -> ClientMetadata {
    let client = ClientMetadata::new("app").unwrap().with_auth(ClientAuth::secret_basic("app-secret"));
    client.with_redirect_uri("https://client.test/cb").unwrap()
}

async fn call<E: Exchange>(provider: &Provider, exchange: E, party: Party) -> Result<E::Output> {
    run(provider, Call::new(exchange, Arc::new(party))).await
}

async fn discover(provider: &Provider) -> Result<ServerMetadata> {
    let issuer = Issuer::parse(&provider.issuer())?;
    run(provider, Discovery::new(&issuer)?).await
}

async fn log_in(provider: &Provider) -> Result<TokenSet> {
    let server = discover(provider).await?;
    let request = AuthorizationRequest::new(&server, &client())?.with_scope("read write")?;
    let (random, crypto) = (provider.random(), CryptoProvider::ring());
    let env = Env { now: Timestamp::from(provider.now()), random: &*random, crypto: &crypto };
    let (url, pending) = request.start(&env)?;
    let callbacks = provider.callbacks(url.as_str()).expect("the browser comes back");
    let last = callbacks.len() - 1;
    let of_ours = callbacks.iter().position(|callback| pending.matches(&Callback::from(callback)));
    let received = pending.receive(&callbacks[of_ours.unwrap_or(last)])?;
    let party = Party::client(server.issuer().clone(), client().id(), client().auth())?;
    let tokens = call(provider, AuthorizationCodeGrant::new(&server, received)?, party).await?;
    TokenSet::of(&tokens, None)
}

async fn me(provider: &Provider) -> Result<Response> {
    let tokens = log_in(provider).await?;
    let issuer = Issuer::parse(&provider.issuer())?;
    let api = Arc::from([Origin::parse(&provider.api("me"))?]);
    let party = Party::bearer(issuer, tokens.access_token().clone(), api);
    let request = Request::get(provider.api("me")).body(Bytes::new()).unwrap();
    call(provider, ResourceRequest::new(request), party).await
}

#[test]
fn s_net_03_to_s_tk_18_every_fault_ends_as_its_row_says() {
    let mut wrong = Vec::new();
    for fault in faults().filter(|fault| fault.at != Place::Revocation) {
        let provider = Provider::builder().fault(*fault).build();
        let ended = block_on(me(&provider)).map(|response| response.status());
        let is_as_said = match (&ended, fault.expect) {
            (Ok(_), Expect::Accepted) => true,
            (Err(error), Expect::Rejected { kind, reason }) => {
                (error.kind(), error.reason()) == (kind, reason)
            }
            _ => false,
        };
        if !is_as_said {
            wrong.push(format!("{}: {:?}, but {ended:?}", fault.name, fault.expect));
        }
        assert!(provider.faults_happened() > 0, "{} did not happen", fault.name);
        assert_eq!(provider.count(Place::Elsewhere), 0, "{}: something went astray", fault.name);
        if matches!(fault.at, Place::Metadata | Place::Authorize) && ended.is_err() {
            assert_eq!(provider.count(Place::Resource), 0, "{}", fault.name);
        }
        if fault.at == Place::Authorize && ended.is_err() {
            assert_eq!(provider.count(Place::Token), 0, "{}: a code was sent", fault.name);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn s_net_03_a_redirected_resource_answer_reaches_the_caller() {
    for status in [301, 302, 303, 307, 308] {
        let fault = valetkey_testkit::fault(&format!("resource-redirect-{status}"));
        let provider = Provider::builder().fault(fault).build();
        assert_eq!(block_on(me(&provider)).unwrap().status(), status);
        assert!(provider.faults_happened() > 0, "{} did not happen", fault.name);
        assert_eq!(provider.count(Place::Elsewhere), 0);
    }
}

#[test]
fn without_a_fault_the_protocol_crate_logs_in() {
    let provider = Provider::new();
    let response = block_on(me(&provider)).unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let places: Vec<_> = provider.transcript().iter().map(valetkey_testkit::Entry::place).collect();
    assert_eq!(places, [Place::Metadata, Place::Authorize, Place::Token, Place::Resource]);
    assert!(provider.transcript()[2].limits().unwrap().fresh, "a code wants a connection of its own");
}
