//! Logouts that a server tells of.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
};

use valetkey::{
    ErrorKind, Reason, Registrar, Runtime, oauth2::endpoint::registration::RegistrationMetadata,
    oidc::logout::BackChannel,
};
use valetkey_http::Request;

use crate::server::{CALLBACK, Server};

const BYE: &str = "http://127.0.0.1:9999/bye";

/// The one request that comes, as a web server hands it on, and where its answer goes.
fn receive(listener: &TcpListener) -> (Request, TcpStream) {
    let (stream, _) = listener.accept().expect("a connection");
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).expect("a request line");
    let target = line.split(' ').nth(1).expect("a target").to_owned();
    let mut request = http::Request::post(target);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a field");
        let Some((name, value)) = line.split_once(':') else { break };
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().expect("a length");
        }
        request = request.header(name, value);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    (request.body(body.into()).expect("a request"), reader.into_inner())
}

#[tokio::test]
async fn s_lo_01_oidc_provider_tells_of_a_logout() {
    let Some(server) = Server::oidc_provider() else { return };
    if std::env::var("VALETKEY_ADAPTER").as_deref() == Ok("ureq") {
        println!("skipped: a backend that blocks cannot wait for the server and answer it");
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = format!("http://{}/logged-out", listener.local_addr().expect("an address"));
    let runtime = Runtime::new(Arc::clone(&server.backend));
    let registrar = Registrar::discover(runtime, &server.issuer).await.expect("discovery");
    let metadata = RegistrationMetadata::new()
        .with_redirect_uri(CALLBACK)
        .and_then(|metadata| metadata.with_post_logout_redirect_uri(BYE))
        .and_then(|metadata| metadata.with_backchannel_logout_uri(&place))
        .and_then(|metadata| metadata.with_backchannel_logout_session_required(true))
        .expect("metadata");
    let registration = registrar.register(metadata).await.expect("a registration");
    let client = registrar.client(&registration, Some(CALLBACK)).expect("a client");
    let client = client.build().await.expect("discovery");

    let (url, pending) = client.authorize().scope("openid").start().await.expect("a sign-in");
    let callback = server.visit_in("logout", url.as_str()).await;
    let session = client.redeem(pending, callback).await.expect("a session");
    let user = session.identity().expect("an identity");

    let told = std::thread::spawn(move || receive(&listener));
    let (url, pending) = client.logout().user(&user).redirect_uri(BYE).start().await.expect("a logout");
    // The server waits for the answer, or does not: nobody waits for it here before it is given.
    let (request, mut stream) = {
        let visit = server.visit_in("logout", url.as_str());
        let answer = async {
            let (request, stream) =
                tokio::task::spawn_blocking(|| told.join().expect("a request")).await.expect("a request");
            let mut stream = stream;
            let outcome = client.receive_logout(&request).await;
            let status = BackChannel::response(&outcome).status().as_u16();
            write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .expect("an answer");
            let token = outcome.expect("a logout");
            assert!(token.ends(user.subject(), user.session()) && token.session().is_some());
            (request, stream)
        };
        let (callback, answered) = futures_util::future::join(visit, answer).await;
        pending.expect("the browser comes back").receive(callback).expect("the state that was sent");
        answered
    };
    stream.flush().expect("it is out");
    // The same once more is nobody's logout.
    let error = client.receive_logout(&request).await.expect_err("it was taken");
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::Replayed));
    registrar.delete(&registration).await.expect("the end");
}
