//! No secret shows: not in `Debug`, not in `Display`, not down an error's chain, not in a panic.
//!
//! What a login makes and carries is taken from the provider's transcript, and looked for, as it is and
//! encoded, in everything that the public types print.

use std::{
    error::Error as _,
    fmt::{Debug, Display, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use valetkey::{
    Client, Error, Observer, Runtime, SessionEvent, TracingObserver, oauth1,
    oauth2::{
        assertion::{Assertion, SelfSigned, ServiceAccount},
        authorization::{AuthorizationRequest, Callback},
        client::{AssertionKey, ClientAuth, ClientMetadata},
        grant::{
            AuthorizationCodeGrant, ExtensionGrant, JwtBearerGrant, RefreshTokenGrant, SamlBearerGrant,
            TokenExchangeGrant, TokenTypeIdentifier, TypedToken, legacy::PasswordGrant,
        },
        resource::ResourceRequest,
    },
    sasl,
    seal::{SealingKey, SealingKeys},
    secret::{AccessToken, AuthorizationCode, ClientSecret, RefreshToken, Secret},
    source::GitHubActions,
};
use valetkey_http::{Backend, Limits, Response, backend_fn};
use valetkey_hyper::HyperBackend;
use valetkey_proto::{
    Call, Draft, Env, Event, Flow, Party, Step,
    crypto::{CryptoProvider, SignatureAlgorithm, SigningKey},
    form::Form,
};
use valetkey_testkit::{
    Grant, HMAC_SECRET, OpenId, Place, Provider, RegisteredClient, block_on, faults, keys,
};

/// A secret that no text contains by chance.
const CANARY: &str = "c4n4ry~Secret/42";
/// The client secret of `app`.
const SECRET: &str = "app-secret";

/// Everything that was printed, and the secrets that must not be in it.
#[derive(Default)]
struct Search {
    printed: String,
    secrets: Vec<String>,
    /// What observers were told.
    heard: Arc<Mutex<String>>,
}

/// What this process has logged, at every level and by whatever crate.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Has everything that is logged written down.
fn write_log() {
    struct Log;

    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            LOG.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(|| Log);
    // Another test of this process may have been first.
    let _ = tracing::subscriber::set_global_default(subscriber.finish());
}

impl Search {
    fn debug(&mut self, value: &dyn Debug) {
        let _ = writeln!(self.printed, "{value:?}\n{value:#?}");
    }

    fn display(&mut self, value: &dyn Display) {
        let _ = writeln!(self.printed, "{value}");
    }

    /// An error, all that caused it, and the panic of whoever unwraps it.
    fn error(&mut self, error: &Error) {
        self.debug(error);
        self.display(error);
        let mut cause = error.source();
        while let Some(error) = cause {
            self.display(&error);
            self.debug(&error);
            cause = error.source();
        }
        let heard = Arc::new(Mutex::new(String::new()));
        let hook = std::panic::take_hook();
        let listener = Arc::clone(&heard);
        std::panic::set_hook(Box::new(move |panic| listener.lock().unwrap().push_str(&panic.to_string())));
        let outcome = catch_unwind(AssertUnwindSafe(|| panicking(Err(error.clone()))));
        std::panic::set_hook(hook);
        assert!(outcome.is_err());
        self.display(&heard.lock().unwrap());
    }

    /// Hears what observers are told, and has `tracing` write it down.
    fn observer(&self) -> impl Fn(&SessionEvent) + Send + Sync + 'static {
        let heard = Arc::clone(&self.heard);
        move |event: &SessionEvent| {
            let _ = writeln!(heard.lock().unwrap(), "{event:?}");
            TracingObserver::new().event(event);
        }
    }

    /// What a provider saw of a login that must not be printed.
    fn learn(&mut self, provider: &Provider) {
        for entry in provider.transcript() {
            for name in [
                "assertion",
                "client_assertion",
                "client_secret",
                "code",
                "code_verifier",
                "nonce",
                "password",
                "refresh_token",
                "state",
                "subject_token",
            ] {
                self.secrets.extend(entry.param(name).map(|value| value.to_string()));
            }
            for name in ["oauth_token", "oauth_verifier"] {
                self.secrets.extend(entry.oauth1_param(name).map(str::to_owned));
            }
            // By PLAINTEXT, the signature is the secrets.
            let signature = entry.oauth1_param("oauth_signature").unwrap_or_default();
            self.secrets.extend(signature.split('&').map(str::to_owned));
            let header = entry.headers().get("authorization").and_then(|value| value.to_str().ok());
            self.secrets.extend(header.and_then(|value| value.split(' ').nth(1)).map(str::to_owned));
        }
    }

    /// Looks for the secrets, as they are and encoded.
    fn finish(mut self) {
        self.printed.push_str(&self.heard.lock().unwrap());
        self.printed.push_str(&String::from_utf8_lossy(&LOG.lock().unwrap()));
        assert!(self.printed.len() > 100 && !self.secrets.is_empty(), "there was nothing to search");
        self.secrets.sort();
        self.secrets.dedup();
        for secret in self.secrets.iter().filter(|secret| secret.len() >= 8) {
            let percent: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
            let bytes = format!("{:?}", secret.as_bytes());
            let bytes = bytes.trim_matches(['[', ']']);
            for shape in [secret.as_str(), &percent, &hex, &STANDARD.encode(secret), bytes] {
                if let Some(at) = self.printed.find(shape) {
                    let line = self.printed[..at].rfind('\n').map_or(0, |end| end + 1);
                    panic!("a secret shows: {}", self.printed[line..].lines().next().unwrap_or_default());
                }
            }
        }
    }
}

/// What a program does that does not care.
fn panicking(outcome: valetkey::Result<()>) {
    outcome.unwrap();
}

fn builder(backend: Arc<dyn Backend>, provider: &Provider) -> valetkey::ClientBuilder {
    Client::builder(backend)
        .random(provider.random())
        .discover(&provider.issuer())
        .id("app")
        .secret(SECRET)
        .redirect_uri("https://client.test/cb")
        .api(&provider.issuer())
}

/// A login and a call, printing whatever comes along, up to its end or its error.
async fn login(
    search: &mut Search,
    backend: Arc<dyn Backend>,
    provider: &Provider,
) -> valetkey::Result<Response> {
    let keys =
        SealingKeys::new(SealingKey::new(*CANARY.repeat(2).as_bytes().first_chunk().expect("32 bytes")));
    search.debug(&keys);
    write_log();
    let builder = builder(backend, provider).sealing_keys(keys).observer(search.observer());
    search.debug(&builder);
    let client = builder.build().await?;
    search.debug(&client);
    let request = client.authorize().scope("openid read");
    search.debug(&request);
    let (url, pending) = request.start().await?;
    search.debug(&url);
    search.debug(&pending);
    let callbacks = provider.callbacks(&url).expect("the browser comes back");
    let callback = Callback::from(&callbacks[callbacks.len() - 1]);
    search.debug(&callback);
    let sealed = client.seal(pending)?;
    search.debug(&sealed);
    search.secrets.push(sealed.expose().to_owned());
    let session = client.redeem(client.unseal(sealed.expose())?, callback).await?;
    search.debug(&session);
    let tokens = session.tokens().await?;
    search.debug(&tokens);
    search.secrets.extend(tokens.refresh_token().map(|token| token.expose().to_owned()));
    search.secrets.push(tokens.access_token().expose().to_owned());
    search.debug(&tokens.access_token().header());
    search.debug(&session.record());
    let user = session.identity().expect("it was asked for");
    search.secrets.push(user.text().expose().to_owned());
    search.debug(&user);
    search.debug(&user.claims());
    search.debug(&session.user_info().await?);
    search.debug(&session.bearer());
    session.refresh().await?;
    session.send(http::Request::get(provider.api("me")).body(Bytes::new()).expect("a request")).await
}

#[test]
fn values_show_no_secret() {
    let provider = Provider::builder().openid(OpenId::new()).build();
    let mut search = Search { secrets: vec![SECRET.to_owned(), CANARY.to_owned()], ..Search::default() };
    block_on(login(&mut search, Arc::new(provider.clone()), &provider)).unwrap();
    search.learn(&provider);
    search.debug(&provider.transcript());
    for value in [
        &Secret::new(CANARY) as &dyn Debug,
        &ClientSecret::new(CANARY),
        &RefreshToken::new(CANARY),
        &AuthorizationCode::new(CANARY),
        &AccessToken::bearer(CANARY).unwrap(),
        &ClientAuth::secret_basic(CANARY),
        &ClientAuth::secret_basic_raw(CANARY),
        &ClientAuth::secret_post(CANARY),
        &ClientAuth::secret_jwt(CANARY),
        &AssertionKey::secret(SignatureAlgorithm::Hs256, CANARY),
        &Callback::uri(format!("/cb?code={CANARY}&state={CANARY}")),
        &Callback::form(format!("code={CANARY}")),
        &valetkey_proto::form::Parameters::parse(&format!("code={CANARY}")).unwrap(),
        &Runtime::new(Provider::new()),
        &Form::new().push("client_secret", CANARY),
        &sasl::oauth_bearer("alice", "host", 1, &AccessToken::bearer(CANARY).unwrap()),
        &sasl::xoauth2("alice", &AccessToken::bearer(CANARY).unwrap()),
        &sasl::xoauth2("alice", &AccessToken::dpop(CANARY).unwrap()),
    ] {
        search.debug(value);
    }
    search.finish();
}

#[test]
fn machines_show_no_secret() {
    let provider = Provider::builder().openid(OpenId::new()).build();
    let mut search = Search { secrets: vec![CANARY.to_owned(), SECRET.to_owned()], ..Search::default() };
    let client = block_on(builder(Arc::new(provider.clone()), &provider).build()).unwrap();
    let server = block_on(client.server()).unwrap();
    let metadata = ClientMetadata::new("app").unwrap().with_auth(ClientAuth::secret_post(CANARY));
    let metadata = metadata.with_redirect_uri("https://client.test/cb").unwrap();
    let (random, crypto) = (provider.random(), CryptoProvider::ring());
    let env = Env { now: provider.now().into(), random: &*random, crypto: &crypto };
    let (url, pending) = AuthorizationRequest::new(&server, &metadata).unwrap().start(&env).unwrap();
    let received = pending.receive(provider.visit(&url).unwrap()).unwrap();
    search.debug(&received);
    let party = || Arc::new(Party::client(server.issuer().clone(), metadata.id(), metadata.auth()).unwrap());
    search.debug(&party());

    let code = AuthorizationCodeGrant::new(&server, received).unwrap();
    search.debug(&code);
    let refresh = RefreshTokenGrant::new(&server, RefreshToken::new(CANARY)).unwrap();
    search.debug(&refresh);
    let mut request = http::Request::post("https://api.test/").body(Bytes::from(CANARY)).unwrap();
    request.headers_mut().insert("x-secret", CANARY.parse().unwrap());
    search.debug(&Draft::of(request.clone()));
    search.debug(&ResourceRequest::new(request));

    let mut call = Call::new(refresh, party());
    search.debug(&call);
    let step = call.step(Event::Go, &env).unwrap();
    search.debug(&step);
    let Step::Send(request, _) = step else { panic!("should send") };
    assert!(String::from_utf8_lossy(request.body()).contains("c4n4ry"), "the secret is in the request");
    let body = format!(
        r#"{{"access_token":"{CANARY}","refresh_token":"{CANARY}","id_token":"{CANARY}","x":"{CANARY}"}}"#
    );
    let mut response = Response::new(Bytes::from(body));
    response.headers_mut().insert("content-type", "application/json".parse().unwrap());
    let event = Event::Response(response);
    search.debug(&event);
    let done = call.step(event, &env).unwrap();
    search.debug(&done);
    let Step::Done(tokens) = done else { panic!("should be done") };
    search.debug(&tokens);
    search.learn(&provider);
    search.finish();
}

#[test]
fn errors_of_every_fault_show_no_secret() {
    let mut search = Search { secrets: vec![SECRET.to_owned()], ..Search::default() };
    // Where the login comes by.
    let places = [Place::Metadata, Place::Authorize, Place::Token, Place::Resource];
    for fault in faults().filter(|fault| places.contains(&fault.at)) {
        let provider = Provider::builder().openid(OpenId::new()).fault(*fault).build();
        if let Err(error) = block_on(login(&mut search, Arc::new(provider.clone()), &provider)) {
            search.error(&error);
        }
        search.learn(&provider);
    }
    search.finish();
}

/// The same by OAuth 1.0a, signed by PLAINTEXT.
async fn oauth1_login(search: &mut Search, provider: &Provider) -> valetkey::Result<Response> {
    write_log();
    let credentials = oauth1::ClientCredentials::new("dpf43f3p2l4k3l03", "kd94hf93k423kf44")?;
    search.debug(&credentials);
    let builder = oauth1::Client::builder(provider.clone())
        .random(provider.random())
        .credentials(credentials)
        .method(oauth1::SignatureMethod::Plaintext)
        .temporary_credentials(&provider.oauth1("request_token"))
        .authorization(&provider.oauth1("authorize"))
        .token_credentials(&provider.oauth1("access_token"))
        .redirect_uri("https://client.test/cb")
        .api(&provider.oauth1("api"));
    search.debug(&builder);
    let client = builder.build()?;
    search.debug(&client);
    let request = client.authorize();
    search.debug(&request);
    let (url, pending) = request.start().await?;
    search.debug(&url);
    search.debug(&pending);
    let callbacks = provider.callbacks(&url).expect("the browser comes back");
    let callback = Callback::from(&callbacks[callbacks.len() - 1]);
    search.debug(&callback);
    let session = client.redeem(pending, callback).await?;
    search.debug(&session);
    let token = session.credentials().expect("of a user");
    search.debug(token);
    search.secrets.push(token.identifier().expose().to_owned());
    search.secrets.push(token.shared_secret().expose().to_owned());
    let signer = oauth1::Signer::new(oauth1::ClientCredentials::new("key", CANARY)?).token(token.clone());
    search.debug(&signer);
    session.send(http::Request::get(provider.oauth1("api")).body(Bytes::new()).expect("a request")).await
}

#[test]
fn s_o1_08_oauth1_shows_no_secret_whatever_the_fault() {
    let secrets = vec!["kd94hf93k423kf44".to_owned(), CANARY.to_owned()];
    let mut search = Search { secrets, ..Search::default() };
    let provider = Provider::builder().openid(OpenId::new()).build();
    block_on(oauth1_login(&mut search, &provider)).unwrap();
    search.learn(&provider);
    let places = [Place::TemporaryCredentials, Place::OwnerAuthorization, Place::TokenCredentials];
    for fault in faults().filter(|fault| places.contains(&fault.at)) {
        let provider = Provider::builder().openid(OpenId::new()).fault(*fault).build();
        if let Err(error) = block_on(oauth1_login(&mut search, &provider)) {
            search.error(&error);
        }
        search.learn(&provider);
    }
    search.finish();
}

#[test]
fn assertions_show_no_secret() {
    // Lines of a key in PEM, and secrets that sign.
    let secrets = keys::rs256().pem().lines().filter(|line| !line.starts_with('-')).map(str::to_owned);
    let secrets = secrets.chain([HMAC_SECRET.to_owned(), CANARY.to_owned()]).collect();
    let mut search = Search { secrets, ..Search::default() };
    let provider = Provider::builder().openid(OpenId::new()).build();
    let builder = Client::builder(provider.clone()).discover(&provider.issuer()).id("hmac");
    let builder = builder.auth(ClientAuth::secret_jwt(HMAC_SECRET)).observer(search.observer());
    search.debug(&builder);
    let client = block_on(builder.build()).unwrap();
    let crypto = CryptoProvider::ring();
    let key = SigningKey::secret(SignatureAlgorithm::Hs256, CANARY.repeat(2).as_bytes(), &crypto).unwrap();
    let assertion = Assertion::new(key, "robot").unwrap().with_text("told", CANARY).unwrap();
    search.debug(&assertion);
    let file = format!(
        r#"{{"type":"service_account","client_email":"r@p.test","token_uri":"https://as.test/t","private_key":{:?}}}"#,
        keys::rs256().pem()
    );
    search.debug(&ServiceAccount::google(&file, "read", &crypto).unwrap());
    search.error(&ServiceAccount::google(&file.replace("r@p.test\",", ""), "read", &crypto).unwrap_err());
    search.debug(&SelfSigned::new(assertion.clone()));
    let server = block_on(client.server()).unwrap();
    search.debug(&JwtBearerGrant::new(&server, assertion.clone()).unwrap());
    search.debug(&JwtBearerGrant::given(&server, Secret::new(CANARY)).unwrap());
    search.debug(&client.jwt_bearer(assertion.clone()));
    let own = client.self_signed(assertion.clone());
    search.secrets.push(block_on(own.tokens()).unwrap().access_token().expose().to_owned());
    search.debug(&(&own, own.record()));
    search.error(&block_on(client.jwt_bearer(assertion).session().unwrap().tokens()).unwrap_err());
    for fault in faults().filter(|fault| fault.at == Place::Token) {
        provider.set_fault(*fault);
        let session = client.client_credentials().session().unwrap();
        if let Err(error) = block_on(session.tokens()) {
            search.error(&error);
        }
        search.debug(&session);
    }
    search.learn(&provider);
    search.finish();
}

#[test]
fn s_tx_02_grants_and_their_sources_show_no_secret() {
    let mut search = Search { secrets: vec![CANARY.to_owned()], ..Search::default() };
    let client =
        RegisteredClient::confidential("app", SECRET).grants([Grant::TokenExchange, Grant::Password]);
    let provider = Provider::builder().client(client).outside_token(CANARY, "alice").build();
    let client = block_on(builder(Arc::new(provider.clone()), &provider).observer(search.observer()).build());
    let client = client.unwrap();
    let server = block_on(client.server()).unwrap();
    let token = || TypedToken::new(Secret::new(CANARY), TokenTypeIdentifier::Jwt);
    for value in [
        &token() as &dyn Debug,
        &TokenExchangeGrant::new(&server, token()).unwrap().with_actor(token()),
        &SamlBearerGrant::new(&server, Secret::new(CANARY)).unwrap(),
        &ExtensionGrant::new(&server, "urn:x").unwrap().with_secret("x", &Secret::new(CANARY)).unwrap(),
        &PasswordGrant::new(&server, "alice", Secret::new(CANARY)).unwrap(),
        &ClientAuth::saml_assertion(CANARY),
        &GitHubActions::new("https://run.example/", Secret::new(CANARY)),
        &client.exchange(token()).actor(token()),
        &client.saml_bearer(token()),
        &client.extension_grant("urn:x").secret("x", Secret::new(CANARY)),
        &client.legacy().password("alice", CANARY),
    ] {
        search.debug(value);
    }
    let ticket = client.exchange(token()).requested_token_type(TokenTypeIdentifier::Jwt);
    let ticket = block_on(ticket.once()).unwrap();
    search.secrets.push(ticket.token().expose().to_owned());
    search.debug(&ticket);
    for fault in faults().filter(|fault| fault.at == Place::Token) {
        provider.set_fault(*fault);
        if let Err(error) = block_on(client.exchange(token()).once()) {
            search.error(&error);
        }
        if let Err(error) = block_on(client.legacy().password("alice", CANARY).sign_in()) {
            search.error(&error);
        }
        provider.clear_faults();
    }
    search.learn(&provider);
    search.finish();
}

#[test]
fn what_is_logged_shows_no_secret() {
    let provider = Provider::builder().openid(OpenId::new()).build();
    let mut search = Search { secrets: vec![SECRET.to_owned()], ..Search::default() };
    block_on(login(&mut search, Arc::new(provider.clone()), &provider)).unwrap();
    provider.revoke_grants();
    let client =
        block_on(builder(Arc::new(provider.clone()), &provider).observer(search.observer()).build()).unwrap();
    let (url, pending) = block_on(client.authorize().start()).unwrap();
    let session = block_on(client.redeem(pending, provider.visit(&url).unwrap())).unwrap();
    provider.revoke_grants();
    search.error(&block_on(session.refresh()).unwrap_err());
    search.learn(&provider);
    let log = String::from_utf8(LOG.lock().unwrap().clone()).unwrap();
    assert!(log.contains("tokens renewed") && log.contains("has to sign in again"), "{log}");
    search.finish();
}

#[test]
fn errors_of_an_http_client_show_no_secret() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut search = Search { secrets: vec![SECRET.to_owned()], ..Search::default() };
    for name in ["token-dropped", "token-truncated", "token-cut", "token-endless", "resource-truncated"] {
        let provider = Provider::builder()
            .openid(OpenId::new())
            .real_clock()
            .fault(valetkey_testkit::fault(name))
            .build();
        let _served = block_on(provider.serve()).unwrap();
        let error = runtime.block_on(async {
            let backend = Arc::new(HyperBackend::builder().no_proxy().build().unwrap());
            search.debug(&backend);
            Box::pin(login(&mut search, backend, &provider)).await.unwrap_err()
        });
        search.error(&error);
        search.learn(&provider);
    }
    let unreachable = runtime.block_on(async {
        let backend = HyperBackend::new().unwrap();
        let request =
            http::Request::get(format!("https://nowhere.invalid/?token={CANARY}")).body(Bytes::new());
        backend.send(request.unwrap(), Limits::default()).await.unwrap_err()
    });
    search.error(&unreachable.into());
    search.secrets.push(CANARY.to_owned());
    search.finish();
}

#[test]
fn errors_of_answers_that_repeat_secrets_show_none() {
    let mut search = Search { secrets: vec![CANARY.to_owned()], ..Search::default() };
    for body in [
        CANARY.to_owned(),
        format!("<p>{CANARY}</p>"),
        format!(r#"{{"access_token":"{CANARY}""#),
        format!(r#"{{"access_token":"{CANARY}","access_token":"{CANARY}"}}"#),
        format!(r#"{{"access_token":["{CANARY}"]}}"#),
        format!(r#"{{"access_token":"{CANARY} with blanks"}}"#),
        format!(r#"{{"access_token":"{CANARY}","token_type":"mac"}}"#),
        format!(r#"{{"access_token":"{CANARY}","expires_in":"{CANARY}","scope":{{"{CANARY}":1}}}}"#),
        format!(r#"{{"token_type":"Bearer","{CANARY}":1,"{CANARY}":2}}"#),
        format!("access_token={CANARY}&access_token={CANARY}"),
        format!("{CANARY}=%zz&access_token"),
        format!(r#"["{CANARY}"]"#),
    ] {
        for media_type in ["application/json", "text/html", "application/x-www-form-urlencoded"] {
            for status in [200, 302, 400, 404, 500] {
                let body = body.clone();
                let backend = backend_fn(move |_, _| {
                    let mut response = Response::new(Bytes::from(body.clone()));
                    *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
                    response.headers_mut().insert("content-type", media_type.parse().unwrap());
                    response.headers_mut().insert("location", format!("/?code={CANARY}").parse().unwrap());
                    response.headers_mut().insert("www-authenticate", format!("\"{CANARY}").parse().unwrap());
                    async { Ok(response) }
                });
                // 5xx answers are retried, and the waits of this backend are real: these are not.
                let issuer = valetkey::oauth2::server::Issuer::parse("https://as.test").unwrap();
                let server = valetkey::oauth2::server::ServerMetadata::new(issuer);
                let server = server.with_token_endpoint("https://as.test/token").unwrap();
                let grant = RefreshTokenGrant::new(&server, RefreshToken::new(CANARY)).unwrap();
                let outcome = block_on(async {
                    let client = Client::builder(backend).server(server).id("app").build().await?;
                    client.call(grant).await
                });
                match outcome {
                    Ok(tokens) => search.debug(&tokens),
                    Err(error) => search.error(&error),
                }
            }
        }
    }
    search.finish();
}
