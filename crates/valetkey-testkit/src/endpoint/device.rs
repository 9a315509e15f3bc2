//! Devices without a browser, whose users come by another (RFC 8628). The user of the settings decides after so many polls.

use std::time::{Duration, SystemTime};

use http::{StatusCode, header::CACHE_CONTROL};
use serde_json::json;

use super::{client_auth::authenticate, token::valid_scope};
use crate::{
    message::{Answer, Asked, Refusal},
    openid::Wish,
    state::{Device, GrantId, State},
    targets::Targets,
    user::Mind,
};

/// RFC 8628 §3.4.
pub(super) const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// The interval where none is said (RFC 8628 §3.2), and what a device that asks too early gets on top (§3.5).
const FIVE: Duration = Duration::from_secs(5);

/// What codes that people type are made of (RFC 8628 §6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

pub(super) fn answer(state: &mut State, asked: Asked<'_>) -> Result<Answer, Refusal> {
    let form = asked.form()?;
    if form.duplicate().is_some() {
        return Err(Refusal::request("a parameter occurs twice"));
    }
    let client = authenticate(state, asked, &form)?;
    let scope = form.get("scope").unwrap_or("");
    if !valid_scope(scope) {
        return Err(Refusal::new("invalid_scope", "the scope is malformed"));
    }
    let settings = &state.settings;
    let (lifetime, interval) = (settings.device_lifetime, settings.device_interval);
    let page = settings.issuer.url("/device");
    let device_code = format!("dc-{}", state.random.text());
    let letter = |byte: u8| char::from(LETTERS[usize::from(byte) % LETTERS.len()]);
    let user_code: String = state.random.text().bytes().take(8).map(letter).collect();
    let user_code = format!("{}-{}", &user_code[..4], &user_code[4..]);
    let device = Device {
        client,
        scope: scope.into(),
        targets: Targets::read(settings, &form)?,
        expires: asked.now + lifetime,
        interval: interval.unwrap_or(FIVE),
        polls: 0,
        last: None,
    };
    state.devices.insert(device_code.clone(), device);
    let mut body = json!({
        "device_code": device_code,
        "user_code": user_code,
        "verification_uri": page,
        "verification_uri_complete": format!("{page}?user_code={user_code}"),
        "expires_in": lifetime.as_secs(),
    });
    if let Some(interval) = interval {
        body["interval"] = interval.as_secs().into();
    }
    Ok(Answer::json(StatusCode::OK, &body).with(CACHE_CONTROL, "no-store"))
}

/// What the user has granted to a device; it is granted once (RFC 8628 §3.5).
pub(super) fn decided(
    state: &mut State,
    client: &str,
    code: &str,
    now: SystemTime,
) -> Result<GrantId, Refusal> {
    let (polls, mind) = (state.settings.device_polls, state.settings.user.0.clone());
    let device = state.devices.get_mut(code).filter(|device| device.client == client);
    let device = device.ok_or_else(|| Refusal::grant("the device code is unknown or was used"))?;
    if now >= device.expires {
        return Err(Refusal::new("expired_token", "the device code has expired"));
    }
    let is_early = device.last.replace(now).is_some_and(|last| now < last + device.interval);
    device.polls += 1;
    if is_early {
        device.interval += FIVE;
        return Err(Refusal::new("slow_down", "too many polls"));
    }
    match mind {
        Mind::Interactive => Err(Refusal::new("authorization_pending", "the user has not decided")),
        _ if device.polls <= polls => Err(Refusal::new("authorization_pending", "the user has not decided")),
        Mind::Refuses => {
            state.devices.remove(code);
            Err(Refusal::new("access_denied", "the user refused"))
        }
        Mind::Approves(user) => {
            let device = state.devices.remove(code).map(|device| (device.scope, device.targets));
            let (scope, targets) = device.unwrap_or_default();
            let grant = state.add_grant(client, Some(&user), &scope);
            state.target_grant(grant, targets);
            if state.settings.openid.is_some() && scope.split(' ').any(|scope| scope == "openid") {
                state.sign_in(grant, &Wish::default(), now);
            }
            Ok(grant)
        }
    }
}
