//! Profiles by the client: where it is, how it authenticates, where its sessions show their tokens.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use valetkey::{
    Client, ErrorKind, Reason, Verdict,
    oauth2::{profile::ProviderProfile, resource::Placement},
};
use valetkey_http::{Backend, Failure, Limits, Request, Response, backend_fn};
use valetkey_testkit::block_on;

/// A server that answers as it is told, and remembers what it was sent.
#[derive(Clone)]
struct Scripted {
    seen: Arc<Mutex<Vec<String>>>,
    answer: fn(&Request) -> (u16, &'static str),
}

impl Scripted {
    fn new(answer: fn(&Request) -> (u16, &'static str)) -> Self {
        Self { seen: Arc::default(), answer }
    }

    fn backend(&self) -> impl Backend {
        let this = self.clone();
        backend_fn(move |request: Request, _: Limits| {
            let this = this.clone();
            async move {
                let body = String::from_utf8_lossy(request.body()).into_owned();
                let has_header = request.headers().contains_key("authorization");
                let shown = format!("{} {} {body} {has_header}", request.method(), request.uri());
                this.seen.lock().unwrap().push(shown);
                let (status, body) = (this.answer)(&request);
                let mut response = Response::new(Bytes::from_static(body.as_bytes()));
                *response.status_mut() = status.try_into().unwrap();
                response.headers_mut().insert("content-type", "application/json".parse().unwrap());
                Ok::<_, Failure>(response)
            }
        })
    }

    fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

const TOKENS: &str = r#"{"data":{"access_token":"at","token_type":"Bearer","expires_in":3600,"id":7}}"#;

fn profile() -> ProviderProfile {
    ProviderProfile::from_json(
        r#"{ "name": "shop", "endpoints": {
               "authorization": "https://{shop}.example/authorize", "token": "https://{shop}.example/token",
               "api": ["https://{shop}.example/api/"] },
             "authorize": { "pkce": "off", "scope_separator": "," },
             "token": { "auth": "post", "method": "GET" },
             "answer": { "path": "data", "keep": { "user": "data.id" } },
             "api": { "token": "query", "headers": { "Client-Id": "{client_id}" } } }"#,
    )
    .unwrap()
}

async fn client(server: &Scripted, profile: ProviderProfile) -> valetkey::Result<Client> {
    let builder = Client::builder(server.backend()).profile(profile).id("app").secret("s3cret");
    builder.redirect_uri("https://app.example/cb").build().await
}

#[test]
fn a_sign_in_at_a_provider_of_its_own_kind() {
    let server = Scripted::new(|_| (200, TOKENS));
    block_on(async {
        let client = client(&server, profile().with_variable("shop", "mine")).await.unwrap();
        let (url, pending) = client.authorize().scope("a b").start().await.unwrap();
        assert!(url.as_str().starts_with("https://mine.example/authorize?"), "{url}");
        assert!(url.as_str().contains("&scope=a%2Cb&") && !url.as_str().contains("challenge"), "{url}");
        let state = url.as_str().split("state=").nth(1).unwrap();
        let session =
            client.redeem(pending, format!("https://app.example/cb?code=c&state={state}")).await.unwrap();
        assert_eq!(
            server.seen(),
            ["GET https://mine.example/token?grant_type=authorization_code&code=c\
              &redirect_uri=https%3A%2F%2Fapp.example%2Fcb&client_id=app&client_secret=s3cret  false"]
        );
        assert_eq!(session.tokens().await.unwrap().kept().unwrap().value("user"), Some("7"));
        let request = || http::Request::get("https://mine.example/api/me?x=1").body(Bytes::new()).unwrap();
        session.send(request()).await.unwrap();
        let sent = "GET https://mine.example/api/me?x=1&access_token=at  false";
        assert_eq!(server.seen(), [sent]);
        assert!(session.bearer().is_none(), "a token that stands elsewhere is no header");
        // Attached twice, as after a refusal, it stands there once.
        let mut attached = request();
        for _ in 0..2 {
            let used = session.attach(&mut attached).await.unwrap();
            assert_eq!(attached.uri(), "https://mine.example/api/me?x=1&access_token=at");
            assert_eq!(attached.headers()["client-id"], "app");
            assert_eq!(session.learn(&used, &Response::new(Bytes::new())).await.unwrap(), Verdict::Final);
        }
        let restored = client.restore(session.record().unwrap()).unwrap();
        restored.send(request()).await.unwrap();
        assert_eq!(server.seen(), [sent]);
        let elsewhere = http::Request::get("https://other.example/").body(Bytes::new()).unwrap();
        assert_eq!(session.send(elsewhere).await.unwrap_err().reason(), Reason::OriginNotAllowed);
    });
}

#[test]
fn ro_9_tokens_stand_where_a_program_says() {
    let server = Scripted::new(|_| (200, TOKENS));
    block_on(async {
        let placement = Placement::form("oauth_token").unwrap();
        let builder = Client::builder(server.backend()).profile(profile().with_variable("shop", "mine"));
        let client = builder.id("app").secret("s").token_placement(placement).build().await.unwrap();
        let session = client.client_credentials().session().unwrap();
        let mut request = http::Request::post("https://mine.example/api/x").body(Bytes::from("a=b")).unwrap();
        request.headers_mut().insert("content-type", "application/x-www-form-urlencoded".parse().unwrap());
        session.send(request.clone()).await.unwrap();
        assert_eq!(server.seen().last().unwrap(), "POST https://mine.example/api/x a=b&oauth_token=at false");
        // A body that streams is not to be seen, so that no token can be put into it.
        let error = session.attach(&mut request.map(|_| ())).await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::InvalidValue));
    });
}

#[test]
fn a_variable_that_is_not_set_or_would_lead_elsewhere_is_an_error() {
    let server = Scripted::new(|_| (200, TOKENS));
    block_on(async {
        let error = client(&server, profile()).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Config && error.to_string().contains("variable shop"), "{error}");
        for shop in [
            "",
            ".",
            "..",
            "evil.example/",
            "a@evil.example",
            "a:1",
            "a\\b",
            "a?b",
            "a#b",
            "a b",
            "ä",
            "a\r\nb",
        ] {
            let error = client(&server, profile().with_variable("shop", shop)).await.unwrap_err();
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::InvalidValue), "{shop:?}");
        }
        assert!(server.seen().is_empty());
    });
}

/// A server that takes the secret in the form alone.
fn form_alone(request: &Request) -> (u16, &'static str) {
    let has_secret = request.body().windows(13).any(|window| window == b"client_secret");
    let is_probe = request.body().windows(5).any(|window| window == b"probe");
    match (has_secret, is_probe) {
        (false, _) => (401, r#"{"error":"invalid_client"}"#),
        (true, true) => (400, r#"{"error":"invalid_grant"}"#),
        (true, false) => (200, TOKENS),
    }
}

#[test]
fn a_way_to_authenticate_is_found_out_once_and_never_with_a_code_of_a_user() {
    let text = r#"{ "name": "p", "endpoints": { "authorization": "https://as.example/a", "token": "https://as.example/token" },
                    "token": { "auth": "probe" }, "answer": { "path": "data" } }"#;
    let server = Scripted::new(form_alone);
    block_on(async {
        let client = client(&server, ProviderProfile::from_json(text).unwrap()).await.unwrap();
        let probes = server.seen();
        assert!(
            probes.len() == 2 && probes.iter().all(|sent| sent.contains("code=none-this-is-a-probe")),
            "{probes:?}"
        );
        let (url, pending) = client.authorize().start().await.unwrap();
        let state = url.as_str().split("state=").nth(1).unwrap().split('&').next().unwrap();
        client.redeem(pending, format!("https://app.example/cb?code=real&state={state}")).await.unwrap();
        client.client_credentials().session().unwrap().tokens().await.unwrap();
        let sent = server.seen();
        assert_eq!(sent.iter().filter(|sent| sent.contains("code=real")).count(), 1, "{sent:?}");
        assert!(sent.len() == 2 && sent.iter().all(|sent| sent.contains("client_secret=s3cret")), "{sent:?}");
    });
    let refusing = Scripted::new(|_| (401, r#"{"error":"invalid_client"}"#));
    let error = block_on(client(&refusing, ProviderProfile::from_json(text).unwrap())).unwrap_err();
    assert_eq!(
        (error.kind(), error.response().unwrap().code().as_str()),
        (ErrorKind::Denied, "invalid_client")
    );
    assert_eq!(refusing.seen().len(), 2);
}
