//! An access token in place of a password, for a mail server: `OAUTHBEARER` (RFC 7628) and `XOAUTH2`.
//!
//! The mail server is a small one, in this program; it asks the provider whether a token is good. The first token that it
//! sees was revoked. Its challenge says so, and the session gets another.

use std::{error::Error, net::SocketAddr};

use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufStream},
    net::{TcpListener, TcpStream},
};
use valetkey::{
    Client, ErrorCode, Session,
    sasl::{self, Mechanism},
    secret::Secret,
};
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
        .build()
        .await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve(listener, client.clone()));

    let (url, pending) = client.authorize().scope("read").start().await?;
    let session = client.redeem(pending, provider.visit(&url)?).await?;
    for mechanism in [Mechanism::OauthBearer, Mechanism::XOauth2] {
        // As providers do when a user's password changes. The session cannot know.
        provider.revoke_access_tokens();
        log_in(&session, address, mechanism).await?;
    }
    Ok(())
}

/// Logs in, and once more with another token if it is the token that was refused.
async fn log_in(session: &Session, server: SocketAddr, mechanism: Mechanism) -> Result<(), Box<dyn Error>> {
    match authenticate(session, server, mechanism).await {
        Err(error) => match error.downcast::<valetkey::Error>() {
            Ok(refused) if refused.response().is_some_and(|why| *why.code() == ErrorCode::InvalidToken) => {
                println!("{mechanism}: {refused}; the session gets another token");
                session.refresh().await?;
                authenticate(session, server, mechanism).await
            }
            // Against `ErrorCode::InsufficientScope` only another sign-in would help.
            Ok(refused) => Err(refused),
            Err(other) => Err(other),
        },
        Ok(()) => Ok(()),
    }
}

/// One connection, and one attempt on it. IMAP servers of the world want TLS.
async fn authenticate(
    session: &Session,
    server: SocketAddr,
    mechanism: Mechanism,
) -> Result<(), Box<dyn Error>> {
    let tokens = session.tokens().await?;
    let login = match mechanism {
        Mechanism::XOauth2 => sasl::xoauth2("alice@example.com", tokens.access_token())?,
        _ => sasl::oauth_bearer("alice@example.com", "127.0.0.1", server.port(), tokens.access_token())?,
    };
    let mut stream = BufStream::new(TcpStream::connect(server).await?);
    read(&mut stream).await?;
    let command = Secret::new(format!("a1 AUTHENTICATE {mechanism} {}", login.to_base64().expose()));
    write(&mut stream, command.expose()).await?;
    let line = read(&mut stream).await?;
    if let Some(challenge) = line.strip_prefix("+ ") {
        let refusal = mechanism.refusal(challenge);
        // The server waits for this, and says only then that the login failed.
        write(&mut stream, mechanism.answer_to_refusal()).await?;
        println!("{mechanism}: the server says {}", read(&mut stream).await?);
        return Err(valetkey::Error::from(refusal?).into());
    }
    println!("{mechanism}: the server says {line}");
    if line.starts_with("a1 OK") { Ok(()) } else { Err(line.into()) }
}

/// The mail server.
async fn serve(listener: TcpListener, provider: Client) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let mut stream = BufStream::new(stream);
        write(&mut stream, "* OK IMAP4rev1 SASL-IR AUTH=OAUTHBEARER AUTH=XOAUTH2").await?;
        let command = read(&mut stream).await?;
        let words: Vec<_> = command.split(' ').collect();
        let ["a1", "AUTHENTICATE", mechanism, login] = words[..] else {
            write(&mut stream, "a1 BAD").await?;
            continue;
        };
        let login = String::from_utf8(STANDARD.decode(login).unwrap_or_default()).unwrap_or_default();
        let token = login.split("\x01auth=Bearer ").nth(1).and_then(|rest| rest.strip_suffix("\x01\x01"));
        let token = Secret::new(token.unwrap_or_default());
        if provider.introspect(token).await.is_ok_and(|said| said.is_active()) {
            write(&mut stream, "a1 OK alice is logged in").await?;
            continue;
        }
        let (why, answer) = match mechanism {
            "XOAUTH2" => (r#"{"status":"401","schemes":"bearer","scope":"read"}"#, ""),
            _ => (r#"{"status":"invalid_token","scope":"read"}"#, "AQ=="),
        };
        write(&mut stream, &format!("+ {}", STANDARD.encode(why))).await?;
        let is_right = read(&mut stream).await? == answer;
        write(&mut stream, if is_right { "a1 NO [AUTHENTICATIONFAILED]" } else { "a1 BAD" }).await?;
    }
}

async fn read(stream: &mut BufStream<TcpStream>) -> std::io::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    Ok(line.trim_end().to_owned())
}

async fn write(stream: &mut BufStream<TcpStream>, line: &str) -> std::io::Result<()> {
    stream.write_all(line.as_bytes()).await?;
    stream.write_all(b"\r\n").await?;
    stream.flush().await
}
