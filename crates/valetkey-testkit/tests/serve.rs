//! The provider on a port, spoken to over a plain socket.

#![cfg(feature = "serve")]

#[expect(dead_code, reason = "only the other target uses all of it")]
#[path = "provider/common.rs"]
mod common;

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use common::{CB, authorize_url, encode, param};
use valetkey_testkit::{Fault, Place, Provider, Served, User, block_on, fault};

fn serve(provider: &Provider) -> Served {
    block_on(provider.serve()).unwrap()
}

fn send(address: SocketAddr, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

fn ask(address: SocketAddr, request: &str) -> String {
    let mut answer = Vec::new();
    send(address, request).read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

fn get(address: SocketAddr, target: &str) -> String {
    ask(address, &format!("GET {target} HTTP/1.1\r\nHost: {address}\r\n\r\n"))
}

fn post(address: SocketAddr, path: &str, form: &[(&str, &str)]) -> String {
    let form = encode(form);
    let kind = "Content-Type: application/x-www-form-urlencoded";
    let length = form.len();
    ask(
        address,
        &format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\n{kind}\r\nContent-Length: {length}\r\n\r\n{form}"
        ),
    )
}

const METADATA: &str = "/.well-known/openid-configuration";

fn with_fault(fault: Fault) -> (Provider, Served) {
    let provider = Provider::builder().fault(fault).build();
    let served = serve(&provider);
    (provider, served)
}

#[test]
fn a_login_over_a_socket() {
    let provider = Provider::builder().issuer("https://issuer.test/tenant").build();
    let served = serve(&provider);
    let address = served.address();
    assert_eq!(provider.issuer(), format!("http://{address}/tenant"));
    let url = authorize_url(&provider, "app", CB, &[("code_challenge", ""), ("code_challenge_method", "")]);
    let answer = get(address, url.strip_prefix(&format!("http://{address}")).unwrap());
    assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
    let location = answer.lines().find_map(|line| line.strip_prefix("location: ")).unwrap();
    let code = param(location, "code").unwrap();
    let form = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", CB)];
    let client = [("client_id", "app"), ("client_secret", "app-secret")];
    let answer = post(address, "/tenant/token", &[form, [client[0], client[1], ("x", "y")]].concat());
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"access_token\""), "{answer}");
    assert_eq!((provider.count(Place::Token), provider.count(Place::Elsewhere)), (1, 0));
    let other = ask(address, "GET /tenant/api/me HTTP/1.1\r\nHost: evil.test\r\n\r\n");
    assert!(other.starts_with("HTTP/1.1 404 "), "another host is another place");
    assert!(ask(address, "nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
}

#[test]
fn it_stops_when_dropped() {
    let provider = Provider::new();
    let served = serve(&provider);
    let address = served.address();
    let waiting = send(address, "GET / HTTP/1.1\r\n");
    drop(served);
    assert!(TcpStream::connect(address).is_err());
    drop(waiting);
}

#[test]
fn s_az_20_a_human_sees_a_quiet_page() {
    let provider = Provider::builder().user(User::interactive()).build();
    let served = serve(&provider);
    let address = served.address();
    let url = authorize_url(&provider, "app", CB, &[]);
    let page = get(address, url.strip_prefix(&format!("http://{address}")).unwrap());
    for header in [
        "referrer-policy: no-referrer",
        "cache-control: no-store",
        "content-security-policy: default-src 'none'; style-src 'sha256-",
        "x-frame-options: DENY",
    ] {
        assert!(page.contains(header), "{header} is missing");
    }
    let (_, rest) = page.split_once("name=\"ticket\" value=\"").unwrap();
    let (ticket, _) = rest.split_once('"').unwrap();
    let form = [("ticket", ticket), ("user", "alice"), ("decision", "refuse")];
    let answer = post(address, "/authorize/decision", &form);
    assert!(answer.starts_with("HTTP/1.1 303 ") && answer.contains("error=access_denied"), "{answer}");
}

#[test]
fn faults_happen_on_the_socket() {
    let (_provider, served) = with_fault(fault("metadata-truncated"));
    let answer = get(served.address(), METADATA);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    assert!(body.len() < length.parse().unwrap());

    let (_provider, served) = with_fault(fault("token-cut").moved_to(Place::Metadata));
    let answer = get(served.address(), METADATA);
    assert!(answer.contains("Transfer-Encoding: chunked") && !answer.ends_with("0\r\n\r\n"));

    let (_provider, served) = with_fault(fault("metadata-unframed"));
    let answer = get(served.address(), METADATA);
    assert!(!answer.to_ascii_lowercase().contains("content-length") && answer.ends_with('}'));

    let (provider, served) = with_fault(fault("metadata-dropped"));
    assert_eq!(get(served.address(), METADATA), "");
    assert_eq!(provider.count(Place::Metadata), 1);

    let (_provider, served) = with_fault(fault("metadata-padded-to-10-mb"));
    assert!(get(served.address(), METADATA).len() > 10 << 20);
}

#[test]
fn bodies_without_an_end_and_bodies_that_stop() {
    let request = |address| format!("GET {METADATA} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let (_provider, served) = with_fault(fault("metadata-endless"));
    let mut stream = send(served.address(), &request(served.address()));
    let mut read = vec![0; 3 << 20];
    stream.read_exact(&mut read).unwrap();
    drop(stream);

    let (_provider, served) = with_fault(fault("metadata-stalling"));
    let mut stream = send(served.address(), &request(served.address()));
    let stalled = std::io::copy(&mut stream, &mut std::io::sink()).unwrap_err();
    assert!(matches!(stalled.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
    assert!(!fault("token-unreachable").holds_on_a_port() && fault("metadata-stalling").holds_on_a_port());
}
