//! The token that is at hand, in valetkey, in yup-oauth2 and in google-cloud-auth: times, and their ratios to
//! valetkey's.

use std::{
    hint::black_box,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use google_cloud_auth::credentials::{Credentials, user_account};
use http::Extensions;
use tokio::runtime::Runtime;
use valetkey::{
    Client, Session,
    oauth2::server::{Issuer, ServerMetadata},
};
use valetkey_http::{backend_fn, block_on};
use yup_oauth2::{
    ApplicationDefaultCredentialsAuthenticator, ApplicationDefaultCredentialsFlowOpts,
    authenticator::{ApplicationDefaultCredentialsTypes, DefaultAuthenticator},
};

const ROUNDS: usize = 60;
const ROUND: Duration = Duration::from_millis(4);
const BATCH: u32 = 64;
const SCOPES: [&str; 1] = ["read"];

fn main() {
    // google-cloud-auth's client wants one, even for a server without TLS.
    rustls::crypto::ring::default_provider().install_default().expect("the first");
    let runtime = Runtime::new().expect("a runtime");
    let server = serve();
    // Inside the runtime, as programs are; a call of these that is ready waits for nothing.
    let _entered = runtime.enter();
    let session = valetkey();
    let yup = runtime.block_on(yup(server));
    let google = google(server);
    // The first call fetches.
    runtime.block_on(async {
        session.tokens().await.expect("tokens");
        yup.token(&SCOPES).await.expect("a token");
        google.headers(Extensions::new()).await.expect("headers");
    });
    let mut contenders: [(&str, Box<dyn FnMut()>); 3] = [
        (
            "valetkey",
            Box::new(|| {
                black_box(&*session.bearer().expect("a token"));
            }),
        ),
        (
            "yup-oauth2",
            Box::new(|| {
                black_box(block_on(yup.token(&SCOPES)).expect("a token"));
            }),
        ),
        (
            "google-cloud-auth",
            Box::new(|| {
                black_box(block_on(google.headers(Extensions::new())).expect("headers"));
            }),
        ),
    ];
    let mut times = [f64::MAX; 3];
    for _ in 0..ROUNDS {
        for (best, (_, run)) in times.iter_mut().zip(&mut contenders) {
            *best = best.min(round(run));
        }
    }
    for ((name, _), time) in contenders.iter().zip(times) {
        println!("{name:<18} {time:>6.1} ns/op, {:>5.2} times valetkey's", time / times[0]);
    }
}

/// Nanoseconds an operation.
fn round(run: &mut impl FnMut()) -> f64 {
    let (began, mut operations) = (Instant::now(), 0);
    loop {
        (0..BATCH).for_each(|_| run());
        operations += BATCH;
        let spent = began.elapsed();
        if spent >= ROUND {
            return spent.as_secs_f64() * 1e9 / f64::from(operations);
        }
    }
}

fn valetkey() -> Session {
    let server = ServerMetadata::new(Issuer::parse("https://as.example").expect("an issuer"));
    let server = server.with_token_endpoint("https://as.example/token").expect("an endpoint");
    let backend = backend_fn(|_, _| async {
        let answer = http::Response::builder().header("content-type", "application/json");
        Ok(answer.body(Bytes::from(tokens())).expect("an answer"))
    });
    let client = Client::builder(backend).server(server).id("app").secret("secret");
    let client = block_on(client.build()).expect("a client");
    client.client_credentials().session().expect("a session")
}

/// The one of its flows that asks a server of our choice and no browser.
async fn yup(server: SocketAddr) -> DefaultAuthenticator {
    let options =
        ApplicationDefaultCredentialsFlowOpts { metadata_url: Some(format!("http://{server}/token")) };
    match ApplicationDefaultCredentialsAuthenticator::builder(options).await {
        ApplicationDefaultCredentialsTypes::InstanceMetadata(builder) => {
            builder.build().await.expect("an authenticator")
        }
        ApplicationDefaultCredentialsTypes::ServiceAccount(_) => {
            panic!("unset GOOGLE_APPLICATION_CREDENTIALS: it names another account")
        }
    }
}

fn google(server: SocketAddr) -> Credentials {
    let user = serde_json::json!({
        "type": "authorized_user",
        "client_id": "app",
        "client_secret": "secret",
        "refresh_token": "refresh",
        "token_uri": format!("http://{server}/token"),
    });
    user_account::Builder::new(user).build().expect("credentials")
}

/// A server that answers everything with tokens, on a thread that ends with the process.
fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || listener.incoming().flatten().for_each(|stream| answer(stream)));
    address
}

fn answer(mut stream: TcpStream) {
    // One read holds these small requests.
    let _ = stream.read(&mut [0; 16 << 10]);
    let body = tokens();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: ";
    let _ = write!(stream, "{head}{}\r\n\r\n{body}", body.len());
}

/// As long as one with a few claims.
fn tokens() -> String {
    let token = "x".repeat(921);
    format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":3600,"scope":"read"}}"#)
}
