//! The browser's session at the provider, and who is told of its end.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::{Logout, Wish, id_token::seconds, sign, subject};
use crate::state::{GrantId, State};

/// How long a logout token is good (Back-Channel Logout §2.4: short).
const LIFETIME: Duration = Duration::from_secs(120);

/// What each back-channel logout says that it is (§2.4).
const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The classes of authentication that the provider has; the first is the usual one.
pub(crate) const ACR: [&str; 3] = ["1", "2", "phr"];

/// A user who is signed in.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) user: String,
    pub(crate) sid: String,
    pub(crate) auth_time: SystemTime,
    /// Who relies on it.
    clients: Vec<String>,
}

/// What the ID tokens of a grant say of the sign-in.
#[derive(Clone, Debug)]
pub(crate) struct SignIn {
    pub(crate) nonce: Option<String>,
    pub(crate) auth_time: SystemTime,
    pub(crate) sid: String,
    pub(crate) acr: String,
    /// The claims that were asked for one by one (Core §5.5).
    pub(crate) in_id_token: Vec<String>,
    pub(crate) in_user_info: Vec<String>,
}

impl State {
    /// Whether this user is signed in, and has been for no longer than is wished (Core §3.1.2.1).
    pub(crate) fn has_session(&self, user: Option<&str>, wish: &Wish, now: SystemTime) -> bool {
        self.openid.session.as_ref().is_some_and(|session| {
            user.is_none_or(|user| user == session.user) && !wish.is_too_old(session.auth_time, now)
        })
    }

    /// Signs the user in, unless they are, and notes it for the tokens of this grant.
    pub(crate) fn sign_in(&mut self, grant: GrantId, wish: &Wish, now: SystemTime) {
        let (client, user) = (self.grant(grant).client.clone(), self.grant(grant).user.clone());
        let user = user.unwrap_or_default();
        let keeps = self.has_session(Some(&user), wish, now) && !wish.asks_for("login");
        let same = self.openid.session.take().filter(|session| session.user == user);
        let mut session = match same {
            Some(session) if keeps => session,
            Some(session) => Session { auth_time: now, ..session },
            None => Session { user, sid: self.random.text(), auth_time: now, clients: Vec::new() },
        };
        if !session.clients.contains(&client) {
            session.clients.push(client);
        }
        let known = wish.acr.iter().find(|acr| ACR.contains(&acr.as_str()));
        let sign_in = SignIn {
            nonce: wish.nonce.clone(),
            auth_time: session.auth_time,
            sid: session.sid.clone(),
            acr: known.map_or(ACR[0], String::as_str).to_owned(),
            in_id_token: wish.in_id_token.clone(),
            in_user_info: wish.in_user_info.clone(),
        };
        self.openid.session = Some(session);
        self.openid.sign_ins.insert(grant, sign_in);
    }

    /// Ends the session. Whoever relied on it is to be told.
    pub(crate) fn end_session(&mut self) {
        let Some(session) = self.openid.session.take() else { return };
        for client in &session.clients {
            let Some(known) = self.settings.client(client) else { continue };
            if let Some(uri) = &known.openid.back_channel_logout_uri {
                self.openid.back_channel.push(Logout {
                    uri: uri.clone(),
                    client: client.clone(),
                    subject: subject(&self.settings, client, &session.user),
                    sid: session.sid.clone(),
                });
            }
            if let Some(uri) = &known.openid.front_channel_logout_uri {
                let mut query = form_urlencoded::Serializer::new(String::new());
                query.append_pair("iss", &self.settings.issuer.text).append_pair("sid", &session.sid);
                let joint = if uri.contains('?') { '&' } else { '?' };
                self.openid.front_channel.push(format!("{uri}{joint}{}", query.finish()));
            }
        }
    }
}

/// A logout token (OpenID Connect Back-Channel Logout §2.4).
pub(crate) fn logout_token(state: &State, logout: &Logout, now: SystemTime) -> String {
    let claims = json!({
        "iss": state.settings.issuer.text,
        "aud": logout.client,
        "sub": logout.subject,
        "sid": logout.sid,
        "iat": seconds(now),
        "exp": seconds(now + LIFETIME),
        "jti": state.random.text(),
        "events": { LOGOUT: Value::Object(serde_json::Map::new()) },
    });
    let algorithm = state.settings.client(&logout.client).map(|client| client.openid.id_token_alg.clone());
    let algorithm = algorithm.as_deref().unwrap_or("RS256");
    sign(state, algorithm, &logout.client, Some("logout+jwt"), &claims)
}
