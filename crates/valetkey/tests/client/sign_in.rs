//! Signing in: what is checked before a code leaves, and what becomes of it.

use std::sync::Arc;

use valetkey::{
    Client, ErrorCode, ErrorKind, Reason,
    oauth2::{authorization::Callback, client::ClientAuth},
    seal::{SealingKey, SealingKeys},
};
use valetkey_testkit::{AuthMethod, Place, Provider, RegisteredClient, SPECIAL_SECRET, User, block_on};

use crate::{builder, client, get, sign_in};

#[test]
fn a_user_signs_in_and_the_api_knows_them() {
    let provider = Provider::new();
    let session = sign_in(&client(&provider), &provider).unwrap();
    let response = block_on(session.send(get(provider.api("me")))).unwrap();
    let body = String::from_utf8(response.body().to_vec()).unwrap();
    assert!(response.status() == 200 && body.contains("\"alice\""), "{body}");
    let seen: Vec<_> = provider.transcript().iter().map(|entry| entry.place()).collect();
    assert_eq!(seen, [Place::Metadata, Place::Authorize, Place::Token, Place::Resource]);
}

#[test]
fn a_code_travels_on_a_connection_of_its_own_and_metadata_does_not() {
    let provider = Provider::new();
    sign_in(&client(&provider), &provider).unwrap();
    for entry in provider.transcript().iter().filter(|entry| entry.place() != Place::Authorize) {
        let limits = entry.limits().expect("sent by the client");
        assert_eq!(limits.fresh, entry.place() == Place::Token, "{entry:?}");
    }
}

#[test]
fn s_tk_03_every_way_to_authenticate_signs_in() {
    let provider = Provider::new();
    for auth in [ClientAuth::secret_basic("app-secret"), ClientAuth::secret_post("app-secret")] {
        let client = Client::builder(provider.clone()).discover("https://issuer.test").id("app").auth(auth);
        let client = block_on(client.redirect_uri("https://client.test/cb").build()).unwrap();
        sign_in(&client, &provider).unwrap();
    }
    let special = Client::builder(provider.clone()).discover("https://issuer.test").id("special");
    let special = special.secret(SPECIAL_SECRET).redirect_uri("https://client.test/cb");
    sign_in(&block_on(special.build()).unwrap(), &provider).unwrap();
    let native = Client::builder(provider.clone()).discover("https://issuer.test").id("native");
    let native = native.redirect_uri("http://127.0.0.1:1234/cb");
    sign_in(&block_on(native.build()).unwrap(), &provider).unwrap();
}

#[test]
fn a_secret_goes_where_the_server_takes_it() {
    for method in [AuthMethod::Basic, AuthMethod::Post] {
        let app = RegisteredClient::confidential("app", "app-secret")
            .redirect_uri("https://client.test/cb")
            .auth_methods([method]);
        let provider = Provider::builder().client(app).auth_methods([method]).build();
        sign_in(&client(&provider), &provider).unwrap();
    }
}

#[test]
fn a_wrong_secret_is_the_servers_no() {
    let provider = Provider::new();
    let wrong = builder(&provider).secret("wrong");
    let error = sign_in(&block_on(wrong.build()).unwrap(), &provider).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RequestDenied));
    assert_eq!(error.response().unwrap().code(), &ErrorCode::InvalidClient);
    assert!(error.challenges().iter().any(|challenge| challenge.is("basic")));
}

#[test]
fn t3_a_refusal_asks_for_no_token() {
    let provider = Provider::new();
    let client = client(&provider);
    provider.set_user(User::refuses());
    let error = sign_in(&client, &provider).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::AuthorizationDenied));
    assert_eq!(error.response().unwrap().code(), &ErrorCode::AccessDenied);
    assert_eq!(provider.count(Place::Token), 0);
}

#[test]
fn s_az_05_a_callback_of_another_sign_in_is_refused() {
    let provider = Provider::new();
    let client = client(&provider);
    block_on(async {
        let (victims, _) = client.authorize().start().await.unwrap();
        let (_, attackers) = client.authorize().start().await.unwrap();
        let callback = provider.visit(&victims).unwrap();
        assert!(!attackers.matches(&Callback::from(&callback)));
        let mark = provider.mark();
        let error = client.redeem(attackers, &callback).await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::StateMismatch));
        provider.assert_quiet_since(mark);
    });
}

#[test]
fn s_az_08_a_code_reaches_no_other_server_and_no_other_client() {
    let honest = Provider::new();
    let evil = Provider::builder().issuer("https://evil.test").build();
    let (honest_client, evil_client) = (client(&honest), client(&evil));
    block_on(async {
        let (url, pending) = honest_client.authorize().start().await.unwrap();
        let callback = honest.visit(&url).unwrap();
        let (at_evil, at_honest) = (evil.mark(), honest.mark());
        let error = evil_client.redeem(pending, &callback).await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::IssuerMismatch));
        evil.assert_quiet_since(at_evil);
        honest.assert_quiet_since(at_honest);

        let other = builder(&honest).id("special").secret(SPECIAL_SECRET).build().await.unwrap();
        let (url, pending) = honest_client.authorize().start().await.unwrap();
        let callback = honest.visit(&url).unwrap();
        let mark = honest.mark();
        let error = other.redeem(pending, &callback).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Untrusted);
        assert!(honest.requests_since(mark).iter().all(|entry| entry.place() != Place::Token));
    });
}

#[test]
fn a_sign_in_goes_on_in_another_process_by_a_sealed_cookie() {
    let provider = Provider::new();
    let keys = SealingKeys::new(SealingKey::new([9; 32]));
    let client = || block_on(builder(&provider).sealing_keys(keys.clone()).build()).unwrap();
    let (first, second) = (client(), client());
    block_on(async {
        let (url, pending) = first.authorize().scope("read").start().await.unwrap();
        let cookie = first.seal(pending).unwrap();
        let callback = provider.visit(&url).unwrap();
        let session = second.redeem(second.unseal(cookie.expose()).unwrap(), &callback).await.unwrap();
        assert_eq!(session.send(get(provider.api("me"))).await.unwrap().status(), 200);
    });
    let error = crate::client(&provider).unseal("vk1.AAAA").unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::InvalidKey));
}

#[test]
fn what_is_set_wrongly_is_said_when_the_client_is_built() {
    let provider = Provider::new();
    let plain = || Client::builder(provider.clone());
    for (builder, reason) in [
        (plain().id("app"), Reason::InvalidValue),
        (plain().discover("https://issuer.test"), Reason::InvalidValue),
        (plain().discover("http://issuer.test").id("app"), Reason::InsecureUrl),
        (plain().discover("https://issuer.test?x").id("app"), Reason::InvalidUrl),
        (plain().discover("https://issuer.test").id("app").redirect_uri("/cb"), Reason::InvalidUrl),
        (plain().discover("https://issuer.test").id("app").api("http://api.test"), Reason::InsecureUrl),
        (
            plain().discover("https://issuer.test").id("a").secret("b").auth(ClientAuth::none()),
            Reason::InvalidValue,
        ),
    ] {
        let error = block_on(builder.build()).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, reason));
    }
    assert_eq!(provider.transcript().len(), 0, "nothing was sent");
    let no_redirect = block_on(plain().discover("https://issuer.test").id("app").build()).unwrap();
    let error = block_on(no_redirect.authorize().start()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::MissingRedirectUri));
    let error = block_on(no_redirect.authorize().scope("a\"").start()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

#[test]
fn two_backends_live_in_one_program() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (near, far) = (Provider::new(), Provider::builder().real_clock().build());
    let _served = block_on(far.serve()).unwrap();
    let hyper =
        runtime.block_on(async { valetkey_hyper::HyperBackend::builder().no_proxy().build().unwrap() });
    let over_hyper = Client::builder(hyper).discover(&far.issuer()).id("app").secret("app-secret");
    let over_hyper = over_hyper.redirect_uri("https://client.test/cb");
    runtime.block_on(async {
        let clients = [builder(&near).build().await.unwrap(), over_hyper.build().await.unwrap()];
        for (client, provider) in clients.iter().zip([&near, &far]) {
            let (url, pending) = client.authorize().start().await.unwrap();
            client.redeem(pending, provider.visit(&url).unwrap()).await.unwrap();
        }
    });
    assert_eq!((near.count(Place::Token), far.count(Place::Token)), (1, 1));
}

#[test]
fn futures_cross_threads_and_types_have_no_parameters() {
    fn crosses<T: Send>(_: &T) {}
    let provider = Provider::new();
    let client = Arc::new(client(&provider));
    let session = sign_in(&client, &provider).unwrap();
    crosses(&client.authorize().start());
    crosses(&client.client_credentials().session());
    crosses(&session.send(get("https://issuer.test/")));
    crosses(&session.refresh());
    // As a task of a runtime, which asks for more: whatever it borrows on its way may be of any lifetime.
    fn is_task(_: impl Future + Send + 'static) {}
    let (a_client, a_session) = (Arc::clone(&client), session.clone());
    is_task(async move {
        let _ = a_client.introspect(valetkey::secret::Secret::new("token")).await;
        let _ = a_client.revoke(valetkey::secret::Secret::new("token")).await;
        let _ = a_session.user_info().await;
        let _ = a_session.user_info_by_form().await;
        let _ = a_session.revoke().await;
    });
    fn is_static<T: Send + Sync + Clone + 'static>(_: &T) {}
    is_static(&*client);
    is_static(&session);
}
