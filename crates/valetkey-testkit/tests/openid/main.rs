//! The provider of OpenID Connect on its own boundary: raw requests in, answers checked.

#[path = "../provider/common.rs"]
#[expect(dead_code, reason = "shared with the tests of OAuth 2.0")]
mod common;

mod faults;
mod flows;
mod judge;
mod login;
mod logout;
mod modules;
mod registration;
mod requests;
mod user_info;
