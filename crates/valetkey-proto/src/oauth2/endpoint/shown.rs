//! A token that its own server is shown (RFC 7009 §2.1, RFC 7662 §2.1).

use crate::{
    form::Form,
    secret::{AccessToken, RefreshToken, Secret},
};

/// A token that its server is shown, to revoke it or to say what it is: an access token, a refresh token, or a
/// [`Secret`] of which it is not known which of both it is.
///
/// ```
/// use valetkey_proto::{oauth2::endpoint::ShownToken, secret::{RefreshToken, Secret}};
///
/// let known = ShownToken::from(&RefreshToken::new("8xLOxBtZp8"));
/// let unknown = ShownToken::from(Secret::new("2YotnFZFEjr1zCsicMWpAA"));
/// # let _ = (known, unknown);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownToken {
    text: Secret,
    hint: &'static str,
}

impl ShownToken {
    /// A form with it. What it is known to be helps the server to find it, and decides nothing (RFC 7009 §2.1).
    pub(super) fn form(&self) -> Form {
        let mut form = Form::new();
        form.push("token", self.text.expose()).push("token_type_hint", self.hint);
        form
    }
}

impl From<&AccessToken> for ShownToken {
    fn from(token: &AccessToken) -> Self {
        Self { text: token.expose().into(), hint: "access_token" }
    }
}

impl From<&RefreshToken> for ShownToken {
    fn from(token: &RefreshToken) -> Self {
        Self { text: token.expose().into(), hint: "refresh_token" }
    }
}

impl From<Secret> for ShownToken {
    fn from(text: Secret) -> Self {
        Self { text, hint: "" }
    }
}
