//! The requests that must not be sent twice, each ready to be sent.

use std::{pin::Pin, sync::Arc};

use valetkey::{Runtime, run};
use valetkey_proto::{
    Call, Exchange, Party, Result,
    endpoint::{Endpoint, RedirectUri},
    oauth1,
    oauth2::{
        authorization::AuthorizationRequest,
        client::{ClientAuth, ClientMetadata},
        grant::{AuthorizationCodeGrant, RefreshTokenGrant},
        server::{Discovery, Issuer},
    },
};
use valetkey_testkit::{Place, Provider, block_on};

/// A one-time request.
pub(crate) struct Flow {
    pub(crate) name: &'static str,
    /// Where the provider gets it.
    pub(crate) place: Place,
    /// Everything up to it, without a network; what remains is to send it.
    pub(crate) prepare: fn(&Provider) -> Ready,
}

/// Sends the request, and says what came of it.
pub(crate) type Ready = Box<dyn FnOnce(Runtime) -> Pin<Box<dyn Future<Output = Result<()>>>>>;

/// All of them.
pub(crate) static FLOWS: &[Flow] = &[
    Flow { name: "code", place: Place::Token, prepare: code },
    Flow { name: "refresh", place: Place::Token, prepare: refresh },
    Flow { name: "oauth1", place: Place::TokenCredentials, prepare: oauth1 },
];

fn ready<E: Exchange + 'static>(exchange: E, party: Party) -> Ready {
    let call = Call::new(exchange, Arc::new(party));
    Box::new(|runtime| Box::pin(async move { run(call, &runtime).await.map(drop) }))
}

/// A sign-in up to its code.
fn signed_in(provider: &Provider) -> Result<(AuthorizationCodeGrant, Party, RefreshMaker)> {
    let runtime = Runtime::new(provider.clone()).with_random(provider.random());
    let issuer = Issuer::parse(&provider.issuer())?;
    let server = block_on(run(Discovery::new(&issuer)?, &runtime))?;
    let client = ClientMetadata::new("app")?
        .with_auth(ClientAuth::secret_basic("app-secret"))
        .with_redirect_uri("https://client.test/cb")?;
    let (url, pending) =
        AuthorizationRequest::new(&server, &client)?.with_scope("read")?.start(&runtime.env())?;
    let received = pending.receive(provider.visit(&url).expect("the user approves"))?;
    let party = || Party::client(issuer.clone(), client.id(), client.auth());
    let grant = AuthorizationCodeGrant::new(&server, received)?;
    let maker = RefreshMaker { runtime, server, party: party()? };
    Ok((grant, party()?, maker))
}

/// What it takes to redeem a code in this process, and to ask for more.
struct RefreshMaker {
    runtime: Runtime,
    server: valetkey_proto::oauth2::server::ServerMetadata,
    party: Party,
}

fn code(provider: &Provider) -> Ready {
    let (grant, party, _) = signed_in(provider).expect("a code");
    ready(grant, party)
}

fn refresh(provider: &Provider) -> Ready {
    let (grant, party, maker) = signed_in(provider).expect("a code");
    let tokens = block_on(run(Call::new(grant, Arc::new(maker.party)), &maker.runtime)).expect("tokens");
    let token = tokens.refresh_token().expect("a refresh token").clone();
    ready(RefreshTokenGrant::new(&maker.server, token).expect("an endpoint"), party)
}

fn oauth1(provider: &Provider) -> Ready {
    let (exchange, party) = temporary(provider).expect("temporary credentials");
    ready(exchange, party)
}

fn temporary(provider: &Provider) -> Result<(oauth1::TokenCredentialsRequest, Party)> {
    let runtime = Runtime::new(provider.clone()).with_random(provider.random());
    let client = oauth1::ClientCredentials::new("dpf43f3p2l4k3l03", "kd94hf93k423kf44")?;
    let party = || Party::oauth1(oauth1::Signer::new(client.clone()));
    let endpoint = |name: &str| Endpoint::parse(&provider.oauth1(name));
    let asked = oauth1::TemporaryCredentialsRequest::new(
        endpoint("request_token")?,
        RedirectUri::parse("https://client.test/cb")?,
    );
    let temporary = block_on(run(Call::new(asked, Arc::new(party())), &runtime))?;
    let (url, pending) = oauth1::AuthorizationRequest::new(endpoint("authorize")?).start(temporary);
    let received = pending.receive(provider.visit(&url).expect("the user approves"))?;
    Ok((oauth1::TokenCredentialsRequest::new(endpoint("access_token")?, received), party()))
}
