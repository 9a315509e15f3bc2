//! The core by hand: no HTTP client, no runtime, no async. For every grant and endpoint the core writes the request, this program
//! sends it by its own means, and the core reads the answer.
//!
//! What stands for the means is a provider in this process; any client that can send a request does as well.

use std::{error::Error, sync::Arc};

use bytes::Bytes;
use valetkey_http::{Backend, Limits};
use valetkey_proto::{
    Call, Env, Event, Exchange, Flow, Party, Step,
    crypto::{CryptoProvider, PrivateKey, SignatureAlgorithm, SystemRandom},
    endpoint::Origin,
    oauth2::{
        assertion::Assertion,
        authorization::{AuthorizationRequest, ResponseType},
        client::{ClientAuth, ClientMetadata},
        endpoint::{introspection::IntrospectionRequest, revocation::RevocationRequest},
        grant::{
            AuthorizationCodeGrant, ClientCredentialsGrant, DeviceAuthorizationRequest, DeviceCodeGrant,
            DevicePolling, ExtensionGrant, JwtBearerGrant, RefreshTokenGrant, SamlBearerGrant,
            TokenExchangeGrant, TokenTypeIdentifier, TypedToken, legacy::PasswordGrant,
        },
        resource::ResourceRequest,
        server::{Discovery, Issuer, ServerMetadata},
        token::TokenSet,
    },
    secret::Secret,
};
use valetkey_testkit::{Grant, Provider, RegisteredClient, SERVICE_ACCOUNT, block_on, keys};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let program = Program::new();
    let server = program.drive(Discovery::new(&Issuer::parse(&program.provider.issuer())?)?)?;

    let tokens = authorization_code(&program, &server)?;
    let tokens = refresh(&program, &server, &tokens)?;
    api(&program, &tokens)?;
    introspection_and_revocation(&program, &server, &tokens)?;
    client_credentials(&program, &server)?;
    device(&program, &server)?;
    jwt_bearer(&program, &server)?;
    tokens_of_others(&program, &server)?;
    legacy(&program, &server)
}

/// RFC 6749 §4.1: a URL for the browser, what it brings back, and the tokens for that.
fn authorization_code(program: &Program, server: &ServerMetadata) -> Result<TokenSet> {
    let app = app()?;
    let request = AuthorizationRequest::new(server, &app)?.with_scope("read")?;
    let (url, pending) = request.start(&program.env())?;
    let callback = program.provider.visit(&url)?; // the browser goes there, and comes back

    // It consumes what was pending: the state is good once.
    let received = pending.receive(callback)?;
    let requested = received.requested_scope().cloned();
    let response = program.ask(AuthorizationCodeGrant::new(server, received)?, server, &app)?;
    let tokens = TokenSet::of(&response, requested.as_ref())?;
    println!("  an access token until {:?}, and a refresh token", tokens.expires_at());
    assert!(tokens.refresh_token().is_some());
    Ok(tokens)
}

/// RFC 6749 §6. Here it is spelled out what [`Program::drive`] does: prepare, send, read.
fn refresh(program: &Program, server: &ServerMetadata, tokens: &TokenSet) -> Result<TokenSet> {
    let refresh_token = tokens.refresh_token().ok_or("there is none")?.clone();
    let mut call = Call::new(RefreshTokenGrant::new(server, refresh_token)?, party(server, &app()?)?);

    let Step::Send(request, _) = call.step(Event::Go, &program.env())? else {
        return Err("no request".into());
    };
    println!("{} {}", request.method(), request.uri());
    assert!(
        request.headers().contains_key("authorization")
            && request.body().starts_with(b"grant_type=refresh_token&")
    );

    let answer = program.send(request);
    let Step::Done(response) = call.step(answer, &program.env())? else { return Err("no answer".into()) };
    // What the answer leaves out stays as it was.
    Ok(tokens.renewed(&response)?)
}

/// RFC 6750 §2.1: a request to an API, which no other origin can be sent.
fn api(program: &Program, tokens: &TokenSet) -> Result<()> {
    let issuer = Issuer::parse(&program.provider.issuer())?;
    let origins = Arc::from([Origin::parse(&program.provider.api(""))?]);
    let bearer = Arc::new(Party::bearer(issuer, tokens.access_token().clone(), origins));
    let request = http::Request::get(program.provider.api("me")).body(Bytes::new())?;
    let response = program.drive(Call::new(ResourceRequest::new(request), bearer))?;
    assert_eq!(response.status(), 200);
    Ok(())
}

/// RFC 7662 and RFC 7009: what a token is, and that it be none.
fn introspection_and_revocation(program: &Program, server: &ServerMetadata, tokens: &TokenSet) -> Result<()> {
    let is_active = || -> Result<bool> {
        let request = IntrospectionRequest::new(server, tokens.access_token())?;
        Ok(program.ask(request, server, &app()?)?.is_active())
    };
    assert!(is_active()?);
    let refresh_token = tokens.refresh_token().ok_or("there is none")?;
    program.ask(RevocationRequest::new(server, refresh_token)?, server, &app()?)?;
    assert!(!is_active()?, "with the refresh token go the access tokens that came of it");
    Ok(())
}

/// RFC 6749 §4.4: a program in its own name.
fn client_credentials(program: &Program, server: &ServerMetadata) -> Result<()> {
    let service = ClientMetadata::new("service")?.with_auth(ClientAuth::secret_post("service-secret"));
    let grant = ClientCredentialsGrant::new(server, &service)?.with_scope("read")?;
    let response = program.ask(grant, server, &service)?;
    assert!(response.refresh_token().is_none(), "it can ask again");
    Ok(())
}

/// RFC 8628: codes for a user elsewhere, then polls at the server's interval, each of which is a request of its own.
fn device(program: &Program, server: &ServerMetadata) -> Result<()> {
    let native = ClientMetadata::new("native")?;
    let request = DeviceAuthorizationRequest::new(server)?.with_scope("read")?;
    let device = program.ask(request, server, &native)?;
    println!("  go to {} and type {}", device.verification_uri(), device.user_code());
    let polling = DevicePolling::new(DeviceCodeGrant::new(server, &device)?, party(server, &native)?);
    let response = program.drive(polling)?;
    assert!(response.refresh_token().is_some());
    Ok(())
}

/// RFC 7523 §2.1: a JWT that the program signs, for tokens. It need not be a client of the server's.
fn jwt_bearer(program: &Program, server: &ServerMetadata) -> Result<()> {
    let key = PrivateKey::parse(keys::es256().pem().as_bytes())?;
    let key = key.signing_key(SignatureAlgorithm::Es256, &program.crypto)?;
    let assertion = Assertion::new(key, SERVICE_ACCOUNT)?.with_subject(SERVICE_ACCOUNT)?;
    let robot = ClientMetadata::new("robot")?.with_auth(ClientAuth::unnamed());
    let grant = JwtBearerGrant::new(server, assertion)?.with_scope("read")?;
    let response = program.ask(grant, server, &robot)?;
    assert!(response.lifetime().is_some());
    Ok(())
}

/// RFC 8693, RFC 7522 and RFC 6749 §4.5: what somebody else has issued for tokens of this server, and a grant of the program's
/// own.
fn tokens_of_others(program: &Program, server: &ServerMetadata) -> Result<()> {
    let gateway = ClientMetadata::new("gateway")?.with_auth(ClientAuth::secret_basic("s3cret"));
    let subject = TypedToken::new(Secret::new(OUTSIDE), TokenTypeIdentifier::Jwt);
    let grant = TokenExchangeGrant::new(server, subject)?.with_audience("orders").with_scope("read")?;
    let exchanged = program.ask(grant, server, &gateway)?;
    assert_eq!(exchanged.issued_token_type(), &TokenTypeIdentifier::AccessToken);

    program.ask(SamlBearerGrant::new(server, Secret::new(OUTSIDE))?, server, &gateway)?;

    let grant = ExtensionGrant::new(server, OWN_GRANT)?.with_secret("otp", &Secret::new("492039"))?;
    program.ask(grant, server, &gateway)?;
    Ok(())
}

/// RFC 6749 §4.3 and §4.2, for servers that have nothing else: a name and a password, and a token that the browser brings.
fn legacy(program: &Program, server: &ServerMetadata) -> Result<()> {
    let old = ClientMetadata::new("gateway")?.with_auth(ClientAuth::secret_basic("s3cret"));
    let grant = PasswordGrant::new(server, "alice", Secret::new("A3ddj3w"))?.with_scope("read")?;
    program.ask(grant, server, &old)?;

    let old = old.with_redirect_uri("https://client.test/cb")?;
    let request = AuthorizationRequest::new(server, &old)?.with_response_type(ResponseType::LegacyToken)?;
    let (url, pending) = request.start(&program.env())?;
    let received = pending.receive(program.provider.visit(&url)?)?;
    assert!(received.token().is_some());
    Ok(())
}

/// A token of somebody else's, whom the server trusts.
const OUTSIDE: &str = "eyJhbGciOi.cG9kLTE.c2ln";
/// The type of a grant that this program and its server have agreed on.
const OWN_GRANT: &str = "https://issuer.test/grants/one-time-password";

/// The client that users sign in with.
fn app() -> Result<ClientMetadata> {
    let app = ClientMetadata::new("app")?.with_auth(ClientAuth::secret_basic("app-secret"));
    Ok(app.with_redirect_uri("https://client.test/cb")?)
}

/// Who asks: this client, at this server.
fn party(server: &ServerMetadata, client: &ClientMetadata) -> Result<Arc<Party>> {
    Ok(Arc::new(Party::client(server.issuer().clone(), client.id(), client.auth())?))
}

/// What the core has not: time, randomness, and means to send.
struct Program {
    provider: Provider,
    random: SystemRandom,
    crypto: CryptoProvider,
}

impl Program {
    fn new() -> Self {
        let grants = [
            Grant::TokenExchange,
            Grant::SamlBearer,
            Grant::Extension(OWN_GRANT.to_owned()),
            Grant::Password,
            Grant::Implicit,
        ];
        let gateway = RegisteredClient::confidential("gateway", "s3cret").grants(grants);
        let provider = Provider::builder()
            .client(gateway.redirect_uri("https://client.test/cb"))
            .outside_token(OUTSIDE, "alice")
            .password("alice", "A3ddj3w")
            .build();
        Self { provider, random: SystemRandom::new(), crypto: CryptoProvider::ring() }
    }

    fn env(&self) -> Env<'_> {
        Env { now: self.provider.now().into(), random: &self.random, crypto: &self.crypto }
    }

    /// Asks the server something, in the name of this client.
    fn ask<E: Exchange>(
        &self,
        exchange: E,
        server: &ServerMetadata,
        client: &ClientMetadata,
    ) -> Result<E::Output> {
        self.drive(Call::new(exchange, party(server, client)?))
    }

    /// All there is to a driver.
    fn drive<F: Flow>(&self, mut flow: F) -> Result<F::Output> {
        let mut event = Event::Go;
        loop {
            event = match flow.step(event, &self.env())? {
                Step::Send(request, _) => {
                    println!("{} {}", request.method(), request.uri());
                    self.send(request)
                }
                Step::Sign(_) => Event::Signed(Err("no key is elsewhere".into())),
                Step::Wait(time) => {
                    self.provider.advance(time); // yours sleeps
                    Event::Go
                }
                Step::Done(output) => return Ok(output),
            };
        }
    }

    /// In place of an HTTP client, which must follow no redirect and send nothing twice. If it can, it heeds the demand that comes
    /// with each request: a connection of its own for what may be sent once.
    fn send(&self, request: http::Request<Bytes>) -> Event {
        match block_on(self.provider.send(request, Limits::default())) {
            Ok(response) => Event::Response(response),
            Err(failure) => Event::Failure(failure),
        }
    }
}
