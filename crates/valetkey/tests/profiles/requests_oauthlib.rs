//! What the nine compliance fixes of requests-oauthlib do for a provider, its preset does.

use bytes::Bytes;
use valetkey::{profile::from_toml, secret::RefreshToken};
use valetkey_http::Request;

use crate::provider::{CODE, Provider, answer, json, read};

fn call(body: &'static str) -> Request {
    let request = http::Request::post("https://api.example/me?b=2");
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    request.body(Bytes::from_static(body.as_bytes())).unwrap()
}

fn get() -> Request {
    http::Request::get("https://api.example/me").body(Bytes::new()).unwrap()
}

/// A form that calls itself a text, with `expires`; and JSON is read as JSON.
#[test]
fn ro_18_facebook() {
    let facebook = Provider::preset("facebook", &[]);
    let form = answer(200, "text/plain; charset=UTF-8", "access_token=at&expires=5183944");
    let (_, tokens) = facebook.exchange(CODE, form);
    assert_eq!(read(&tokens.unwrap()), "at Bearer 5183944");
    let (_, tokens) = facebook.exchange(CODE, json(r#"{"access_token":"at","expires_in":3600}"#));
    assert_eq!(read(&tokens.unwrap()), "at Bearer 3600");
    let (_, tokens) = facebook.exchange(CODE, answer(200, "text/plain", "expires=5183944"));
    assert!(tokens.is_err());
    let (_, tokens) = facebook.exchange(CODE, answer(400, "text/plain", "access_token=at&expires=5183944"));
    assert!(tokens.is_err(), "no success");
}

/// A secret in the header for renewals, too; errors in a list.
#[test]
fn ro_18_fitbit() {
    let fitbit = Provider::preset("fitbit", &[]);
    let (sent, tokens) =
        fitbit.renew(json(r#"{"access_token":"at2","refresh_token":"rt2","user_id":"26FWFL"}"#));
    let url = "https://api.fitbit.com/oauth2/token";
    assert_eq!(sent, format!("POST {url} Basic(app:s3cret) grant_type=refresh_token&refresh_token=rt"));
    let tokens = tokens.unwrap();
    assert_eq!(tokens.refresh_token().map(RefreshToken::expose), Some("rt2"));
    assert_eq!(tokens.kept().unwrap().value("user_id"), Some("26FWFL"));
    let body = r#"{"errors":[{"errorType":"invalid_client","message":"Invalid authorization header"}],"success":false}"#;
    let (_, refused) = fitbit.renew(answer(401, "application/json", body));
    let said = "the server refused the request (status 401): invalid_client (Invalid authorization header)";
    assert_eq!(refused.unwrap_err().to_string(), said);
}

/// The token as `token` in the form.
#[test]
fn ro_18_slack() {
    let slack = Provider::preset("slack_legacy", &[]);
    assert_eq!(slack.api(call("user=U1")), "POST https://api.example/me?b=2 user=U1&token=at");
    assert_eq!(slack.api(call("")), "POST https://api.example/me?b=2 token=at");
}

/// The token as `access_token` in the URL.
#[test]
fn ro_18_instagram() {
    let instagram = Provider::preset("instagram", &[]);
    assert_eq!(instagram.api(get()), "GET https://api.example/me?access_token=at (cache-control: no-store)");
}

/// No scope at all, and tokens that live for ever. The fix makes an hour of a zero, and a refresh token there is none.
#[test]
fn ro_18_mailchimp() {
    let mailchimp = Provider::preset("mailchimp", &[]);
    let (_, tokens) = mailchimp.exchange(CODE, json(r#"{"access_token":"at","expires_in":0,"scope":null}"#));
    let tokens = tokens.unwrap();
    assert_eq!(read(&tokens), "at Bearer");
    assert_eq!(tokens.expires_at(), None);
    let (_, tokens) = mailchimp.exchange(CODE, json(r#"{"access_token":"at","expires_in":"0"}"#));
    assert_eq!(tokens.unwrap().expires_at(), None);
    let (_, tokens) = mailchimp.exchange(CODE, json(r#"{"access_token":"at","expires_in":60,"scope":"a"}"#));
    assert_eq!(read(&tokens.unwrap()), "at Bearer 60 [a]");
}

/// No type, and the token in the URL.
#[test]
fn ro_18_weibo() {
    let weibo = Provider::preset("weibo", &[]);
    let (_, tokens) = weibo.exchange(CODE, json(r#"{"access_token":"at","expires_in":3600,"uid":"1"}"#));
    let tokens = tokens.unwrap();
    assert_eq!(read(&tokens), "at Bearer 3600 uid=1");
    assert!(tokens.quirks().is_empty(), "it is known");
    assert_eq!(weibo.api(get()), "GET https://api.example/me?access_token=at (cache-control: no-store)");
}

/// Names with capitals in place of bars. The provider has a host for each customer and no preset.
#[test]
fn ro_18_plentymarkets() {
    let profile = from_toml(
        r#"
        name = "plentymarkets"
        answer.case = "camel"
        [endpoints]
        authorization = "https://{shop}.plentymarkets-cloud.example/authorize"
        token = "https://{shop}.plentymarkets-cloud.example/rest/login"
        "#,
    );
    let plentymarkets = Provider::of(profile.unwrap().with_variable("shop", "s1"));
    let body = r#"{"accessToken":"at","tokenType":"Bearer","expiresIn":86400,"refreshToken":"rt"}"#;
    let (_, tokens) = plentymarkets.exchange(CODE, json(body));
    assert_eq!(read(&tokens.unwrap()), "at Bearer 86400 rt");
    let (_, refused) = plentymarkets.exchange(CODE, json(r#"{"error":"invalid_credentials"}"#));
    assert!(refused.unwrap_err().to_string().ends_with("invalid_credentials"));
}

/// Types of the provider's own.
#[test]
fn ro_18_ebay() {
    let ebay = Provider::preset("ebay", &[]);
    for kind in ["User Access Token", "Application Access Token", "user access token", "Bearer"] {
        let body = format!(r#"{{"access_token":"at","token_type":"{kind}","expires_in":7200}}"#);
        let (_, tokens) = ebay.exchange(CODE, json(&body));
        assert_eq!(read(&tokens.unwrap()), "at Bearer 7200", "{kind}");
        let (_, tokens) = ebay.renew(json(&body));
        assert_eq!(read(&tokens.unwrap()), "at Bearer 7200", "{kind}");
    }
}

/// A type where there is none, and only there; the token in the URL.
#[test]
fn ro_18_douban() {
    let douban = Provider::preset("douban", &[]);
    let (_, tokens) = douban.exchange(CODE, json(r#"{"access_token":"at","expires_in":3920}"#));
    assert_eq!(read(&tokens.unwrap()), "at Bearer 3920");
    let (_, tokens) = douban.exchange(CODE, json(r#"{"access_token":"at","token_type":"mac"}"#));
    assert_eq!(tokens.unwrap().token_type().as_str(), "mac");
    assert_eq!(douban.api(get()), "GET https://api.example/me?access_token=at (cache-control: no-store)");
}
