//! Tokens that are given back: what the server forgets, and what the session forgets whatever the server does.

use std::{
    pin::pin,
    task::{Context, Waker},
};

use futures_util::future::join;
use valetkey::{Error, ErrorKind, Reason};
use valetkey_testkit::{Effect, Expect, Fault, Member, Place, Provider, Spawning, block_on, fault};

use crate::{builder, client, get, sign_in};

/// Everything that a session could still be used for.
fn is_closed(session: &valetkey::Session, provider: &Provider) {
    let mark = provider.mark();
    let is_it = |error: Error| (error.kind(), error.reason()) == (ErrorKind::Usage, Reason::SessionClosed);
    assert!(session.bearer().is_none() && session.record().is_none() && session.identity().is_none());
    assert!(is_it(block_on(session.tokens()).unwrap_err()));
    assert!(is_it(block_on(session.refresh()).unwrap_err()));
    assert!(is_it(block_on(session.send(get(provider.api("me")))).unwrap_err()));
    block_on(session.revoke()).unwrap();
    block_on(session.close()).unwrap();
    provider.assert_quiet_since(mark);
}

#[test]
fn s_rv_01_a_session_gives_back_its_refresh_token_first() {
    let provider = Provider::new();
    let client = client(&provider);
    let session = sign_in(&client, &provider).unwrap();
    let record = session.record().unwrap();
    let mark = provider.mark();
    block_on(session.revoke()).unwrap();
    let requests = provider.requests_since(mark);
    let hints: Vec<_> =
        requests.iter().map(|entry| entry.param("token_type_hint").unwrap_or_default()).collect();
    assert_eq!(hints, ["refresh_token", "access_token"]);
    is_closed(&session, &provider);
    // Whoever has kept them has nothing.
    let kept = client.restore(record).unwrap();
    let error = block_on(kept.send(get(provider.api("me")))).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RefreshDenied));
}

#[test]
fn s_rv_01_the_session_forgets_its_tokens_whatever_the_server_does() {
    for (name, expected) in [
        ("revocation-500", Reason::ServerFailed),
        ("revocation-redirect-302", Reason::UnexpectedRedirect),
        ("revocation-dropped", Reason::ConnectionLost),
        ("revocation-refused", Reason::RequestDenied),
    ] {
        let provider = Provider::new();
        let session = sign_in(&client(&provider), &provider).unwrap();
        provider.set_fault(fault(name));
        assert_eq!(block_on(session.revoke()).unwrap_err().reason(), expected, "{name}");
        provider.clear_faults();
        is_closed(&session, &provider);
    }
}

#[test]
fn s_rv_01_one_token_that_cannot_be_revoked_does_not_save_the_other() {
    let provider = Provider::new();
    let client = client(&provider);
    let session = sign_in(&client, &provider).unwrap();
    let tokens = block_on(session.tokens()).unwrap();
    provider.set_fault(fault("revocation-refused").times(1));
    assert_eq!(block_on(session.revoke()).unwrap_err().reason(), Reason::RequestDenied);
    assert_eq!(provider.count(Place::Revocation), 2);
    let request =
        http::Request::get(provider.api("me")).header("authorization", tokens.access_token().header());
    let request = request.body(bytes::Bytes::new()).unwrap();
    let answer = block_on(valetkey_http::Backend::send(&provider, request, Default::default())).unwrap();
    assert_eq!(answer.status(), 401, "the access token went");
}

#[test]
fn s_rv_01_a_renewal_that_is_under_way_is_waited_for_and_its_tokens_go() {
    for spawning in [Spawning::HandBack, Spawning::Thread] {
        let provider = Provider::builder().spawning(spawning).build();
        let client = client(&provider);
        let session = sign_in(&client, &provider).unwrap();
        let (renewed, revoked) = block_on(join(session.refresh(), session.revoke()));
        revoked.unwrap();
        is_closed(&session, &provider);
        if let Ok(tokens) = renewed {
            let rest = tokens.refresh_token().unwrap().clone();
            let server = block_on(client.server()).unwrap();
            let grant = valetkey::oauth2::grant::RefreshTokenGrant::new(&server, rest).unwrap();
            assert_eq!(block_on(client.call(grant)).unwrap_err().reason(), Reason::RefreshDenied);
        }
    }
}

#[test]
fn a_caller_who_leaves_has_closed_the_session() {
    let provider = Provider::builder().yields(true).build();
    let session = sign_in(&client(&provider), &provider).unwrap();
    {
        let mut leaver = pin!(session.revoke());
        let _ = leaver.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }
    assert_eq!(block_on(session.refresh()).unwrap_err().reason(), Reason::SessionClosed);
}

#[test]
fn s_rv_02_a_client_revokes_a_token_of_any_kind_that_is_its_own() {
    let provider = Provider::new();
    let client = client(&provider);
    let session = sign_in(&client, &provider).unwrap();
    let tokens = block_on(session.tokens()).unwrap();
    block_on(client.revoke(tokens.access_token())).unwrap();
    assert_eq!(block_on(session.send(get(provider.api("me")))).unwrap().status(), 200, "it renewed itself");
    let newest = block_on(session.tokens()).unwrap();
    let unknown = valetkey::secret::Secret::new(newest.refresh_token().unwrap().expose());
    block_on(client.revoke(unknown)).unwrap();
    assert_eq!(block_on(session.refresh()).unwrap_err().reason(), Reason::RefreshDenied);

    let other = block_on(builder(&provider).id("service").secret("service-secret").build()).unwrap();
    let error = block_on(other.revoke(newest.access_token())).unwrap_err();
    assert_eq!(*error.response().unwrap().code(), valetkey::ErrorCode::UnauthorizedClient);
}

#[test]
fn a_session_without_tokens_has_none_to_give_back() {
    let provider = Provider::new();
    let service = block_on(builder(&provider).id("service").secret("service-secret").build()).unwrap();
    let session = service.client_credentials().session().unwrap();
    block_on(session.revoke()).unwrap();
    is_closed(&session, &provider);
    assert_eq!((provider.count(Place::Revocation), provider.count(Place::Token)), (0, 0));
}

#[test]
fn s_rv_01_a_server_without_the_endpoint_is_named_and_the_session_ends() {
    let without = Effect::Json(&[Member::Remove("revocation_endpoint")]);
    let without = Fault::new("no-revocation", Place::Metadata, without, Expect::Accepted);
    let provider = Provider::builder().fault(without).build();
    let session = sign_in(&client(&provider), &provider).unwrap();
    let error = block_on(session.revoke()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::MissingEndpoint));
    is_closed(&session, &provider);
}
