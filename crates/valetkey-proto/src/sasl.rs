//! Access tokens in SASL, for IMAP, POP and SMTP: `OAUTHBEARER` (RFC 7628) and `XOAUTH2`, which came before it.
//!
//! A client says one thing, its [`InitialResponse`]. A server that refuses it says why in a challenge, which
//! [`Mechanism::refusal`] reads, waits for [`Mechanism::answer_to_refusal`], and only then fails.
//!
//! ```
//! use valetkey_proto::{ErrorCode, ErrorKind, Reason, sasl, secret::AccessToken};
//!
//! let token = AccessToken::bearer("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==").expect("visible ASCII");
//! let login = sasl::oauth_bearer("user@example.com", "server.example.com", 143, &token)?;
//! let command = format!("A1 AUTHENTICATE {} {}\r\n", login.mechanism(), login.to_base64().expose());
//! assert!(command.starts_with("A1 AUTHENTICATE OAUTHBEARER bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9"));
//!
//! // The server: + eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=
//! let refusal = login.mechanism().refusal("eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=")?;
//! assert_eq!(login.mechanism().answer_to_refusal(), "AQ==");
//! // A new token may help: `Session::refresh`. Nothing but another scope helps against `InsufficientScope`.
//! assert_eq!(refusal.code(), &ErrorCode::InvalidToken);
//! let error = valetkey_proto::Error::from(refusal);
//! assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::Challenged));
//! # Ok::<(), valetkey_proto::Error>(())
//! ```

mod refusal;

use std::{borrow::Cow, fmt};

use base64::{Engine, engine::general_purpose::STANDARD};

pub use refusal::Refusal;

use crate::{
    error::{Error, ErrorKind, Reason, Result},
    secret::{AccessToken, Secret},
};

/// The longest name of a user that is taken, in bytes.
const MAX_USER: usize = 1024;
/// The longest name of a host, in bytes (RFC 1035 §2.3.4).
const MAX_HOST: usize = 255;

/// How a token is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mechanism {
    /// `OAUTHBEARER` (RFC 7628).
    OauthBearer,
    /// `XOAUTH2`, of Google's, which Microsoft and others have, too.
    XOauth2,
}

impl Mechanism {
    /// The name by which a server offers it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OauthBearer => "OAUTHBEARER",
            Self::XOauth2 => "XOAUTH2",
        }
    }

    /// Reads why a server refuses a token: the challenge in base64, without what the protocol puts before it (`+ `
    /// in IMAP and POP, `334 ` in SMTP).
    ///
    /// # Errors
    ///
    /// `Protocol`: [`Reason::TooLarge`] beyond 8 KiB; [`Reason::Malformed`] if it is not a JSON object in base64, as
    /// the empty challenge is, by which a server asks for the initial response; [`Reason::DuplicateParameter`];
    /// [`Reason::MissingParameter`] without a `status`. The login is refused all the same, and the server waits for the
    /// same answer.
    pub fn refusal(self, challenge: &str) -> Result<Refusal> {
        Refusal::parse(challenge)
    }

    /// What a client must send, in base64, before a server that refuses says that the login failed: a `^A` for
    /// `OAUTHBEARER` (RFC 7628 §3.2.3), an empty line for `XOAUTH2`.
    #[must_use]
    pub const fn answer_to_refusal(self) -> &'static str {
        match self {
            Self::OauthBearer => "AQ==",
            Self::XOauth2 => "",
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The one thing that a client says, a token in it: by [`oauth_bearer`] or [`xoauth2`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitialResponse {
    mechanism: Mechanism,
    text: Secret,
}

/// Shows a token by `OAUTHBEARER` (RFC 7628 §3.1): to the server at this host and port, to act as this user; the empty
/// name leaves it to the server to find in the token who that is.
///
/// # Errors
///
/// `Config`: [`Reason::InvalidValue`] if the user has a control character, or the host is not one; names of hosts that
/// are not ASCII must be given as `xn--…`. `Usage`: [`Reason::UnsupportedTokenType`] if the token is bound to a key, as
/// nothing here could carry a proof.
pub fn oauth_bearer(user: &str, host: &str, port: u16, token: &AccessToken) -> Result<InitialResponse> {
    let token = shown(token)?;
    check_user(user)?;
    let is_host = host.bytes().all(|byte| matches!(byte, 0x21..=0x7e)) && !host.is_empty();
    if !is_host || host.len() > MAX_HOST {
        return Err(invalid("host"));
    }
    if port == 0 {
        return Err(invalid("port"));
    }
    let user = if user.is_empty() { Cow::default() } else { format!("a={}", name(user)).into() };
    let text = [
        "n,",
        &user,
        ",\x01host=",
        host,
        "\x01port=",
        &port.to_string(),
        "\x01auth=Bearer ",
        token,
        "\x01\x01",
    ];
    Ok(InitialResponse { mechanism: Mechanism::OauthBearer, text: Secret::new(text.concat()) })
}

/// Shows a token by `XOAUTH2`, to act as this user.
///
/// # Errors
///
/// As [`oauth_bearer`]; a user must be named.
pub fn xoauth2(user: &str, token: &AccessToken) -> Result<InitialResponse> {
    let token = shown(token)?;
    check_user(user)?;
    if user.is_empty() {
        return Err(invalid("user"));
    }
    let text = ["user=", user, "\x01auth=Bearer ", token, "\x01\x01"];
    Ok(InitialResponse { mechanism: Mechanism::XOauth2, text: Secret::new(text.concat()) })
}

impl InitialResponse {
    /// By which mechanism.
    #[must_use]
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// The text, control characters and all, for libraries that encode it themselves.
    #[must_use]
    pub fn text(&self) -> &Secret {
        &self.text
    }

    /// The text in base64, as it goes over the wire of IMAP, POP and SMTP: behind the mechanism's name, or, where that
    /// line would be too long for a server (255 bytes in POP, RFC 5034 §4; 12288 in SMTP, RFC 4954 §4), as the answer to
    /// its first challenge.
    #[must_use]
    pub fn to_base64(&self) -> Secret {
        Secret::new(STANDARD.encode(self.text.expose()))
    }
}

/// The token, if it may be shown as a bearer token.
fn shown(token: &AccessToken) -> Result<&str> {
    if token.is_bound() {
        let error = Error::new(ErrorKind::Usage, Reason::UnsupportedTokenType);
        return Err(error.with_detail("a token that is bound to a key needs a proof"));
    }
    Ok(token.expose())
}

/// A control character would end the field, or the line.
fn check_user(user: &str) -> Result<()> {
    if user.len() > MAX_USER || user.chars().any(char::is_control) {
        return Err(invalid("user"));
    }
    Ok(())
}

/// `saslname` (RFC 5801 §4).
fn name(user: &str) -> String {
    user.replace('=', "=3D").replace(',', "=2C")
}

fn invalid(what: &'static str) -> Error {
    Error::new(ErrorKind::Config, Reason::InvalidValue).with_detail(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> AccessToken {
        AccessToken::bearer(text).expect("visible ASCII")
    }

    #[test]
    fn sasl_says_what_the_documents_say() {
        // RFC 7628 §4.1.
        let login = oauth_bearer(
            "user@example.com",
            "server.example.com",
            143,
            &token("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="),
        );
        let expected = "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZGOWRmdDRxb\
                        VRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB";
        assert_eq!(login.expect("a login").to_base64().expose(), expected);
        // Google's documentation of XOAUTH2.
        let login = xoauth2("someuser@example.com", &token("ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"));
        let expected = "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRX\
                        VZMjl0Q2cBAQ==";
        assert_eq!(login.expect("a login").to_base64().expose(), expected);
    }

    #[test]
    fn sasl_names_are_escaped_and_hold_no_control_character() {
        let login =
            |user: &str| oauth_bearer(user, "h", 993, &token("t")).map(|login| login.text().clone()).ok();
        let text =
            |name: &str| Secret::new(format!("n,{name},\x01host=h\x01port=993\x01auth=Bearer t\x01\x01"));
        assert_eq!(login("a,b=c=2C@é"), Some(text("a=a=2Cb=3Dc=3D2C@é")));
        assert_eq!(login(""), Some(text("")));
        // XOAUTH2 escapes nothing.
        let login = xoauth2("a,b=c", &token("t")).expect("a login");
        assert_eq!(login.text().expose(), "user=a,b=c\x01auth=Bearer t\x01\x01");
        assert_eq!(format!("{login:?}"), "InitialResponse { mechanism: XOauth2, text: Secret([redacted]) }");

        let invalid = Some((ErrorKind::Config, Reason::InvalidValue));
        let outcome =
            |login: Result<InitialResponse>| login.err().map(|error| (error.kind(), error.reason()));
        for user in ["a\x01auth=Bearer x", "a\r\nb", "a\0", "\u{7f}", "\u{85}", &"x".repeat(1025)] {
            assert_eq!(outcome(oauth_bearer(user, "h", 1, &token("t"))), invalid, "{user:?}");
            assert_eq!(outcome(xoauth2(user, &token("t"))), invalid, "{user:?}");
        }
        for host in ["", "a b", "a\x01port=1", "é.example", &"x".repeat(256)] {
            assert_eq!(outcome(oauth_bearer("u", host, 1, &token("t"))), invalid, "{host:?}");
        }
        assert_eq!(outcome(oauth_bearer("u", "h", 0, &token("t"))), invalid);
        assert_eq!(outcome(xoauth2("", &token("t"))), invalid);
    }

    #[test]
    fn s_dp_01_sasl_shows_no_token_that_is_bound_to_a_key() {
        let bound = AccessToken::dpop("t").expect("visible ASCII");
        for login in [oauth_bearer("u", "h", 1, &bound), xoauth2("u", &bound)] {
            let error = login.expect_err("it needs a proof");
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::UnsupportedTokenType));
        }
    }
}
