//! An API that wants more than its token has, by what it says: first that the user was authenticated better, then another
//! scope. The user is asked for it, and for no less than before; if that did not help, it ends.

use std::error::Error;

use bytes::Bytes;
use valetkey::{Client, Session, oauth2::authorization::AuthorizationUrl};
use valetkey_hyper::HyperBackend;
use valetkey_testkit::{OpenId, Provider};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let provider = Provider::builder().real_clock().openid(OpenId::new()).build();
    let _server = provider.serve().await?;
    let client = Client::builder(HyperBackend::new()?)
        .discover(&provider.issuer())
        .id("app")
        .secret("app-secret")
        .redirect_uri("https://client.test/cb")
        .api(&provider.issuer())
        .build()
        .await?;

    // A robot plays the browser; a program of yours sends the user to the URL, and gets the callback.
    let visit = |url: &AuthorizationUrl| provider.visit(url);
    let (url, pending) = client.authorize().scope("openid read").resource(provider.api("")).start().await?;
    let mut session = client.redeem(pending, visit(&url)?).await?;
    println!("signed in for {:?}", granted(&session).await?);

    for demand in ["acr_values=phr&max_age=300", "acr_values=phr&scope=admin"] {
        let url = provider.api(&format!("demanding?{demand}"));
        let call = || http::Request::get(&url).body(Bytes::new());
        let mut response = session.send(call()?).await?;
        println!("the API that wants {demand} answered {}", response.status());
        while let Some(sign_in) = session.step_up(&response)? {
            let (url, pending) = sign_in.start().await?;
            let stronger = client.redeem(pending, visit(&url)?).await?;
            // Whoever came back must be the one who began.
            let user = |session: &Session| session.identity().map(|user| user.subject().to_owned());
            assert_eq!(user(&stronger), user(&session));
            session = stronger;
            response = session.send(call()?).await?;
        }
        let acr = session.identity().and_then(|user| user.acr());
        println!("then {}, for {:?} with acr {acr:?}", response.status(), granted(&session).await?);
    }

    // An API that is never content does not send the user around for ever.
    let response =
        session.send(http::Request::get(provider.api("demanding?scope=read&always=1")).body(Bytes::new())?);
    let refused = session.step_up(&response.await?).expect_err("it is granted already");
    println!("and no more: {refused}");
    Ok(())
}

async fn granted(session: &Session) -> valetkey::Result<String> {
    let tokens = session.tokens().await?;
    Ok(tokens.scope().scope().map(|scope| scope.as_str().to_owned()).unwrap_or_default())
}
