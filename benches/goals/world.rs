//! What both sides are measured with: one server, one client, one answer, one clock.

use std::time::SystemTime;

pub(crate) const ISSUER: &str = "https://as.example";
pub(crate) const AUTHORIZE: &str = "https://as.example/authorize";
pub(crate) const TOKEN: &str = "https://as.example/token";
pub(crate) const API: &str = "https://api.example/me";
pub(crate) const CLIENT_ID: &str = "my-app";
pub(crate) const CLIENT_SECRET: &str = "7Fjfp0ZBr1KtDRbnfVdmIw";
pub(crate) const REDIRECT_URI: &str = "https://my-app.example/callback";
pub(crate) const SCOPES: [&str; 3] = ["read", "write", "profile"];
pub(crate) const CODE: &str = "SplxlOBeZQQYbYS6WxSbIAqT4Bv9fLcJ";

pub(crate) const JSON: &str = "application/json";

/// A token response of 340 bytes, with tokens as long as providers make them.
pub(crate) const TOKENS: &str = concat!(
    r#"{"access_token":"eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9."#,
    "eyJpc3MiOiJodHRwczovL2FzLmV4YW1wbGUiLCJzdWIiOiI0NzExIiwiZXhwIjoxNzAwMDAwMDAwfQ.",
    "MEUCIQDb0NcW5xq0bVvCFjTfBf8fKq2mJrYxJb0r6wIgT3xqS5b2d9fWvZk1nQ0pXcLhR",
    r#"","token_type":"Bearer","expires_in":3600,"refresh_token":"#,
    r#""tGzv3JOkF0XG5Qx2TlKWIAtGzv3JOkF0XG5Qx2TlKWIA","#,
    r#""scope":"read write profile"}"#,
);

/// The time. Reading it is measured along with what needs it.
#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}
