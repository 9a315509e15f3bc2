//! Your own HTTP client sends the requests; the session gives it the token, and learns from the answers.
//!
//! Use it for what a session does not do itself: streamed bodies, websockets, a client with middleware.

use std::{
    error::Error,
    io::{Read, Write},
    net::TcpStream,
};

use valetkey::{Client, Session, Verdict};
use valetkey_hyper::HyperBackend;
use valetkey_testkit::Provider;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let provider = Provider::builder().real_clock().build();
    let _server = provider.serve().await?;
    let client = Client::builder(HyperBackend::new()?)
        .discover(&provider.issuer())
        .id("app")
        .secret("app-secret")
        .redirect_uri("https://client.test/cb")
        .api(&provider.issuer())
        .build()
        .await?;
    let (url, pending) = client.authorize().scope("read").start().await?;
    let session = client.redeem(pending, provider.visit(&url)?).await?;

    println!("the API answered {}", call(&session, &provider.api("me")).await?);
    provider.revoke_access_tokens();
    println!("the provider has revoked the token");
    println!("the API answered {}", call(&session, &provider.api("me")).await?);
    Ok(())
}

/// A call by a client of our own: attach, send, learn, and once more if there is another token.
async fn call(session: &Session, url: &str) -> Result<u16, Box<dyn Error>> {
    loop {
        let mut request = http::Request::get(url).body(())?;
        let attached = session.attach(&mut request).await?;
        let response = own_http_client(&request)?;
        match session.learn(&attached, &response).await? {
            Verdict::Again => println!("the token was refused, and there is a new one"),
            Verdict::Final => return Ok(response.status().as_u16()),
        }
    }
}

/// The smallest HTTP client there is. Yours is better.
fn own_http_client(request: &http::Request<()>) -> Result<http::Response<()>, Box<dyn Error>> {
    let uri = request.uri();
    let host = uri.authority().ok_or("no host")?;
    let mut connection = TcpStream::connect(host.as_str())?;
    write!(
        connection,
        "{} {} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n",
        request.method(),
        uri.path()
    )?;
    for (name, value) in request.headers() {
        write!(connection, "{name}: {}\r\n", value.to_str()?)?;
    }
    write!(connection, "\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    let status: u16 = answer.split(' ').nth(1).ok_or("no status")?.parse()?;
    Ok(http::Response::builder().status(status).body(())?)
}
