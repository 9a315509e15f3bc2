//! One run of a module: the client does what its task says.

use std::time::Duration;

use bytes::Bytes;
use libtest_mimic::Failed;
use valetkey::{
    Client, ClientBuilder, Error, ErrorKind, Reason, Registrar, Result, Runtime, Session,
    crypto::{CryptoProvider, PrivateKey, SignatureAlgorithm},
    oauth2::{
        authorization::{Callback, RequestObject, ResponseMode, ResponseType},
        client::ClientAuth,
        endpoint::registration::RegistrationMetadata,
        server::{Issuer, JwksRequest},
    },
    oidc::{
        initiated_login::InitiatedLogin,
        logout::{BackChannel, FrontChannel},
        webfinger::{Identifier, WebFingerRequest},
    },
};
use valetkey_proto::{Call, endpoint::Origin};
use valetkey_testkit::{
    self as testkit, Expect, Module, Place, Provider, Run, Task, TokenPlacement, block_on, keys,
};

/// Plays a run, and compares with what must come of it.
pub(crate) fn play(run: &Run) -> std::result::Result<(), Failed> {
    let provider = run.provider().build();
    let outcome = block_on(perform(run, &provider));
    if provider.faults_happened() < run.faults().count() {
        return Err("the fault did not happen".into());
    }
    judge(run.module.verdict.expect(), &provider, &outcome, Provider::assert_no_call_after_fault)
}

pub(crate) fn judge(
    expected: Option<Expect>,
    provider: &Provider,
    outcome: &Result<()>,
    assert_quiet: impl FnOnce(&Provider),
) -> std::result::Result<(), Failed> {
    match (outcome, expected) {
        (Ok(()), Some(Expect::Accepted)) => {}
        (Err(error), Some(Expect::Rejected { kind, reason }))
            if (error.kind(), error.reason()) == (kind, reason) =>
        {
            if provider.faults_happened() > 0 {
                assert_quiet(provider);
            }
        }
        _ => return Err(format!("expected {expected:?}, got {outcome:?}").into()),
    }
    if provider.count(Place::Elsewhere) > 0 {
        return Err("a request went astray".into());
    }
    Ok(())
}

/// The client of the modules.
fn builder(run: &Run, provider: &Provider) -> ClientBuilder {
    let builder = Client::builder(provider.clone())
        .random(provider.random())
        .discover(&provider.issuer())
        .id(Module::CLIENT)
        .auth(ClientAuth::secret_basic(Module::SECRET))
        .redirect_uri(Module::REDIRECT_URI)
        .api(&provider.issuer());
    let algorithm = |name| SignatureAlgorithm::parse(name).expect("an algorithm");
    let builder = builder.id_token_algorithm(algorithm(run.module.id_token_alg));
    match run.module.user_info_alg {
        Some(name) => builder.user_info_algorithm(algorithm(name)),
        None => builder,
    }
}

fn response_type(run: &Run) -> ResponseType {
    match run.response_type {
        testkit::ResponseType::Code => ResponseType::Code,
        testkit::ResponseType::CodeIdToken => ResponseType::CodeIdToken,
        testkit::ResponseType::CodeToken => ResponseType::CodeToken,
        testkit::ResponseType::CodeIdTokenToken => ResponseType::CodeIdTokenToken,
        testkit::ResponseType::IdToken => ResponseType::IdToken,
        testkit::ResponseType::IdTokenToken => ResponseType::IdTokenToken,
        testkit::ResponseType::Token => ResponseType::LegacyToken,
    }
}

/// What the browser brings.
pub(crate) fn visit(provider: &Provider, url: &str, by_form: bool) -> Callback {
    if by_form {
        let post = provider.posted(url).expect("the user gets through");
        Callback::form(String::from_utf8_lossy(post.body()))
    } else {
        Callback::uri(provider.visit(url).expect("the user gets through"))
    }
}

/// A login as its response type has it: with a session, or with the identity alone.
async fn log_in(run: &Run, client: &Client, provider: &Provider) -> Result<Option<Session>> {
    let by_form = run.response_mode == testkit::ResponseMode::FormPost;
    let mut request =
        client.authorize().scope("openid profile email address phone").response_type(response_type(run));
    if by_form {
        request = request.response_mode(ResponseMode::FormPost);
    }
    if run.module.task == Task::LogInSilently {
        request = request.parameter("prompt", "none").max_age(Duration::ZERO);
    }
    let (url, pending) = match run.module.task {
        Task::LogInByRequestUri { signed } => {
            if signed {
                let key = PrivateKey::parse(keys::rs256().pem().as_bytes())?;
                let key = key.signing_key(SignatureAlgorithm::Rs256, &CryptoProvider::ring())?;
                request = request.request_object(RequestObject::signed(key)?);
            }
            let (url, pending, hosted) = request.start_hosted(Module::REQUEST_URI).await?;
            provider.host(Module::REQUEST_URI, hosted.object());
            (url, pending)
        }
        _ => request.start().await?,
    };
    let callback = visit(provider, url.as_str(), by_form);
    if run.response_type == testkit::ResponseType::IdToken {
        let user = client.identify(pending, callback).await?;
        assert_eq!(user.subject(), "alice");
        if run.module.task == Task::LogInForClaims {
            assert_eq!(user.claims().email().as_deref(), Some("alice@people.test"));
        }
        return Ok(None);
    }
    let session = client.redeem(pending, callback).await?;
    assert_eq!(session.identity().expect("it was asked for").subject(), "alice");
    Ok(Some(session))
}

/// A login, and what the server says about the user.
async fn log_in_and_ask(run: &Run, client: &Client, provider: &Provider) -> Result<Option<Session>> {
    let Some(session) = log_in(run, client, provider).await? else { return Ok(None) };
    if run.module.task == Task::Refresh {
        session.refresh().await?;
    }
    let info = match run.module.user_info_token {
        TokenPlacement::Form => session.user_info_by_form().await?,
        _ => session.user_info().await?,
    };
    assert_eq!(info.is_signed(), run.module.user_info_alg.is_some());
    if run.module.task == Task::LogInForClaims {
        let claims = info.claims();
        assert!(claims.name().is_some() && claims.address().is_some() && claims.phone_number().is_some());
        assert!(claims.is_email_verified());
    }
    if run.module.task == Task::LogInAndFollowClaims {
        let sources = info.claims().sources();
        let claims = client.claims_of_others(&sources[0], &provider.issuer()).await?;
        assert_eq!(claims.get::<u32>("credit_score"), Some(650));
    }
    Ok(Some(session))
}

async fn perform(run: &Run, provider: &Provider) -> Result<()> {
    let client = || builder(run, provider).build();
    match run.module.task {
        Task::LogInTwice => {
            let client = client().await?;
            log_in_and_ask(run, &client, provider).await?;
            provider.rotate_keys();
            log_in_and_ask(run, &client, provider).await?;
        }
        Task::Discover => drop(client().await?),
        Task::DiscoverKeys => {
            let server = client().await?.server().await?;
            let runtime = Runtime::new(provider.clone());
            let keys = valetkey::run(Call::anonymous(JwksRequest::new(&server)?), &runtime).await?;
            assert!(!keys.keys().is_empty());
        }
        Task::FindByAccount => find_and_discover("alice@issuer.test", run, provider).await?,
        Task::FindByUrl => find_and_discover("https://issuer.test/alice", run, provider).await?,
        Task::Register => Box::pin(register(run, provider)).await?,
        Task::BeginElsewhere => begin_elsewhere(&client().await?, provider).await?,
        Task::LogOut
        | Task::ReceiveBackChannel
        | Task::ReceiveFrontChannel
        | Task::ReceiveFrontChannelUnasked => log_out(run, &client().await?, provider).await?,
        _ => drop(log_in_and_ask(run, &client().await?, provider).await?),
    }
    Ok(())
}

async fn find_and_discover(typed: &str, run: &Run, provider: &Provider) -> Result<()> {
    find(typed, provider).await?;
    builder(run, provider).discover(&provider.issuer()).build().await.map(drop)
}

/// Looks up the provider of an account.
pub(crate) async fn find(typed: &str, provider: &Provider) -> Result<()> {
    let request =
        WebFingerRequest::new(&Identifier::parse(typed)?, |identifier| identifier.host() == "issuer.test")?;
    let issuer: Issuer = valetkey::run(Call::anonymous(request), &Runtime::new(provider.clone())).await?;
    assert_eq!(issuer.as_str(), provider.issuer());
    Ok(())
}

async fn register(run: &Run, provider: &Provider) -> Result<()> {
    let registrar = Registrar::discover(Runtime::new(provider.clone()), &provider.issuer()).await?;
    let metadata = RegistrationMetadata::new().with_redirect_uri(Module::REDIRECT_URI)?;
    let registration = registrar.register(metadata).await?;
    let client =
        registrar.client(&registration, Some(Module::REDIRECT_URI))?.api(&provider.issuer()).build().await?;
    log_in_and_ask(run, &client, provider).await.map(drop)
}

/// The user comes from another site, which says where to sign in.
async fn begin_elsewhere(client: &Client, provider: &Provider) -> Result<()> {
    let url = provider.initiate_login(Module::CLIENT, "https://client.test/cart").expect("it is registered");
    let request = http::Request::get(url).body(Bytes::new()).expect("a request");
    let (issuers, origins) = ([Issuer::parse(&provider.issuer())?], [Origin::parse("https://client.test")?]);
    let login = InitiatedLogin::parse(&request, &issuers, &origins)?;
    assert_eq!(login.target().map(|target| target.as_str()), Some("https://client.test/cart"));
    let hint = login.login_hint().unwrap_or_default();
    let (url, pending) = client.authorize().scope("openid").parameter("login_hint", hint).start().await?;
    client.redeem(pending, visit(provider, url.as_str(), false)).await.map(drop)
}

async fn log_out(run: &Run, client: &Client, provider: &Provider) -> Result<()> {
    let user = match log_in(run, client, provider).await? {
        Some(session) => session.identity(),
        None => {
            let request = client.authorize().scope("openid").response_type(ResponseType::IdToken);
            let (url, pending) = request.start().await?;
            Some(client.identify(pending, visit(provider, url.as_str(), false)).await?)
        }
    };
    let user = user.expect("somebody has signed in");
    if run.module.task == Task::ReceiveFrontChannelUnasked {
        provider.sign_out();
    } else {
        let (url, pending) = client.logout().user(&user).redirect_uri(Module::BYE).start().await?;
        let back = provider.visit(&url).expect("the user gets through");
        pending.expect("the browser comes back").receive(back)?;
    }
    match run.module.task {
        Task::ReceiveBackChannel => {
            let request = provider.back_channel_logouts().pop().expect("a logout");
            let outcome = client.receive_logout(&request).await;
            let expected = if outcome.is_ok() { 200 } else { 400 };
            assert_eq!(BackChannel::response(&outcome).status(), expected);
            assert!(outcome?.ends(user.subject(), user.session()));
        }
        Task::ReceiveFrontChannel | Task::ReceiveFrontChannelUnasked => {
            let url = provider.front_channel_logouts().pop().expect("a logout");
            let front_channel =
                FrontChannel::new(&Issuer::parse(&provider.issuer())?).with_session_required();
            front_channel.check(&url, user.session())?;
            let other = front_channel.check(&url, Some("another session"));
            let error = |error: Error| (error.kind(), error.reason());
            assert_eq!(other.map_err(error), Err((ErrorKind::Untrusted, Reason::SessionMismatch)));
        }
        _ => {}
    }
    Ok(())
}
