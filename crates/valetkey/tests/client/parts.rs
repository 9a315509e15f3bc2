//! Sessions for parts of what was granted: each has a token of its own, and one refresh token renews them all.

use std::sync::Arc;

use futures_util::future::join_all;
use valetkey::{Client, ErrorCode, ErrorKind, Reason, Session, TokenRecord, store::MemoryStore};
use valetkey_testkit::{Place, Provider, Spawning, block_on};

use crate::{client, get, renewal::HOUR};

const MAIL: &str = "https://issuer.test/mail";
const FILES: &str = "https://issuer.test/files";
const OTHER: &str = "urn:example:other";

/// Alice, who has granted three APIs.
async fn sign_in(client: &Client, provider: &Provider) -> Session {
    let asked = client.authorize().scope("read write").resource(MAIL).resource(FILES).resource(OTHER);
    let (url, pending) = asked.start().await.unwrap();
    client.redeem(pending, &provider.visit(&url).expect("the user approves")).await.unwrap()
}

fn part(session: &Session, resource: &str) -> Session {
    session.narrow().resource(resource).session().unwrap()
}

fn asked(provider: &Provider) -> usize {
    provider.count(Place::Token)
}

async fn token(session: &Session) -> String {
    session.tokens().await.unwrap().access_token().expose().to_owned()
}

/// For which APIs the provider says that the session's token is, and its scope.
async fn said(client: &Client, session: &Session) -> (Vec<String>, String) {
    let token = session.tokens().await.unwrap().access_token().clone();
    let said = client.introspect(&token).await.unwrap();
    let said = said.active().expect("a good token");
    (
        said.audience().map(str::to_owned).collect(),
        said.scope().map(|scope| scope.as_str().to_owned()).unwrap_or_default(),
    )
}

#[test]
fn s_ri_02_each_part_has_a_token_of_its_own() {
    let provider = Provider::new();
    let client = client(&provider);
    block_on(async {
        let whole = sign_in(&client, &provider).await;
        let (mail, files) = (part(&whole, MAIL), part(&whole, FILES));
        let less = whole.narrow().scope("read").session().unwrap();
        for _ in 0..3 {
            assert_eq!(
                said(&client, &whole).await,
                (vec![MAIL.into(), FILES.into(), OTHER.into()], "read write".into())
            );
            assert_eq!(said(&client, &mail).await, (vec![MAIL.into()], "read write".into()));
            assert_eq!(said(&client, &files).await, (vec![FILES.into()], "read write".into()));
            assert_eq!(said(&client, &less).await.1, "read");
            // None is asked for again before its time, and each in its time, by the one refresh token, which rotates.
            let before = asked(&provider);
            for session in [&whole, &mail, &files, &less, &part(&whole, MAIL)] {
                token(session).await;
            }
            assert_eq!(asked(&provider), before);
            provider.advance(2 * HOUR);
            for session in [&whole, &mail, &files, &less, &part(&whole, MAIL)] {
                token(session).await;
            }
            assert_eq!(asked(&provider), before + 4);
        }
        assert!(mail.tokens().await.unwrap().refresh_token().is_none(), "it is the grant's");
        assert_eq!(mail.record(), whole.record());
    });
}

/// By the refresh token alone, the one who waits would get the token for another API.
#[test]
fn r_part_duende_360_callers_for_different_apis_take_turns_and_each_gets_its_own() {
    for spawning in [Spawning::HandBack, Spawning::Thread] {
        let provider = Provider::builder().yields(true).spawning(spawning).build();
        let client = client(&provider);
        block_on(async {
            let whole = sign_in(&client, &provider).await;
            let parts = [whole.clone(), part(&whole, MAIL), part(&whole, FILES), part(&whole, OTHER)];
            for _ in 0..3 {
                provider.advance(2 * HOUR);
                let before = asked(&provider);
                let tokens = join_all((0..200).map(|at| token(&parts[at % 4]))).await;
                assert_eq!(asked(&provider), before + 4, "one request for each");
                for (at, token) in tokens.iter().enumerate() {
                    assert_eq!(*token, tokens[at % 4]);
                }
                for (part, resource) in parts[1..].iter().zip([MAIL, FILES, OTHER]) {
                    assert_eq!(said(&client, part).await.0, [resource]);
                }
            }
        });
    }
}

#[test]
fn parts_are_kept_with_the_grant_and_taken_over_by_other_programs() {
    let provider = Provider::new();
    let client_of = || client(&provider);
    let clock = provider.clone();
    let store = MemoryStore::with_clock(move || valetkey_http::Backend::now(&clock));
    block_on(async {
        let (one, two) = (client_of().sessions(store.clone()), client_of().sessions(store.clone()));
        one.save("alice", &sign_in(&client_of(), &provider).await).await.unwrap();
        let (first, second) =
            (one.open("alice").await.unwrap().unwrap(), two.open("alice").await.unwrap().unwrap());
        for _ in 0..3 {
            let before = asked(&provider);
            let mail = token(&part(&first, MAIL)).await;
            assert_eq!(token(&part(&second, MAIL)).await, mail, "one asks, the other takes it over");
            assert_eq!(asked(&provider), before + 1);
            // For another one it asks by what the first one left.
            assert_ne!(token(&part(&second, FILES)).await, mail);
            token(&part(&first, FILES)).await;
            token(&first).await;
            token(&second).await;
            let whole_expired = usize::from(before > 2);
            assert_eq!(asked(&provider), before + 2 + whole_expired);
            provider.advance(2 * HOUR);
        }
        // After a restart the parts are there.
        let before = asked(&provider);
        let mail = token(&part(&first, MAIL)).await;
        let again = client_of().sessions(store.clone()).open("alice").await.unwrap().unwrap();
        assert_eq!((token(&part(&again, MAIL)).await, asked(&provider)), (mail.clone(), before + 1));
        let text = again.record().unwrap().to_text();
        let restored = client_of().restore(TokenRecord::parse(text.expose()).unwrap()).unwrap();
        assert_eq!((token(&part(&restored, MAIL)).await, asked(&provider)), (mail, before + 1));
    });
}

#[test]
fn r_neg_a_part_that_is_refused_is_remembered_and_disturbs_no_other() {
    let provider = Provider::builder().yields(true).build();
    let client = client(&provider);
    block_on(async {
        let whole = sign_in(&client, &provider).await;
        let (wrong, mail) = (part(&whole, "https://issuer.test/more"), part(&whole, MAIL));
        let more = whole.narrow().scope("admin").session().unwrap();
        for round in 1..3 {
            let before = asked(&provider);
            let callers = (0..50).map(|at| if at % 2 == 0 { wrong.tokens() } else { more.tokens() });
            for (at, answer) in join_all(callers).await.into_iter().enumerate() {
                let error = answer.unwrap_err();
                assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RequestDenied));
                let code = if at % 2 == 0 { ErrorCode::InvalidTarget } else { ErrorCode::InvalidScope };
                assert_eq!(*error.response().unwrap().code(), code);
            }
            assert!(part(&whole, "https://issuer.test/more").tokens().await.is_err());
            assert_eq!(asked(&provider), before + 2, "each once");
            assert_eq!(said(&client, &mail).await.0, [MAIL]);
            whole.refresh().await.unwrap();
            assert_eq!(asked(&provider), before + 3 + usize::from(round == 1));
            provider.advance(std::time::Duration::from_secs(61));
        }
    });
}

#[test]
fn r_401_a_part_that_is_refused_by_its_api_is_renewed_alone() {
    let provider = Provider::new();
    let client = client(&provider);
    block_on(async {
        let whole = sign_in(&client, &provider).await;
        let mail = part(&whole, MAIL);
        let (all, own) = (token(&whole).await, token(&mail).await);
        provider.revoke_access_tokens();
        let call = |session: Session| {
            let request = get(provider.api("me"));
            async move { session.send(request).await.unwrap().status().as_u16() }
        };
        let before = asked(&provider);
        assert_eq!(call(mail.clone()).await, 200);
        assert_eq!(asked(&provider), before + 1);
        assert!(token(&mail).await != own && token(&whole).await == all);
        // That of the whole was refused as well, and nobody knew of it: renewing the part has not hidden it.
        assert_eq!((call(whole.clone()).await, asked(&provider)), (200, before + 2));
        assert_ne!(token(&whole).await, all);
        // An API that refuses for ever costs one renewal, whatever else is renewed meanwhile.
        let refuses = valetkey_testkit::Effect::Answer { status: 401, headers: &[], body: b"" };
        let always = valetkey_testkit::Fault::new(
            "of-this-test",
            Place::Resource,
            refuses,
            valetkey_testkit::Expect::Accepted,
        );
        provider.set_fault(always);
        assert_eq!(call(mail.clone()).await, 401);
        whole.refresh().await.unwrap();
        let before = asked(&provider);
        assert_eq!((call(mail.clone()).await, asked(&provider)), (401, before));
    });
}

#[test]
fn s_tk_21_the_token_of_a_part_goes_to_its_api_alone() {
    let provider = Provider::new();
    block_on(async {
        let builder = crate::builder(&provider).api("https://mail.example/").api("https://files.example/");
        let client = builder.build().await.unwrap();
        let (url, pending) = client.authorize().scope("read").start().await.unwrap();
        let whole = client.redeem(pending, &provider.visit(&url).unwrap()).await.unwrap();
        let mail = part(&whole, "https://mail.example/");
        let mut request = get("https://files.example/1");
        assert!(whole.attach(&mut request.clone()).await.is_ok());
        let error = mail.attach(&mut request).await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::OriginNotAllowed));
        assert!(mail.attach(&mut get("https://mail.example/1")).await.is_ok());
        assert_ne!(mail.bearer().unwrap().as_bytes(), whole.bearer().unwrap().as_bytes());
    });
}

#[test]
fn a_log_out_takes_the_parts_along() {
    let provider = Provider::new();
    let client = client(&provider);
    block_on(async {
        let whole = sign_in(&client, &provider).await;
        let mail = part(&whole, MAIL);
        let token = Arc::clone(&mail.tokens().await.unwrap());
        whole.revoke().await.unwrap();
        assert_eq!(mail.tokens().await.unwrap_err().reason(), Reason::SessionClosed);
        assert!(client.introspect(token.access_token()).await.unwrap().active().is_none());
        assert_eq!(provider.count(Place::Revocation), 3, "the refresh token and two access tokens");
    });
}

#[test]
fn what_no_refresh_token_renews_has_no_parts() {
    let provider = Provider::new();
    let client = client(&provider);
    let own = client.client_credentials().session().unwrap();
    block_on(own.tokens()).unwrap();
    let error = own.narrow().resource(MAIL).session().unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::MissingRefreshToken));
    let whole = block_on(sign_in(&client, &provider));
    for wrong in [whole.narrow().resource("no url"), whole.narrow().scope("a\"b")] {
        assert_eq!(wrong.session().unwrap_err().kind(), ErrorKind::Config);
    }
}
