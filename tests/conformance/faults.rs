//! The faults of OpenID Connect beyond the suite's modules.

use std::time::Duration;

use libtest_mimic::Failed;
use valetkey::{
    Client, ClientBuilder, Registrar, Result, Runtime,
    crypto::SignatureAlgorithm,
    oauth2::{authorization::ResponseType, endpoint::registration::RegistrationMetadata},
    oidc::{Claim, ClaimsRequest},
};
use valetkey_http::Backend;
use valetkey_testkit::{Fault, Feature, OpenId, Place, Provider, RegisteredClient, block_on, faults};

use crate::module::{find, judge, visit};

const SECRET: &str = "a-secret-that-is-long-enough-for-hs256-and-more";
/// The longest that it may take in virtual time, retries and their waits included.
const LONGEST: Duration = Duration::from_secs(120);

/// The rows, each where an ID token comes from the token endpoint.
pub(crate) fn rows() -> impl Iterator<Item = Fault> {
    let is_ours = |fault: &&Fault| {
        matches!(
            fault.feature,
            Some(
                Feature::OpenId
                    | Feature::MaxAge
                    | Feature::Acr
                    | Feature::SignedUserInfo
                    | Feature::Hybrid
                    | Feature::Refresh
                    | Feature::BackChannelLogout
                    | Feature::Registration
                    | Feature::WebFinger
            )
        )
    };
    faults().filter(is_ours).copied()
}

pub(crate) fn play(fault: Fault) -> std::result::Result<(), Failed> {
    let registered = |id: &str| {
        RegisteredClient::confidential(id, SECRET)
            .redirect_uri("https://client.test/cb")
            .back_channel_logout_uri("https://client.test/logged-out")
    };
    let provider = Provider::builder()
        .openid(OpenId::new())
        .client(registered("app"))
        .client(registered("signed").user_info_signed_by("RS256"))
        .fault(fault)
        .build();
    let began = provider.now();
    let outcome = block_on(perform(&fault, &provider));
    if provider.now().duration_since(began)? > LONGEST {
        return Err("it took too long".into());
    }
    if provider.faults_happened() == 0 {
        return Err("the fault did not happen".into());
    }
    // An endpoint that is not needed for a sign-in does not hinder it, however wrong it is.
    let is_needed = fault.at != Place::Metadata || fault.name.starts_with("metadata-jwks-uri");
    let assert_quiet = |provider: &Provider| {
        if is_needed {
            provider.assert_no_call_after_fault();
        } else {
            assert_eq!(
                provider.count(Place::UserInfo) + provider.count(Place::EndSession),
                usize::from(is_late(&fault))
            );
        }
    };
    judge(Some(fault.expect), &provider, &outcome, assert_quiet)
}

/// Whether it is met after UserInfo.
fn is_late(fault: &Fault) -> bool {
    fault.name.starts_with("metadata-end-session")
}

fn builder(fault: &Fault, provider: &Provider) -> ClientBuilder {
    let builder = Client::builder(provider.clone())
        .random(provider.random())
        .discover(&provider.issuer())
        .secret(SECRET)
        .redirect_uri("https://client.test/cb")
        .api(&provider.issuer());
    if fault.feature == Some(Feature::SignedUserInfo) {
        builder.id("signed").user_info_algorithm(SignatureAlgorithm::Rs256)
    } else {
        builder.id("app")
    }
}

async fn perform(fault: &Fault, provider: &Provider) -> Result<()> {
    match fault.feature {
        Some(Feature::WebFinger) => find("alice@issuer.test", provider).await?,
        Some(Feature::Registration) => {
            let runtime = Runtime::new(provider.clone()).with_random(provider.random());
            let registrar = Registrar::discover(runtime, &provider.issuer()).await?;
            let metadata = RegistrationMetadata::new().with_redirect_uri("https://client.test/cb")?;
            let registration = registrar.register(metadata).await?;
            registrar.read(&registration).await?;
        }
        _ => {}
    }
    let client = builder(fault, provider).build().await?;
    let mut request = client.authorize().scope("openid email");
    if fault.feature == Some(Feature::MaxAge) {
        request = request.max_age(Duration::from_secs(600));
    }
    if fault.feature == Some(Feature::Acr) {
        request = request.claims(ClaimsRequest::new().id_token("acr", Claim::essential().value("phr")));
    }
    if fault.feature == Some(Feature::Hybrid) {
        request = request.response_type(ResponseType::CodeIdToken);
    }
    let (url, pending) = request.start().await?;
    let session = client.redeem(pending, visit(provider, url.as_str(), false)).await?;
    match fault.feature {
        Some(Feature::Refresh) => session.refresh().await.map(drop),
        Some(Feature::BackChannelLogout) => {
            provider.sign_out();
            let request = provider.back_channel_logouts().pop().expect("a logout");
            client.receive_logout(&request).await.map(drop)
        }
        _ if fault.at == Place::Metadata => {
            session.user_info().await?;
            client.logout().start().await.map(drop)
        }
        _ => session.user_info().await.map(drop),
    }
}
