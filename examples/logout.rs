//! Signs a user in and out again: here, at the server, and wherever else the user signed in there.
//!
//! The provider is part of this program and in this process, so that nothing has to be set up.

use std::error::Error;

use valetkey::{Client, oidc::logout::BackChannel};
use valetkey_testkit::{OpenId, Provider, RegisteredClient};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // What a client registers for this: where the browser comes back to, and where the server tells of logouts.
    let shop = RegisteredClient::confidential("shop", "a secret")
        .redirect_uri("https://shop.test/cb")
        .post_logout_redirect_uri("https://shop.test/bye")
        .back_channel_logout_uri("https://shop.test/logged-out");
    let provider = Provider::builder().openid(OpenId::new()).client(shop).build();
    let client = Client::builder(provider.clone())
        .discover(&provider.issuer())
        .id("shop")
        .secret("a secret")
        .redirect_uri("https://shop.test/cb")
        .build()
        .await?;

    let (url, pending) = client.authorize().scope("openid").start().await?;
    let session = client.redeem(pending, provider.visit(&url)?).await?;
    let user = session.identity().ok_or("nobody signed in")?;
    println!("{} signed in, in the session {:?}", user.subject(), user.session());

    // First the program forgets its own session; then the browser goes to the server, and comes back.
    session.close().await?;
    let (url, pending) = client.logout().user(&user).redirect_uri("https://shop.test/bye").start().await?;
    let callback = provider.visit(&url)?;
    println!("the browser came back to {}", callback.split('?').next().unwrap_or_default());
    pending.ok_or("there is nothing to come back to")?.receive(callback)?;

    // Meanwhile the server tells every program where the user had signed in.
    for request in provider.back_channel_logouts() {
        let outcome = client.receive_logout(&request).await;
        match &outcome {
            Ok(token) => {
                println!("the server says: {:?} of {:?} has ended", token.session(), token.subject())
            }
            Err(error) => println!("that was no logout: {error}"),
        }
        println!("the answer is {}", BackChannel::response(&outcome).status());
        // Once more, by whoever got hold of it: it is taken once.
        let again = client.receive_logout(&request).await;
        println!("shown again: {}", again.err().ok_or("it was taken twice")?);
    }
    Ok(())
}
