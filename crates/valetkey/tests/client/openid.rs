//! OpenID Connect on the client's boundary: who signed in, by which keys, and what the server says more.

use std::time::Duration;

use valetkey::{
    Client, ClientBuilder, ErrorKind, Reason, Result, Session, TokenRecord,
    crypto::SignatureAlgorithm,
    oauth2::authorization::{Callback, ResponseMode, ResponseType},
    oidc::{Claim, ClaimsRequest, IdToken},
    seal::{SealingKey, SealingKeys},
};
use valetkey_testkit::{
    ClaimSource, Effect, Expect, Fault, JwtEdit, Member, OpenId, Place, Provider, RegisteredClient,
    TokenPlacement, block_on,
};

const SECRET: &str = "a-secret-that-is-long-enough-for-hs256-and-more";
const RESPONSE_TYPES: [ResponseType; 6] = [
    ResponseType::Code,
    ResponseType::CodeIdToken,
    ResponseType::CodeToken,
    ResponseType::CodeIdTokenToken,
    ResponseType::IdToken,
    ResponseType::IdTokenToken,
];

fn registered(id: &str) -> RegisteredClient {
    RegisteredClient::confidential(id, SECRET).redirect_uri("https://client.test/cb")
}

fn provider() -> Provider {
    let clients = [
        registered("es256").id_token_signed_by("ES256").user_info_signed_by("ES256"),
        registered("eddsa").id_token_signed_by("EdDSA"),
        registered("hs256").id_token_signed_by("HS256"),
        registered("none").id_token_signed_by("none"),
    ];
    let builder = Provider::builder().openid(OpenId::new());
    clients.into_iter().fold(builder, |builder, client| builder.client(client)).build()
}

fn builder(provider: &Provider, id: &str) -> ClientBuilder {
    super::builder(provider).id(id).secret(if id == "app" { "app-secret" } else { SECRET })
}

/// What the browser brings, in whichever way.
fn visit(provider: &Provider, url: &str, mode: Option<ResponseMode>) -> Callback {
    if mode == Some(ResponseMode::FormPost) {
        let post = provider.posted(url).expect("the user gets through");
        Callback::form(String::from_utf8_lossy(post.body()))
    } else {
        Callback::uri(provider.visit(url).expect("the user gets through"))
    }
}

fn sign_in(client: &Client, provider: &Provider) -> Result<Session> {
    block_on(async {
        let (url, pending) = client.authorize().scope("openid email").start().await?;
        client.redeem(pending, visit(provider, url.as_str(), None)).await
    })
}

#[test]
fn a_session_knows_who_signed_in() {
    let provider = provider();
    let client = block_on(builder(&provider, "app").build()).unwrap();
    let session = sign_in(&client, &provider).unwrap();
    let user = session.identity().expect("it was asked for");
    assert_eq!(user.key(), (provider.issuer().as_str(), "alice"));
    assert!(user.session().is_some() && user.expires_at() > user.issued_at());
    let info = block_on(session.user_info()).unwrap();
    assert_eq!(info.claims().email().as_deref(), Some("alice@people.test"));
    assert!(info.claims().is_email_verified());

    // Renewed, it is about the same user; kept and restored, it is the same.
    block_on(session.refresh()).unwrap();
    let renewed = session.identity().expect("it stays");
    assert_eq!(renewed.key(), user.key());
    let text = session.record().expect("tokens").to_text();
    let restored = client.restore(TokenRecord::parse(text.expose()).unwrap()).unwrap();
    assert_eq!(restored.identity(), Some(renewed));
    assert!(block_on(restored.user_info()).is_ok());
    assert_eq!(provider.count(Place::Keys), 1, "keys are kept");
}

#[test]
fn s_oi_18_who_did_not_ask_gets_no_identity() {
    let provider = provider();
    let client = block_on(builder(&provider, "app").build()).unwrap();
    let session = super::sign_in(&client, &provider).unwrap();
    assert_eq!(session.identity(), None);
    let error = block_on(session.user_info()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::OutOfTurn));
    assert_eq!(provider.count(Place::Keys), 0);
}

#[test]
fn s_oi_04_every_response_type_in_every_mode() {
    let provider = provider();
    let client = block_on(builder(&provider, "app").build()).unwrap();
    for response_type in RESPONSE_TYPES {
        for mode in [None, Some(ResponseMode::Fragment), Some(ResponseMode::FormPost)] {
            let begin = || {
                let request = client.authorize().scope("openid email").response_type(response_type);
                match mode {
                    Some(mode) => request.response_mode(mode),
                    None => request,
                }
            };
            let outcome: Result<Option<IdToken>> = block_on(async {
                let (url, pending) = begin().start().await?;
                let callback = visit(&provider, url.as_str(), mode);
                if response_type == ResponseType::IdToken {
                    return client.identify(pending, callback).await.map(Some);
                }
                let session = client.redeem(pending, callback).await?;
                assert!(session.send(super::get(provider.api("me"))).await?.status().is_success());
                Ok(session.identity())
            });
            match outcome {
                Ok(user) => assert_eq!(user.expect("it was asked for").subject(), "alice"),
                Err(error) => panic!("{} {mode:?}: {error}", response_type.as_str()),
            }
            // What comes in another way is not taken.
            let error = block_on(async {
                let (url, pending) = begin().start().await?;
                let callback = match visit(&provider, url.as_str(), mode) {
                    _ if mode == Some(ResponseMode::FormPost) => {
                        Callback::uri("https://client.test/cb?code=x")
                    }
                    _ => Callback::form("code=x"),
                };
                client.redeem(pending, callback).await
            });
            assert_eq!(error.unwrap_err().reason(), Reason::ResponseModeMismatch);
        }
    }
}

#[test]
fn s_oi_05_tokens_are_signed_as_agreed_on_and_never_by_nothing() {
    for (id, algorithm) in [
        ("es256", SignatureAlgorithm::Es256),
        ("eddsa", SignatureAlgorithm::EdDsa),
        ("hs256", SignatureAlgorithm::Hs256),
    ] {
        let provider = provider();
        let client = block_on(builder(&provider, id).id_token_algorithm(algorithm).build()).unwrap();
        let session = sign_in(&client, &provider).unwrap();
        assert_eq!(session.identity().expect("it was asked for").subject(), "alice", "{id}");
        let plain = block_on(builder(&provider, id).build()).unwrap();
        let error = sign_in(&plain, &provider).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::AlgorithmMismatch), "{id}");
    }
    let provider = provider();
    let client = block_on(builder(&provider, "none").build()).unwrap();
    let error = sign_in(&client, &provider).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::AlgorithmMismatch));
}

#[test]
fn s_oi_12_user_info_is_signed_if_it_should_be_and_by_form_if_asked() {
    let provider = provider();
    let builder = builder(&provider, "es256").id_token_algorithm(SignatureAlgorithm::Es256);
    let client = block_on(builder.user_info_algorithm(SignatureAlgorithm::Es256).build()).unwrap();
    let session = sign_in(&client, &provider).unwrap();
    assert!(block_on(session.user_info()).unwrap().is_signed());
    assert!(block_on(session.user_info_by_form()).unwrap().is_signed());

    let form_only = OpenId::new().user_info_token(TokenPlacement::Form);
    let provider = Provider::builder().openid(form_only).build();
    let client = block_on(super::builder(&provider).build()).unwrap();
    let session = sign_in(&client, &provider).unwrap();
    assert!(block_on(session.user_info()).is_err());
    assert!(block_on(session.user_info_by_form()).is_ok());
}

#[test]
fn s_jk_02_keys_that_change_are_asked_for_once_and_then_left_alone_for_a_while() {
    let provider = provider();
    let client = block_on(builder(&provider, "app").build()).unwrap();
    sign_in(&client, &provider).unwrap();
    // Another key just before signing: one more question, and the sign-in goes on.
    provider.rotate_keys();
    sign_in(&client, &provider).unwrap();
    assert_eq!(provider.count(Place::Keys), 2);
    // Again at once: that could be anybody, making up names of keys.
    provider.rotate_keys();
    for _ in 0..100 {
        let error = sign_in(&client, &provider).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::KeyNotFound));
    }
    assert_eq!(provider.count(Place::Keys), 2);
    provider.advance(Duration::from_secs(30));
    sign_in(&client, &provider).unwrap();
    assert_eq!(provider.count(Place::Keys), 3);
}

#[test]
fn s_jk_03_keys_are_used_for_ten_minutes() {
    let provider = provider();
    let client = block_on(builder(&provider, "app").build()).unwrap();
    for (advance, asked) in [(0, 1), (599, 1), (1, 2), (600, 3)] {
        provider.advance(Duration::from_secs(advance));
        sign_in(&client, &provider).unwrap();
        assert_eq!(provider.count(Place::Keys), asked, "after {advance} s");
    }
}

#[test]
fn s_oi_17_a_sign_in_without_a_code_gives_no_session_by_mistake() {
    let provider = provider();
    let client = block_on(builder(&provider, "app").build()).unwrap();
    let (code, id_token) = (client.authorize().scope("openid"), client.authorize().scope("openid"));
    let id_token = id_token.response_type(ResponseType::IdToken);
    let (url, pending) = block_on(id_token.start()).unwrap();
    let error = block_on(client.redeem(pending, visit(&provider, url.as_str(), None))).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::InvalidValue));
    let (url, pending) = block_on(code.start()).unwrap();
    let error = block_on(client.identify(pending, visit(&provider, url.as_str(), None))).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::InvalidValue));
}

#[test]
fn s_oi_08_an_old_authentication_is_not_taken() {
    let provider = provider();
    let client = block_on(builder(&provider, "app").build()).unwrap();
    let request = client.authorize().scope("openid").max_age(Duration::from_secs(60));
    let (url, pending) = block_on(request.start()).unwrap();
    assert!(url.as_str().contains("max_age=60"));
    let session = block_on(client.redeem(pending, visit(&provider, url.as_str(), None))).unwrap();
    assert!(session.identity().expect("it was asked for").authenticated_at().is_some());
}

#[test]
fn al_16_a_callback_by_get_or_post_gives_a_user_or_the_servers_error() {
    let provider = provider();
    let client = block_on(builder(&provider, "app").build()).unwrap();
    for mode in [ResponseMode::Query, ResponseMode::FormPost] {
        let begin = || client.authorize().scope("openid").response_mode(mode);
        let (url, pending) = block_on(begin().start()).unwrap();
        let session = block_on(client.redeem(pending, visit(&provider, url.as_str(), Some(mode)))).unwrap();
        assert_eq!(session.identity().expect("it was asked for").subject(), "alice");
        // The sign-in is consumed by type; what the server says instead is the error.
        let request = begin().parameter("prompt", "none").max_age(Duration::ZERO);
        let (url, pending) = block_on(request.start()).unwrap();
        let error = block_on(client.redeem(pending, visit(&provider, url.as_str(), Some(mode)))).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::AuthorizationDenied));
        assert_eq!(error.response().unwrap().code().as_str(), "login_required");
    }
}

#[test]
fn al_18_keys_are_asked_for_once_more_and_every_claim_is_checked() {
    let provider = provider();
    let client = block_on(builder(&provider, "app").build()).unwrap();
    assert!(block_on(client.server()).unwrap().endpoint("jwks_uri").is_ok());
    sign_in(&client, &provider).unwrap();
    provider.rotate_keys();
    let session = sign_in(&client, &provider).unwrap();
    assert_eq!(provider.count(Place::Keys), 2);
    let user = session.identity().expect("it was asked for");
    assert_eq!(user.amr(), ["pwd"]);
    assert_eq!(block_on(session.user_info()).unwrap().claims().sub().as_deref(), Some("alice"));
}

#[test]
fn t16_no_claim_switches_a_check_off() {
    const EDITS: &[JwtEdit] =
        &[JwtEdit::Claim(Member::Remove("nonce")), JwtEdit::Claim(Member::Add("nonce_supported", b"false"))];
    const EXPECT: Expect = Expect::Rejected { kind: ErrorKind::Untrusted, reason: Reason::NonceMismatch };
    let fault = Fault::new("nonce-not-supported", Place::Token, Effect::Jwt(EDITS), EXPECT);
    let provider = Provider::builder().openid(OpenId::new()).fault(fault).build();
    let client = block_on(super::builder(&provider).build()).unwrap();
    let error = sign_in(&client, &provider).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::NonceMismatch));
    assert_eq!(provider.faults_happened(), 1);
}

#[test]
fn s_oi_15_claims_of_others_are_verified_and_nobody_else_is_asked() {
    for source in [ClaimSource::Aggregated, ClaimSource::Distributed] {
        let provider = Provider::builder().openid(OpenId::new().claim_source(source)).build();
        let client = block_on(super::builder(&provider).build()).unwrap();
        let session = sign_in(&client, &provider).unwrap();
        let info = block_on(session.user_info()).unwrap();
        let sources = info.claims().sources();
        assert_eq!(provider.count(Place::Claims), 0, "nothing is followed by itself");
        let claims = block_on(client.claims_of_others(&sources[0], &provider.issuer())).unwrap();
        assert_eq!(claims.get::<u32>("credit_score"), Some(650));
        assert_eq!(claims.sub(), None, "only what was to come from there");
        // Of an issuer that did not make them, they are worth nothing; and nobody else is asked for them.
        let error = block_on(client.claims_of_others(&sources[0], "https://other.test")).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Server | ErrorKind::Transport | ErrorKind::Protocol),
            "{error}"
        );
    }
}

#[test]
fn s_oi_08_a_class_of_authentication_that_is_essential_is_there() {
    let provider = provider();
    let client = block_on(builder(&provider, "app").build()).unwrap();
    let ask = |claim: Claim| {
        let request = client.authorize().scope("openid").claims(ClaimsRequest::new().id_token("acr", claim));
        let (url, pending) = block_on(request.start()).unwrap();
        let keys = SealingKeys::new(SealingKey::new([1; 32]));
        // Also when it was away in a cookie.
        let sealing = block_on(builder(&provider, "app").sealing_keys(keys).build()).unwrap();
        let pending = sealing.unseal(sealing.seal(pending).unwrap().expose()).unwrap();
        block_on(client.redeem(pending, visit(&provider, url.as_str(), None)))
    };
    assert!(ask(Claim::essential().value("phr")).is_ok(), "the provider has it");
    assert!(ask(Claim::voluntary().values(["phrh"])).is_ok(), "it may be missing");
    let error = ask(Claim::essential().values(["gold", "silver"])).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::AuthenticationMismatch));
}

#[test]
fn s_oi_06_clocks_may_differ_by_as_much_as_is_said() {
    const EDITS: &[JwtEdit] = &[JwtEdit::Time("iat", 45)];
    const EXPECT: Expect = Expect::Rejected { kind: ErrorKind::Untrusted, reason: Reason::NotYetValid };
    let fault = Fault::new("a-clock-ahead", Place::Token, Effect::Jwt(EDITS), EXPECT);
    let sign_in = |leeway: Option<u64>| {
        let provider = Provider::builder().openid(OpenId::new()).fault(fault).build();
        let builder = super::builder(&provider);
        let builder = match leeway {
            Some(seconds) => builder.clock_leeway(Duration::from_secs(seconds)),
            None => builder,
        };
        sign_in(&block_on(builder.build()).unwrap(), &provider)
    };
    assert_eq!(sign_in(None).unwrap_err().reason(), Reason::NotYetValid);
    assert_eq!(sign_in(Some(40)).unwrap_err().reason(), Reason::NotYetValid);
    assert!(sign_in(Some(60)).is_ok());
}

#[test]
fn s_az_22_a_posted_response_is_taken_where_one_was_asked_for() {
    let provider = provider();
    let client = block_on(builder(&provider, "app").build()).unwrap();
    let (url, pending) = block_on(client.authorize().scope("read").start()).unwrap();
    let callback = provider.visit(&url).expect("the user gets through");
    let query = callback.split_once('?').map(|(_, query)| query.to_owned()).expect("a query");
    let error = block_on(client.redeem(pending, Callback::form(query))).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Protocol, Reason::ResponseModeMismatch));
    let request = client.authorize().scope("read").response_mode(ResponseMode::FormPost);
    let (url, pending) = block_on(request.start()).unwrap();
    let posted = visit(&provider, url.as_str(), Some(ResponseMode::FormPost));
    assert!(pending.matches(&posted));
    assert!(block_on(client.redeem(pending, posted)).is_ok());
    assert_eq!(provider.count(Place::Token), 1, "nothing was sent before");
}

#[test]
fn s_oi_02_another_audience_is_taken_if_it_is_trusted_and_the_token_was_given_to_us() {
    const OTHER: &str = "https://other.test";
    const WITH_AZP: &[JwtEdit] =
        &[JwtEdit::AudienceToo(OTHER), JwtEdit::Claim(Member::Set("azp", b"\"app\""))];
    let sign_in = |edits: &'static [JwtEdit], trusts: bool| {
        let fault = Fault::new("audiences", Place::Token, Effect::Jwt(edits), Expect::Accepted);
        let provider = Provider::builder().openid(OpenId::new()).fault(fault).build();
        let builder = super::builder(&provider);
        let builder = if trusts { builder.trusted_audience(OTHER) } else { builder };
        sign_in(&block_on(builder.build()).unwrap(), &provider).map_err(|error| error.reason())
    };
    assert!(sign_in(WITH_AZP, true).is_ok());
    assert_eq!(sign_in(WITH_AZP, false).unwrap_err(), Reason::AudienceMismatch);
    assert_eq!(sign_in(&WITH_AZP[..1], true).unwrap_err(), Reason::AudienceMismatch);
}

#[test]
fn s_md_01_a_server_of_many_tenants_speaks_for_each_of_them() {
    const TEMPLATE: &str = "https://issuer.test/{tenantid}/v2.0";
    const DOCUMENT: Effect =
        Effect::Json(&[Member::Set("issuer", b"\"https://issuer.test/{tenantid}/v2.0\"")]);
    const TENANT: &[JwtEdit] = &[
        JwtEdit::Claim(Member::Set("iss", b"\"https://issuer.test/t-1/v2.0\"")),
        JwtEdit::Claim(Member::Add("tid", b"\"t-1\"")),
    ];
    const ANOTHER: &[JwtEdit] = &[
        JwtEdit::Claim(Member::Set("iss", b"\"https://issuer.test/t-2/v2.0\"")),
        JwtEdit::Claim(Member::Add("tid", b"\"t-1\"")),
    ];
    let set_up = |edits: &'static [JwtEdit]| {
        Provider::builder()
            .openid(OpenId::new())
            .fault(Fault::new("template", Place::Metadata, DOCUMENT, Expect::Accepted))
            .fault(Fault::new("tenant", Place::Token, Effect::Jwt(edits), Expect::Accepted))
            .build()
    };
    let provider = set_up(TENANT);
    let client = block_on(super::builder(&provider).issuer_template(TEMPLATE).build()).unwrap();
    let session = sign_in(&client, &provider).unwrap();
    assert_eq!(session.identity().unwrap().key(), ("https://issuer.test/t-1/v2.0", "alice"));
    assert!(block_on(session.user_info()).is_ok());
    assert!(client.restore(session.record().unwrap()).is_ok());
    // Without the option it is another issuer's document.
    let error = block_on(super::builder(&provider).build()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::IssuerMismatch));
    // A token of another tenant than it says, of none, or of an issuer of another form.
    for edits in [ANOTHER, &TENANT[..1], &TENANT[1..]] {
        let provider = set_up(edits);
        let client = block_on(super::builder(&provider).issuer_template(TEMPLATE).build()).unwrap();
        assert_eq!(sign_in(&client, &provider).unwrap_err().reason(), Reason::IssuerMismatch);
    }
}
