//! A client that registers itself, and one that signs its users out, against the provider in this process.

use valetkey::{
    ErrorKind, Reason, Registrar, Runtime,
    oauth2::endpoint::registration::{Registration, RegistrationMetadata},
    seal::{SealingKey, SealingKeys},
    secret::AccessToken,
};
use valetkey_testkit::{OpenId, Place, Provider, RegisteredClient, block_on};

const CALLBACK: &str = "https://shop.test/cb";
const BYE: &str = "https://shop.test/bye";

fn provider() -> Provider {
    let shop = RegisteredClient::confidential("shop", "shop-secret").redirect_uri(CALLBACK);
    Provider::builder().openid(OpenId::new()).client(shop.post_logout_redirect_uri(BYE)).build()
}

fn registrar(provider: &Provider) -> Registrar {
    let runtime = Runtime::new(provider.clone()).with_random(provider.random());
    block_on(Registrar::discover(runtime, &provider.issuer())).expect("the provider is well")
}

fn metadata() -> RegistrationMetadata {
    RegistrationMetadata::new().with_redirect_uri(CALLBACK).unwrap().with_client_name("Shop").unwrap()
}

#[test]
fn s_md_13_a_client_registers_signs_in_and_leaves() {
    let provider = provider();
    let registrar = registrar(&provider);
    block_on(async {
        let registration = registrar.register(metadata()).await?;
        // As after a restart.
        let registration = Registration::parse(registration.to_text().expose())?;
        let client = registrar.client(&registration, Some(CALLBACK))?.build().await?;
        let (url, pending) = client.authorize().scope("read").start().await?;
        client.redeem(pending, provider.visit(&url).expect("the user approves")).await?;

        let changed = metadata().with_redirect_uri("https://shop.test/other")?;
        let updated = registrar.update(&registration, changed).await?;
        assert_eq!(updated.metadata().redirect_uris(), [CALLBACK, "https://shop.test/other"]);
        assert_eq!(updated.id(), registration.id());
        let read = registrar.read(&updated).await?;
        assert_eq!(read.metadata().redirect_uris(), updated.metadata().redirect_uris());
        let other = registrar.client(&read, Some("https://shop.test/other"))?.build().await?;
        let (url, pending) = other.authorize().scope("read").start().await?;
        other.redeem(pending, provider.visit(&url).expect("the user approves")).await?;

        registrar.delete(&read).await?;
        let (url, _) = other.authorize().scope("read").start().await?;
        assert!(provider.visit(&url).is_err(), "nobody knows this client any more");
        let error = registrar.read(&read).await.expect_err("it is gone");
        assert_eq!(error.kind(), ErrorKind::Denied);
        Ok::<_, valetkey::Error>(())
    })
    .unwrap();
}

#[test]
fn s_md_10_a_registration_is_shown_to_its_server_alone() {
    let here = provider();
    let registration = block_on(registrar(&here).register(metadata())).unwrap();
    let there = provider();
    there.move_to("https://other.test");
    let other = registrar(&there);
    let mark = there.mark();
    block_on(async {
        for error in [
            other.client(&registration, Some(CALLBACK)).map(drop).unwrap_err(),
            other.read(&registration).await.map(drop).unwrap_err(),
            other.update(&registration, metadata()).await.map(drop).unwrap_err(),
            other.delete(&registration).await.unwrap_err(),
        ] {
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Store, Reason::IssuerMismatch));
        }
    });
    there.assert_quiet_since(mark);
}

#[test]
fn s_md_13_a_server_may_ask_for_a_token_first() {
    let provider = Provider::builder().openid(OpenId::new().initial_access_token("canary-initial")).build();
    let registrar = registrar(&provider);
    let error = block_on(registrar.register(metadata())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    let registrar = registrar.with_initial_access_token(AccessToken::bearer("canary-initial").unwrap());
    assert!(!format!("{registrar:?}").contains("canary"));
    let registration = block_on(registrar.register(metadata())).unwrap();
    let error = registrar.client(&registration, Some("https://evil.test/cb")).map(drop).unwrap_err();
    assert_eq!(error.reason(), Reason::RedirectUriMismatch);
    // A server that registers nobody.
    let closed = Provider::builder().openid(OpenId::new().registration(false)).build();
    let error = block_on(self::registrar(&closed).register(metadata())).unwrap_err();
    assert_eq!(error.reason(), Reason::MissingEndpoint);
}

#[test]
fn s_lo_02_and_al_19_a_user_signs_out_and_comes_back() {
    let provider = provider();
    let builder = valetkey::Client::builder(provider.clone()).random(provider.random());
    let keys = SealingKeys::new(SealingKey::new([7; 32]));
    let builder = builder.discover(&provider.issuer()).id("shop").secret("shop-secret").sealing_keys(keys);
    let client = block_on(builder.redirect_uri(CALLBACK).build()).unwrap();
    block_on(async {
        let logout = client.logout().redirect_uri(BYE).logout_hint("alice").ui_locales("fr");
        let (url, pending) = logout.start().await?;
        assert!(url.as_str().starts_with("https://issuer.test/logout?client_id=shop&logout_hint=alice&"));
        let sealed = client.seal_logout(pending.expect("there is a redirect URI"))?;
        let callback = provider.visit(&url).expect("the user is signed out");
        assert_eq!(provider.count(Place::EndSession), 1);
        client.unseal_logout(sealed.expose())?.receive(&callback)?;
        let error = client.unseal_logout(sealed.expose())?.receive(BYE).unwrap_err();
        assert_eq!(error.reason(), Reason::StateMismatch);
        // A sign-in under way is no logout.
        let (_, pending) = client.authorize().start().await?;
        let error = client.unseal_logout(client.seal(pending)?.expose()).unwrap_err();
        assert_eq!(error.reason(), Reason::SealBroken);
        let (_, nobody) = client.logout().id_token_hint("e.e.e").start().await?;
        assert!(nobody.is_none());
        Ok::<_, valetkey::Error>(())
    })
    .unwrap();
}
