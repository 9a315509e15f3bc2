//! Users who sign in elsewhere: who comes, who does not, and a server that makes trouble meanwhile.

use std::time::{Duration, SystemTime};

use valetkey::{Client, ErrorKind, Reason, Session, oauth2::client::ClientAuth};
use valetkey_testkit::{
    Dpop, DpopNonces, Effect, Expect, Fault, Feature, Member, OpenId, Place, Provider, ProviderBuilder, User,
    block_on, fault, faults,
};

use crate::get;

fn client(provider: &Provider) -> Client {
    let builder = Client::builder(provider.clone()).random(provider.random()).discover(&provider.issuer());
    block_on(builder.id("native").api(&provider.issuer()).build()).expect("the provider is well")
}

fn sign_in(provider: &Provider, scope: &str) -> valetkey::Result<Session> {
    let client = client(provider);
    block_on(async { client.device().scope(scope).start().await?.wait().await })
}

/// An answer of the token endpoint in place of its own, for so many polls.
const fn polls(name: &'static str, status: u16, body: &'static [u8], times: u32) -> Fault {
    let headers = &[("content-type", "application/json")];
    Fault::new(name, Place::Token, Effect::Answer { status, headers, body }, Expect::Accepted).times(times)
}

/// The seconds between the requests that devices made.
fn gaps(provider: &Provider) -> Vec<u64> {
    let transcript = provider.transcript();
    let is_device = |place| matches!(place, Place::DeviceAuthorization | Place::Token);
    let times: Vec<SystemTime> =
        transcript.iter().filter(|entry| is_device(entry.place())).map(|entry| entry.at()).collect();
    times.windows(2).map(|pair| pair[1].duration_since(pair[0]).unwrap().as_secs()).collect()
}

#[test]
fn s_dv_01_a_provider_that_watches_sees_no_early_poll() {
    for (interval, expected) in [(Some(5), 5), (None, 5), (Some(7), 7)] {
        let provider =
            Provider::builder().device_polls(3).device_interval(interval.map(Duration::from_secs)).build();
        let client = client(&provider);
        let login = block_on(client.device().scope("read").start()).unwrap();
        assert!(login.verification_uri() == "https://issuer.test/device" && login.user_code().len() == 9);
        assert!(login.verification_uri_complete().unwrap().ends_with(login.user_code()));
        let session = block_on(login.wait()).unwrap();
        assert_eq!(gaps(&provider), [expected; 4]);
        assert_eq!(block_on(session.send(get(provider.api("me")))).unwrap().status(), 200);
        // It is a session as any other.
        provider.revoke_access_tokens();
        assert_eq!(block_on(session.send(get(provider.api("me")))).unwrap().status(), 200);
    }
}

#[test]
fn s_dv_02_twenty_times_slower_is_obeyed() {
    let provider = Provider::builder().device_lifetime(Duration::from_secs(3600)).build();
    provider.set_fault(polls("slower", 400, br#"{"error":"slow_down"}"#, 20));
    sign_in(&provider, "read").unwrap();
    let expected: Vec<u64> = (0..=20).map(|times| 5 + 5 * times).chain([105]).collect();
    assert_eq!(gaps(&provider), expected);
}

#[test]
fn s_dv_03_a_user_who_refuses_or_never_comes_ends_it() {
    let provider = Provider::builder().user(User::refuses()).build();
    let error = sign_in(&provider, "read").unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::AuthorizationDenied));
    assert_eq!(provider.count(Place::Token), 2);

    let provider =
        Provider::builder().user(User::interactive()).device_lifetime(Duration::from_secs(60)).build();
    let began = valetkey_http::Backend::now(&provider);
    let error = sign_in(&provider, "read").unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Expired, Reason::PendingExpired));
    assert_eq!(provider.count(Place::Token), 11, "none when the time is over");
    let ended = valetkey_http::Backend::now(&provider);
    assert_eq!(ended.duration_since(began).unwrap(), Duration::from_secs(60));
}

#[test]
fn s_dv_04_five_lost_polls_lose_no_sign_in() {
    let provider = Provider::builder().device_polls(0).build();
    let unreachable = Fault::new("away", Place::Token, Effect::Refuse, Expect::Accepted).times(5);
    provider.set_fault(unreachable);
    sign_in(&provider, "read").unwrap();
    let waited: u64 = 5 + 10 + 20 + 40 + 60 + 60;
    assert_eq!(gaps(&provider).iter().sum::<u64>(), waited);
}

#[test]
fn s_dv_06_a_lost_answer_with_the_tokens_is_named() {
    let provider = Provider::builder().device_polls(0).build();
    provider.set_fault(fault("token-dropped").times(1));
    let error = sign_in(&provider, "read").unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::CodeConsumed));
    assert_eq!(error.advice(), valetkey::Advice::Reauthorize);
}

#[test]
fn s_dv_05_no_server_that_misbehaves_is_shown_to_the_user() {
    let rows: Vec<_> = faults().filter(|fault| fault.at == Place::DeviceAuthorization).collect();
    assert!(rows.len() >= 30, "{}", rows.len());
    for fault in rows {
        let provider = Provider::builder().fault(*fault).build();
        let outcome = sign_in(&provider, "read").map(drop);
        match (&outcome, fault.expect) {
            (Ok(()), Expect::Accepted) => {}
            (Err(error), Expect::Rejected { kind, reason }) => {
                assert_eq!((error.kind(), error.reason()), (kind, reason), "{}", fault.name);
                assert_eq!(provider.count(Place::Token), 0, "{}", fault.name);
            }
            _ => panic!("{}: {outcome:?}", fault.name),
        }
        assert!(provider.faults_happened() > 0 && provider.count(Place::Elsewhere) == 0, "{}", fault.name);
    }
}

fn openid() -> ProviderBuilder {
    Provider::builder().openid(OpenId::new())
}

#[test]
fn a_user_who_signs_in_elsewhere_is_known() {
    let provider = openid().build();
    let session = sign_in(&provider, "openid email").unwrap();
    let user = session.identity().unwrap();
    assert_eq!((user.issuer(), user.subject()), ("https://issuer.test", "alice"));
    assert_eq!(block_on(session.user_info()).unwrap().claims().sub().as_deref(), Some("alice"));
    // Who it is stays the same when the tokens are renewed.
    block_on(session.refresh()).unwrap();
    assert_eq!(session.identity().unwrap().subject(), "alice");
    assert!(sign_in(&provider, "email").unwrap().identity().is_none(), "not asked");
}

#[test]
fn no_id_token_that_is_refused_after_a_code_is_taken_after_a_poll() {
    let is_of_sign_in = |fault: &&Fault| fault.at == Place::Token && fault.feature == Some(Feature::OpenId);
    // There is no nonce here.
    let rows: Vec<_> = faults().filter(is_of_sign_in).filter(|fault| !fault.name.contains("nonce")).collect();
    assert!(rows.len() >= 20, "{}", rows.len());
    for fault in rows {
        let provider = openid().fault(*fault).build();
        let outcome = sign_in(&provider, "openid").map(drop);
        match (&outcome, fault.expect) {
            (Ok(()), Expect::Accepted) => {}
            (Err(error), Expect::Rejected { kind, reason }) => {
                assert_eq!((error.kind(), error.reason()), (kind, reason), "{}", fault.name);
            }
            _ => panic!("{}: {outcome:?}", fault.name),
        }
    }
}

#[test]
fn s_dp_04_tokens_of_a_device_are_bound_to_its_key() {
    let provider =
        Provider::builder().dpop(Dpop::Demanded).dpop_nonces(DpopNonces::Rotating).device_polls(2).build();
    let builder = Client::builder(provider.clone()).random(provider.random()).discover(&provider.issuer());
    let client =
        block_on(builder.id("native").auth(ClientAuth::none()).api(&provider.issuer()).dpop().build())
            .unwrap();
    let session = block_on(async { client.device().scope("read").start().await?.wait().await }).unwrap();
    assert!(block_on(session.tokens()).unwrap().access_token().is_bound());
    assert_eq!(block_on(session.send(get(provider.api("me")))).unwrap().status(), 200);
}

#[test]
fn nobody_is_asked_who_could_not_be_known() {
    let without = Effect::Json(&[Member::Remove("jwks_uri")]);
    let provider = openid().fault(Fault::new("no-keys", Place::Metadata, without, Expect::Accepted)).build();
    let error = sign_in(&provider, "openid").unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::MissingEndpoint));
    assert_eq!(provider.count(Place::DeviceAuthorization), 0);
}

#[test]
fn a_program_without_async_signs_a_user_in_elsewhere() {
    let provider = Provider::new();
    let client = valetkey::blocking::Client::from(client(&provider));
    let login = client.device().scope("read").start().unwrap();
    assert_eq!(login.user_code().len(), 9);
    assert_eq!(login.wait().unwrap().send(get(provider.api("me"))).unwrap().status(), 200);
}
