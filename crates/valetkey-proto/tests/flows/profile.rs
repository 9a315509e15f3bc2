//! Provider profiles: each knob by what it changes in requests and answers, and what it must not change.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use valetkey_http::{Request, Response};
use valetkey_proto::{
    Call, ErrorKind, Event, Flow, Party, Reason, Result, Step,
    endpoint::Origin,
    oauth2::{
        Scope,
        authorization::{AuthorizationRequest, Callback, PendingAuthorization},
        client::{ClientAuth, ClientId, ClientMetadata},
        endpoint::revocation::RevocationRequest,
        grant::{AuthenticationProbe, AuthorizationCodeGrant, ClientCredentialsGrant, RefreshTokenGrant},
        profile::{Hook, ProviderProfile, RequestKind},
        resource::{Placement, ResourceRequest},
        server::{Issuer, ServerMetadata},
        token::{TokenRecord, TokenResponse, TokenSet},
    },
    seal::{SealingKey, SealingKeys},
    secret::{AccessToken, RefreshToken},
};

use crate::transcript::{World, answer, json, play, play_call, short};

const URLS: &str = r#""name": "p", "endpoints": {
    "authorization": "https://as.example/authorize",
    "token": "https://as.example/token",
    "revocation": "https://as.example/revoke"
}"#;

fn profile(rest: &str) -> ProviderProfile {
    let text = format!("{{ {URLS}{}{rest} }}", if rest.is_empty() { "" } else { ", " });
    ProviderProfile::from_json(&text).unwrap()
}

fn server(rest: &str) -> ServerMetadata {
    profile(rest).server().unwrap()
}

fn client() -> ClientMetadata {
    ClientMetadata::new("app").unwrap().with_redirect_uri("https://app.example/cb").unwrap()
}

fn party(auth: ClientAuth) -> Arc<Party> {
    let issuer = Issuer::parse("https://as.example").unwrap();
    Arc::new(Party::client(issuer, &ClientId::parse("app").unwrap(), &auth).unwrap())
}

fn start(rest: &str, scope: &str) -> (String, PendingAuthorization) {
    let request = AuthorizationRequest::new(&server(rest), &client()).unwrap().with_scope(scope).unwrap();
    let (url, pending) = request.start(&World::new().env()).unwrap();
    (url.into(), pending)
}

/// The parameters of a URL but those that differ at every start.
fn parameters(url: &str) -> String {
    let query = url.split_once('?').unwrap().1;
    let fixed =
        |piece: &&str| !["state=", "code_challenge=", "nonce="].iter().any(|name| piece.starts_with(name));
    query.split('&').filter(fixed).collect::<Vec<_>>().join("&")
}

fn credentials(rest: &str) -> Call<ClientCredentialsGrant> {
    let client = client().with_auth(ClientAuth::secret_post("s3cret"));
    let grant = ClientCredentialsGrant::new(&server(rest), &client).unwrap().with_scope("a b").unwrap();
    Call::new(grant, party(ClientAuth::secret_post("s3cret")))
}

const SENT: &str = concat!(
    "POST https://as.example/token ",
    "grant_type=client_credentials&scope=a+b&client_id=app&client_secret=s3cret"
);
const GOOD: &str = r#"{"access_token":"at","token_type":"Bearer","expires_in":3600}"#;

/// The answer to a request that a profile changes nothing of.
fn read(rest: &str, response: Response) -> Result<TokenResponse> {
    let sent = if rest.contains("scope_separator") { SENT.replace("a+b", "a%2Cb") } else { SENT.to_owned() };
    play(|| credentials(rest), &[(&sent, response)])
}

#[test]
fn a_profile_without_knobs_changes_nothing() {
    let plain = ServerMetadata::new(Issuer::parse("https://as.example").unwrap())
        .with_authorization_endpoint("https://as.example/authorize")
        .unwrap()
        .with_token_endpoint("https://as.example/token")
        .unwrap();
    let url = |server: &ServerMetadata| {
        let request = AuthorizationRequest::new(server, &client()).unwrap().with_scope("openid a").unwrap();
        String::from(request.start(&World::new().env()).unwrap().0)
    };
    assert_eq!(url(&server("")), url(&plain));
    let tokens = play_call(|| credentials(""), &[(SENT, json(200, GOOD))]).unwrap();
    assert!(tokens.kept().is_none() && tokens.quirks().is_empty());
}

#[test]
fn names_scopes_and_parameters_of_the_authorization_request() {
    let renamed = r#""authorize": {
        "rename": { "client_id": "client_key", "scope": "scopes" }, "omit": ["response_type"],
        "parameters": { "access_type": "offline", "redirect_uri": "my-app" }, "scope_separator": ",", "fragment": "go"
    }"#;
    let (url, _) = start(renamed, "a b");
    let (url, fragment) = url.split_once('#').unwrap();
    assert_eq!(fragment, "go");
    assert_eq!(
        parameters(url),
        "client_key=app&scopes=a%2Cb&code_challenge_method=S256&access_type=offline&redirect_uri=my-app"
    );
    let raw = r#""authorize": { "scope_separator": ",", "scope_encoding": "raw" }"#;
    let (url, _) = start(raw, "user:email https://x.example/a#&=%b");
    assert!(url.contains("&scope=user:email,https://x.example/a%23%26%3D%25b&"), "{url}");
    let (url, _) = start(r#""authorize": { "response_mode": "form_post" }"#, "a");
    assert!(parameters(&url).contains("response_mode=form_post"), "{url}");
}

#[test]
fn what_a_provider_refuses_is_left_out_and_only_that() {
    let (url, pending) = start(r#""authorize": { "pkce": "off" }"#, "a");
    assert!(!url.contains("code_challenge") && url.contains("&state="), "{url}");
    let state = url.split("state=").nth(1).unwrap();
    let received = pending.receive(format!("https://app.example/cb?code=c&state={state}")).unwrap();
    let grant = AuthorizationCodeGrant::new(&server(r#""authorize": { "pkce": "off" }"#), received).unwrap();
    let Ok(Step::Send(request, _)) =
        Call::new(grant, party(ClientAuth::secret_basic("s"))).step(Event::Go, &World::new().env())
    else {
        panic!("a request comes first")
    };
    assert!(!short(&request).contains("code_verifier"), "{}", short(&request));

    let (url, pending) = start(r#""authorize": { "nonce": "off" }"#, "openid");
    assert!(!url.contains("nonce=") && url.contains("code_challenge="), "{url}");
    let state = url.split("state=").nth(1).unwrap().split('&').next().unwrap();
    let received = pending.receive(format!("https://app.example/cb?code=c&state={state}")).unwrap();
    assert!(received.awaited_id_token().is_some(), "the ID token is verified all the same");
}

#[test]
fn a_sign_in_without_a_state_takes_a_code_or_an_error_and_nothing_else() {
    let off = r#""authorize": { "state": "off" }"#;
    let pending = || start(off, "a").1;
    assert!(!start(off, "a").0.contains("state="));
    assert!(pending().matches(&Callback::uri("/cb?code=c")) && !pending().matches(&Callback::uri("/cb?x=1")));
    pending().receive("https://app.example/cb?code=c").unwrap();
    let refused = pending().receive("https://app.example/cb?error=access_denied").unwrap_err();
    assert_eq!(refused.reason(), Reason::AuthorizationDenied);
    for (callback, reason) in [
        ("https://app.example/cb", Reason::StateMismatch),
        ("https://evil.example/cb?code=c", Reason::RedirectUriMismatch),
        ("https://app.example/cb?code=c&code=d", Reason::DuplicateParameter),
        ("https://app.example/cb#access_token=t", Reason::UnexpectedToken),
    ] {
        assert_eq!(pending().receive(callback).unwrap_err().reason(), reason, "{callback}");
    }
}

#[test]
fn a_code_by_another_name_and_what_callbacks_bring_outlive_the_cookie() {
    let rest = r#""callback": { "code": "spapi_oauth_code", "keep": ["realmId", "absent"] }"#;
    let (url, pending) = start(rest, "a");
    let state = url.split("state=").nth(1).unwrap().split('&').next().unwrap();
    let keys = SealingKeys::new(SealingKey::new([7; 32]));
    let world = World::new();
    let sealed = pending.seal(&keys, &world.env()).unwrap();
    let (issuer, id) = (Issuer::parse("https://as.example").unwrap(), ClientId::parse("app").unwrap());
    let open = || PendingAuthorization::open(sealed.expose(), &issuer, &id, &keys, &world.env()).unwrap();
    let missing = open().receive(format!("https://app.example/cb?code=c&state={state}")).unwrap_err();
    assert_eq!(missing.reason(), Reason::MissingParameter);
    let callback = format!("https://app.example/cb?spapi_oauth_code=c&realmId=77&other=1&state={state}");
    let received = open().receive(callback).unwrap();
    assert_eq!(received.kept().unwrap().iter().collect::<Vec<_>>(), [("realmId", "77")]);
    let grant = AuthorizationCodeGrant::new(&server(rest), received).unwrap();
    let mut call = Call::new(grant, party(ClientAuth::secret_basic("s")));
    let Ok(Step::Send(request, _)) = call.step(Event::Go, &world.env()) else {
        panic!("a request comes first")
    };
    assert!(short(&request).contains("grant_type=authorization_code&code=c&"), "{}", short(&request));
    let Ok(Step::Done(response)) = call.step(Event::Response(json(200, GOOD)), &world.env()) else {
        panic!("tokens come")
    };
    let tokens = TokenSet::of(&response, None).unwrap();
    assert_eq!(tokens.kept().unwrap().value("realmId"), Some("77"));
    let record = TokenRecord::new(issuer, id, 0, tokens);
    let restored = TokenRecord::parse(record.to_text().expose()).unwrap();
    assert_eq!(restored.tokens(), record.tokens());
    let shown = format!("{:?}", restored.tokens().kept().unwrap());
    assert_eq!(shown, "{\"realmId\"}");
}

#[test]
fn shapes_of_token_requests() {
    for (rest, sent) in [
        (
            r#""token": { "method": "GET" }"#,
            SENT.replacen("POST ", "GET ", 1).replacen("/token ", "/token?", 1),
        ),
        (r#""token": { "body": "query" }"#, SENT.replacen("/token ", "/token?", 1)),
        (
            r#""token": { "body": "json" }"#,
            "POST https://as.example/token {\"client_id\":\"app\",\"client_secret\":\"s3cret\",\
             \"grant_type\":\"client_credentials\",\"scope\":\"a b\"}"
                .to_owned(),
        ),
        (
            r#""token": { "rename": { "client_id": "appid", "client_secret": "secret" }, "omit": ["grant_type"],
                          "parameters": { "action": "requesttoken", "n": 1 } }"#,
            "POST https://as.example/token scope=a+b&appid=app&secret=s3cret&action=requesttoken&n=1"
                .to_owned(),
        ),
        (r#""authorize": { "scope_separator": ";" }"#, SENT.replace("a+b", "a%3Bb")),
    ] {
        play_call(|| credentials(rest), &[(&sent, json(200, GOOD))]).unwrap();
    }
    let Ok(Step::Send(request, _)) =
        credentials(r#""token": { "body": "json" }, "headers": { "User-Agent": "p:app:1" }"#)
            .step(Event::Go, &World::new().env())
    else {
        panic!("a request comes first")
    };
    assert_eq!(request.headers()["content-type"], "application/json");
    assert_eq!(request.headers()["user-agent"], "p:app:1");
}

#[test]
fn renewals_go_elsewhere_and_have_other_names() {
    let rest = r#""token": { "rename": { "client_id": "appid" }, "parameters": { "action": "get" } },
        "refresh": { "grant_type": "ig_refresh_token", "method": "GET", "parameters": { "v": 2 },
                     "rename": { "refresh_token": "access_token" } }"#;
    let urls =
        URLS.replace("\"revocation\"", "\"refresh\": \"https://graph.example/refresh\", \"revocation\"");
    let profile = ProviderProfile::from_json(&format!("{{ {urls}, {rest} }}")).unwrap();
    let grant = || RefreshTokenGrant::new(&profile.server().unwrap(), RefreshToken::new("rt")).unwrap();
    let sent =
        "GET https://graph.example/refresh?grant_type=ig_refresh_token&access_token=rt&client_id=app&v=2";
    play_call(|| Call::new(grant(), party(ClientAuth::none())), &[(sent, json(200, GOOD))]).unwrap();
    let rest = r#""revocation": { "rename": { "token": "access_token" }, "omit": ["token_type_hint"] }"#;
    let request = || RevocationRequest::new(&server(rest), &RefreshToken::new("rt")).unwrap();
    let sent = "POST https://as.example/revoke access_token=rt&client_id=app";
    play(|| Call::new(request(), party(ClientAuth::none())), &[(sent, answer(200, "", ""))]).unwrap();
}

#[test]
fn answers_in_other_words() {
    for (rest, media_type, body) in [
        (
            r#""answer": { "path": "data" }"#,
            "application/json",
            r#"{"data":{"access_token":"at","expires_in":3600},"x":1}"#,
        ),
        (
            r#""answer": { "path": "users.1" }"#,
            "application/json",
            r#"{"users":[{},{"access_token":"at","expires_in":3600}]}"#,
        ),
        (r#""answer": { "path": "data" }"#, "application/json", r#"{"access_token":"at","expires_in":3600}"#),
        (
            r#""answer": { "case": "camel" }"#,
            "text/plain",
            r#"{"accessToken":"at","tokenType":"bearer","expiresIn":3600}"#,
        ),
        (
            r#""answer": { "rename": { "expires": "expires_in" } }"#,
            "text/plain",
            "access_token=at&expires=3600",
        ),
        (
            r#""answer": { "jsonp": true }"#,
            "text/html",
            "callback( {\"access_token\":\"at\",\"expires_in\":3600} );\n",
        ),
        (
            r#""answer": { "lifetime_unit": "ms" }"#,
            "application/json",
            r#"{"access_token":"at","expires_in":"3600000"}"#,
        ),
        (
            r#""answer": { "lifetime": 3600 }"#,
            "application/json",
            r#"{"access_token":"at","expires_in":null}"#,
        ),
        (
            r#""answer": { "token_types": { "user access token": "Bearer" } }"#,
            "application/json",
            r#"{"access_token":"at","token_type":"User Access Token","expires_in":3600}"#,
        ),
        (
            r#""answer": { "token_type": "Bearer" }"#,
            "application/json",
            r#"{"access_token":"at","expires_in":3600}"#,
        ),
    ] {
        let tokens =
            read(rest, answer(200, media_type, body)).unwrap_or_else(|error| panic!("{body}: {error}"));
        TokenSet::of(&tokens, None).unwrap();
        assert_eq!(tokens.access_token().expose(), "at", "{body}");
        assert_eq!(tokens.lifetime().map(|time| time.as_secs()), Some(3600), "{body}");
    }
    let never = read(
        r#""answer": { "lifetime_zero": "never", "lifetime": 60 }"#,
        json(200, r#"{"access_token":"at","expires_in":0}"#),
    );
    assert_eq!(never.unwrap().lifetime(), None);
    let scopes = read(
        r#""authorize": { "scope_separator": "," }"#,
        json(200, r#"{"access_token":"at","scope":"a,b"}"#),
    );
    assert_eq!(scopes.unwrap().scope(), Some(&Scope::parse("b a").unwrap()));
    let renewed = read(r#""answer": { "refreshes_by_access_token": true }"#, json(200, GOOD)).unwrap();
    assert_eq!(renewed.refresh_token().map(RefreshToken::expose), Some("at"));
    let kept = read(
        r#""answer": { "keep": { "host": "instance_url", "user": "user.id", "all": "user", "no": "absent.0" } }"#,
        json(200, r#"{"access_token":"at","instance_url":"https://i.example","user":{"id":42}}"#),
    )
    .unwrap();
    let kept: Vec<_> = kept.kept().unwrap().iter().collect();
    assert_eq!(kept, [("all", "{\"id\":42}"), ("host", "https://i.example"), ("user", "42")]);
}

#[test]
fn errors_in_other_words_whatever_the_status() {
    let weixin = r#""answer": { "error": { "code": ["errcode", "error.code"], "description": ["errmsg", "error.message"] } }"#;
    let slack = r#""answer": { "ok": { "member": "ok", "value": true } }"#;
    let withings = r#""answer": { "ok": { "member": "status", "value": 0 }, "path": "body", "error": { "description": ["error"] } }"#;
    for (rest, status, body, code) in [
        (weixin, 200, r#"{"errcode":40029,"errmsg":"invalid code"}"#, "40029"),
        (weixin, 400, r#"{"error":{"code":190,"message":"expired"}}"#, "190"),
        (weixin, 400, r#"{"error":"invalid_grant"}"#, "invalid_grant"),
        (slack, 200, r#"{"ok":false,"error":"invalid_code"}"#, "invalid_code"),
        (withings, 200, r#"{"status":503,"body":{},"error":"Invalid Params"}"#, "Invalid Params"),
        (withings, 200, r#"{"status":601,"body":{"access_token":"at"}}"#, "601"),
    ] {
        let error = read(rest, json(status, body)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{body}: {error}");
        assert_eq!(error.response().unwrap().code().as_str(), code, "{body}");
    }
    read(weixin, json(200, r#"{"errcode":0,"access_token":"at"}"#)).unwrap();
    read(slack, json(200, r#"{"ok":true,"access_token":"at"}"#)).unwrap();
    read(withings, json(200, r#"{"status":0,"body":{"access_token":"at"}}"#)).unwrap();
}

#[test]
fn t9_junk_stays_junk_with_every_reader() {
    let readers = [
        r#""answer": { "path": "data", "keep": { "a": "b.c.0" } }"#,
        r#""answer": { "jsonp": true, "case": "camel" }"#,
        r#""answer": { "ok": { "member": "ok", "value": true }, "error": { "code": ["a.b"] } }"#,
    ];
    for rest in readers {
        for (body, reason) in [
            ("<html>502</html>", Reason::UnexpectedMediaType),
            ("", Reason::UnexpectedMediaType),
            ("[]", Reason::Malformed),
            ("[1]", Reason::Malformed),
            ("\"x\"", Reason::Malformed),
            ("({)", Reason::UnexpectedMediaType),
            (")(", Reason::UnexpectedMediaType),
            ("{\"data\":", Reason::Malformed),
            ("{\"data\":{}}", Reason::MissingParameter),
            (r#"{"access_token":"a","access_token":"b"}"#, Reason::DuplicateParameter),
            (r#"{"data":{"access_token":"a","access_token":"b"}}"#, Reason::MissingParameter),
            (r#"{"data":{"access_token":["a"]}}"#, Reason::Malformed),
        ] {
            let response = answer(200, "text/html", body);
            let error = read(rest, response).unwrap_err();
            let is_either = error.reason() == reason || error.reason() == Reason::MissingParameter;
            assert!(error.kind() == ErrorKind::Protocol && is_either, "{rest} {body}: {error}");
        }
        let deep = format!("{{\"data\":{}", "[".repeat(200_000));
        assert_eq!(read(rest, json(200, &deep)).unwrap_err().kind(), ErrorKind::Protocol);
        assert_eq!(read(rest, answer(404, "text/html", "<html>")).unwrap_err().kind(), ErrorKind::Server);
    }
}

/// Notes what it sees, and puts its name into it.
#[derive(Clone, Debug)]
struct Noting(&'static str, Arc<Mutex<Vec<String>>>);

impl Hook for Noting {
    fn name(&self) -> &str {
        self.0
    }

    fn request(&self, kind: RequestKind, request: &mut Request) -> Result<()> {
        self.1.lock().unwrap().push(format!("{} {kind:?}", self.0));
        request.headers_mut().insert("x-hook", self.0.parse().unwrap());
        Ok(())
    }

    fn response(&self, kind: RequestKind, response: &mut Response) -> Result<()> {
        self.1.lock().unwrap().push(format!("{} answer {kind:?}", self.0));
        let text = String::from_utf8_lossy(response.body()).replace("token_is", "access_token");
        *response.body_mut() = Bytes::from(text);
        Ok(())
    }
}

#[test]
fn ro_8_hooks_run_in_their_order_on_requests_and_answers() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let base = || profile(r#""hooks": ["one", "two"]"#);
    let one = base().with_hook(Noting("one", Arc::clone(&seen)));
    let error = one.server().unwrap_err();
    assert!(error.kind() == ErrorKind::Config && error.to_string().contains("needs the hook two"), "{error}");
    let server = one.with_hook(Noting("two", Arc::clone(&seen))).server().unwrap();
    let client = client().with_auth(ClientAuth::secret_post("s3cret"));
    let grant = ClientCredentialsGrant::new(&server, &client).unwrap();
    let mut call = Call::new(grant, party(ClientAuth::secret_post("s3cret")));
    let world = World::new();
    let Ok(Step::Send(request, _)) = call.step(Event::Go, &world.env()) else {
        panic!("a request comes first")
    };
    assert_eq!(request.headers()["x-hook"], "two");
    let answered = call.step(Event::Response(json(200, r#"{"token_is":"at"}"#)), &world.env());
    assert!(matches!(answered, Ok(Step::Done(_))), "{answered:?}");
    let token = AccessToken::bearer("at").unwrap();
    let origins = Arc::from([Origin::parse("https://api.example").unwrap()]);
    let bearer = Party::bearer(server.issuer().clone(), token, origins).with_server(&server);
    let request = http::Request::get("https://api.example/me").body(Bytes::new()).unwrap();
    let mut call = Call::new(ResourceRequest::new(request), Arc::new(bearer));
    assert!(matches!(call.step(Event::Go, &world.env()), Ok(Step::Send(..))));
    assert_eq!(
        *seen.lock().unwrap(),
        ["one Token", "two Token", "one answer Token", "two answer Token", "one Resource", "two Resource"]
    );
}

/// What an API is sent by a party with this placement.
fn placed(placement: Placement, request: http::request::Builder, body: &'static str) -> Result<Request> {
    let token = AccessToken::bearer("a/t").unwrap();
    let origins = Arc::from([Origin::parse("https://api.example").unwrap()]);
    let issuer = Issuer::parse("https://as.example").unwrap();
    let party = Party::bearer(issuer, token, origins).with_placement(Arc::new(placement));
    let request = ResourceRequest::new(request.body(Bytes::from_static(body.as_bytes())).unwrap());
    match Call::new(request, Arc::new(party)).step(Event::Go, &World::new().env())? {
        Step::Send(request, _) => Ok(request),
        other => panic!("{other:?}"),
    }
}

#[test]
fn ol_9_tokens_stand_where_the_api_wants_them() {
    let get = || http::Request::get("https://api.example/me?x=1");
    let form = || {
        http::Request::post("https://api.example/me")
            .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
    };
    let query =
        placed(Placement::query("access_token").unwrap().with_parameter("v", "5.1"), get(), "").unwrap();
    assert_eq!(short(&query), "GET https://api.example/me?x=1&v=5.1&access_token=a%2Ft");
    assert!(!query.headers().contains_key("authorization"));
    let posted = placed(Placement::form("access_token").unwrap(), form(), "a=b+c").unwrap();
    assert_eq!(short(&posted), "POST https://api.example/me a=b+c&access_token=a%2Ft");
    let header = Placement::header("OAuth").unwrap().with_header("Client-Id", "app").unwrap();
    let headed = placed(header, get(), "").unwrap();
    assert!(
        headed.headers()["authorization"] == "OAuth a/t" && headed.headers()["authorization"].is_sensitive()
    );
    assert_eq!(headed.headers()["client-id"], "app");
    for (placement, request, body, reason) in [
        (Placement::form("t").unwrap(), get(), "", Reason::InvalidValue),
        (Placement::form("t").unwrap(), form(), "t=1", Reason::AlreadyAuthorized),
        (Placement::query("x").unwrap(), get(), "", Reason::AlreadyAuthorized),
        (
            Placement::query("t").unwrap(),
            http::Request::get("https://evil.example/"),
            "",
            Reason::OriginNotAllowed,
        ),
        (Placement::query("t").unwrap(), get().header("authorization", "x"), "", Reason::AlreadyAuthorized),
    ] {
        let error = placed(placement, request, body).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, reason));
    }
    for bad in ["", "a b", "a\r\n", "é"] {
        assert!(Placement::header(bad).is_err(), "{bad:?}");
    }
    assert!(Placement::query("").is_err() && Placement::form("").is_err());
    for (name, value) in [("Authorization", "x"), ("a b", "x"), ("x", "a\r\nb: c")] {
        assert!(Placement::header("Bearer").unwrap().with_header(name, value).is_err(), "{name}");
    }
}

#[test]
fn a_bound_token_has_one_place() {
    let token = AccessToken::dpop("at").unwrap();
    let issuer = Issuer::parse("https://as.example").unwrap();
    let origins = Arc::from([Origin::parse("https://api.example").unwrap()]);
    let party =
        Party::bearer(issuer, token, origins).with_placement(Arc::new(Placement::query("t").unwrap()));
    let request = http::Request::get("https://api.example/").body(Bytes::new()).unwrap();
    let error =
        Call::new(ResourceRequest::new(request), Arc::new(party)).step(Event::Go, &World::new().env());
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Config);
}

#[test]
fn a_probe_tells_by_the_error_who_is_blamed() {
    let server = server("");
    let call = || {
        let probe = AuthenticationProbe::new(&server, &client()).unwrap();
        Call::new(probe, party(ClientAuth::secret_post("s3cret")))
    };
    let sent = "POST https://as.example/token grant_type=authorization_code&code=none-this-is-a-probe\
                &redirect_uri=https%3A%2F%2Fapp.example%2Fcb&client_id=app&client_secret=s3cret";
    for (response, is_known) in [
        (json(400, r#"{"error":"invalid_grant"}"#), true),
        (json(400, r#"{"error":"invalid_request"}"#), true),
        (json(400, r#"{"error":"unauthorized_client"}"#), true),
        (json(200, r#"{"error":"bad_verification_code"}"#), true),
        (json(401, r#"{"error":"invalid_client"}"#), false),
        (json(400, r#"{"error":"invalid_client"}"#), false),
        (json(200, r#"{"error":"incorrect_client_credentials"}"#), false),
        (answer(401, "text/html", "<p>no</p>"), false),
    ] {
        assert_eq!(play_call(call, &[(sent, response.clone())]).unwrap(), is_known, "{response:?}");
    }
    let error = play(call, &[(sent, answer(404, "text/html", "<p>no</p>"))]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server);
}

#[test]
fn secrets_where_servers_of_their_own_kind_want_them() {
    let world = World::new();
    let sent = |auth: ClientAuth| {
        let grant = ClientCredentialsGrant::new(&server(""), &client().with_auth(auth.clone())).unwrap();
        match Call::new(grant, party(auth)).step(Event::Go, &world.env()) {
            Ok(Step::Send(request, _)) => request,
            other => panic!("{other:?}"),
        }
    };
    let both = sent(ClientAuth::secret_basic_and_id("s3:cret"));
    assert_eq!(both.headers()["authorization"], "Basic YXBwOnMzJTNBY3JldA==");
    assert!(short(&both).ends_with("grant_type=client_credentials&client_id=app"), "{}", short(&both));
    let bearer = sent(ClientAuth::secret_bearer("sk_test"));
    assert!(
        bearer.headers()["authorization"] == "Bearer sk_test"
            && bearer.headers()["authorization"].is_sensitive()
    );
    assert!(!short(&bearer).contains("sk_test"));
}
