//! What providers want otherwise behind the sign-in: renewals, revocation, requests to APIs, and code of the program's.

use bytes::Bytes;
use valetkey::{
    ErrorKind, Reason, Result,
    profile::{Hook, RequestKind, preset},
};
use valetkey_http::Request;
use valetkey_proto::form::Parameters;

use crate::provider::{CODE, PLAIN, Provider, json, read};

type Variables = &'static [(&'static str, &'static str)];

/// What a provider wants otherwise in a renewal: the preset, the request, and an answer by which the session is over.
#[rustfmt::skip]
const RENEWALS: &[(&str, Variables, &str, &str)] = &[
    ("basecamp", &[],
        "POST https://launchpad.37signals.com/authorization/token grant_type=refresh_token&refresh_token=rt&client_id=app&client_secret=s3cret&type=refresh",
        r#"{"error":"invalid_grant"}"#),
    ("clover", &[("authorize_host", "www.clover.com"), ("api_host", "api.clover.com")],
        r#"POST https://api.clover.com/oauth/v2/refresh (content-type: application/json) {"client_id":"app","client_secret":"s3cret","grant_type":"refresh_token","refresh_token":"rt"}"#,
        r#"{"error":"invalid_grant"}"#),
    ("coros", &[],
        "POST https://open.coros.com/oauth2/refresh-token grant_type=refresh_token&refresh_token=rt&client_id=app&client_secret=s3cret",
        r#"{"error":"invalid_grant"}"#),
    ("figma", &[],
        "POST https://api.figma.com/v1/oauth/refresh Basic(app:s3cret) grant_type=refresh_token&refresh_token=rt",
        r#"{"error":"invalid_grant"}"#),
    ("fitbit", &[],
        "POST https://api.fitbit.com/oauth2/token Basic(app:s3cret) grant_type=refresh_token&refresh_token=rt",
        r#"{"errors":[{"errorType":"invalid_grant","message":"Refresh token invalid"}],"success":false}"#),
    ("github", &[],
        "POST https://github.com/login/oauth/access_token Basic(app:s3cret) grant_type=refresh_token&refresh_token=rt",
        "error=bad_refresh_token&error_description=The+refresh+token+is+incorrect"),
    ("heygen", &[],
        "POST https://api2.heygen.com/v1/oauth/refresh_token grant_type=refresh_token&refresh_token=rt&client_id=app&client_secret=s3cret",
        r#"{"error":"invalid_grant"}"#),
    ("instagram", &[],
        "GET https://graph.instagram.com/refresh_access_token?grant_type=ig_refresh_token&access_token=rt",
        r#"{"error":"invalid_grant"}"#),
    ("notion", &[],
        r#"POST https://api.notion.com/v1/oauth/token Basic(app:s3cret) (content-type: application/json) {"grant_type":"refresh_token","refresh_token":"rt"}"#,
        r#"{"error":"invalid_grant"}"#),
    ("slack", &[],
        "POST https://slack.com/api/oauth.v2.access Basic(app:s3cret) grant_type=refresh_token&refresh_token=rt",
        r#"{"ok":false,"error":"invalid_refresh_token"}"#),
    ("strava", &[],
        "POST https://www.strava.com/oauth/token grant_type=refresh_token&refresh_token=rt&client_id=app&client_secret=s3cret",
        r#"{"message":"Bad Request","errors":[{"resource":"RefreshToken","field":"refresh_token","code":"invalid"}]}"#),
    ("threads", &[],
        "GET https://graph.threads.net/refresh_access_token?grant_type=th_refresh_token&access_token=rt",
        r#"{"error":"invalid_grant"}"#),
    ("tiktok", &[],
        "POST https://open.tiktokapis.com/v2/oauth/token/ grant_type=refresh_token&refresh_token=rt&client_key=app&client_secret=s3cret",
        r#"{"error":"invalid_grant"}"#),
    ("trustpilot", &[],
        "POST https://api.trustpilot.com/v1/oauth/oauth-business-users-for-applications/refresh Basic(app:s3cret) grant_type=refresh_token&refresh_token=rt",
        r#"{"error":"invalid_grant"}"#),
    ("twitch", &[],
        "POST https://id.twitch.tv/oauth2/token grant_type=refresh_token&refresh_token=rt&client_id=app&client_secret=s3cret",
        r#"{"status":400,"message":"Invalid refresh token"}"#),
    ("wechat", &[],
        "GET https://api.weixin.qq.com/sns/oauth2/refresh_token?grant_type=refresh_token&refresh_token=rt&appid=app",
        r#"{"errcode":40030,"errmsg":"invalid refresh_token"}"#),
    ("withings", &[],
        "POST https://wbsapi.withings.net/v2/oauth2 grant_type=refresh_token&refresh_token=rt&client_id=app&client_secret=s3cret&action=requesttoken",
        r#"{"error":"invalid_grant"}"#),
    ("x", &[],
        "POST https://api.x.com/2/oauth2/token Basic(app:s3cret) grant_type=refresh_token&refresh_token=rt&client_id=app",
        r#"{"error":"invalid_grant"}"#),
];

#[test]
fn renewals_go_where_the_provider_wants_them_and_end_when_it_says_so() {
    for (name, variables, sends, dead) in RENEWALS {
        let provider = Provider::preset(name, variables);
        let (sent, tokens) = provider.renew(json(PLAIN));
        assert_eq!(sent, *sends, "{name}");
        assert!(tokens.is_ok(), "{name}");
        let (_, refused) = provider.renew(json(dead));
        let error = refused.expect_err(name);
        assert_eq!(
            (error.kind(), error.reason()),
            (ErrorKind::Denied, Reason::RefreshDenied),
            "{name}: {error}"
        );
    }
}

/// Where tokens stand in requests to APIs.
#[test]
fn ol_9_tokens_stand_where_each_provider_wants_them() {
    let seen = |name, variables: &[(&str, &str)]| {
        let request = http::Request::post("https://api.example/me?b=2");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        Provider::preset(name, variables).api(request.body(Bytes::from_static(b"a=1")).unwrap())
    };
    for (names, line) in [
        ("github google azure_ad linkedin notion spotify", "POST https://api.example/me?b=2 (Bearer at) a=1"),
        (
            "douban instagram mailru odnoklassniki qq taobao weibo wechat weixin",
            "POST https://api.example/me?b=2&access_token=at (cache-control: no-store) a=1",
        ),
        ("slack_legacy", "POST https://api.example/me?b=2 a=1&token=at"),
        (
            "foursquare",
            "POST https://api.example/me?b=2&v=20140128&oauth_token=at (cache-control: no-store) a=1",
        ),
        ("vk", "POST https://api.example/me?b=2&v=5.131&access_token=at (cache-control: no-store) a=1"),
        (
            "stackoverflow",
            "POST https://api.example/me?b=2&key=k&access_token=at (cache-control: no-store) a=1",
        ),
        ("yandex", "POST https://api.example/me?b=2 (OAuth at) a=1"),
        ("twitch", "POST https://api.example/me?b=2 (client-id: app) (Bearer at) a=1"),
        ("shopify", "POST https://api.example/me?b=2 (x-shopify-access-token: at) a=1"),
        ("amazon_selling_partner", "POST https://api.example/me?b=2 (x-amz-access-token: at) a=1"),
    ] {
        for name in names.split(' ') {
            let variables = [
                ("application_id", "a"),
                ("domain", "sellercentral.amazon.com"),
                ("key", "k"),
                ("shop", "my-shop.myshopify.com"),
                ("tenant", "common"),
            ];
            assert_eq!(seen(name, &variables), line, "{name}");
        }
    }
}

/// Lifetimes in milliseconds, of a provider without users.
#[test]
fn fiserv_counts_in_milliseconds() {
    let answer = json(r#"{"access_token":"at","token_type":"Bearer","expires_in":899000}"#);
    let (sent, tokens) = Provider::preset("fiserv", &[]).credentials(answer);
    let url = "https://cert.api.fiservapps.com/fts-apim/oauth2/v2";
    assert_eq!(sent, format!("POST {url} Basic(app:s3cret) grant_type=client_credentials"));
    assert_eq!(read(&tokens.unwrap()), "at Bearer 899");
}

/// The revocation of Strava takes the access token by that name.
#[test]
fn strava_revokes_by_another_name() {
    let (sent, revoked) = Provider::preset("strava", &[]).revoke(json("{}"));
    let url = "https://www.strava.com/oauth/deauthorize";
    assert_eq!(sent, format!("POST {url} access_token=at&client_id=app&client_secret=s3cret"));
    assert!(revoked.is_ok());
}

/// The secret is not sent at all, but what a hook makes of it.
#[test]
fn smartsheet_wants_a_hash_in_place_of_the_secret() {
    #[derive(Debug)]
    struct Hash;
    impl Hook for Hash {
        fn name(&self) -> &str {
            "smartsheet_hash"
        }

        fn request(&self, kind: RequestKind, request: &mut Request) -> Result<()> {
            if kind != RequestKind::Token {
                return Ok(());
            }
            let text = std::str::from_utf8(request.body()).unwrap();
            let form = Parameters::parse(text).unwrap();
            let hash =
                format!("sha256({}|{})", form.get("client_secret").unwrap(), form.get("code").unwrap());
            let others = text.split('&').filter(|piece| !piece.starts_with("client_secret="));
            let body = others.collect::<Vec<_>>().join("&") + "&hash=" + &hash;
            *request.body_mut() = body.into();
            Ok(())
        }
    }

    let provider = Provider::of(preset("smartsheet").unwrap().with_hook(Hash));
    let (sent, tokens) = provider.exchange(CODE, json(PLAIN));
    let form = "grant_type=authorization_code&code=c0de&redirect_uri=CB&code_verifier=~&client_id=app";
    let hash = "hash=sha256(s3cret|c0de)";
    assert_eq!(sent, format!("POST https://api.smartsheet.com/2.0/token {form}&{hash}"));
    assert!(tokens.is_ok());
}
