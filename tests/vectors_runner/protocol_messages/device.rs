//! Devices without a browser (RFC 8628).

use std::time::Duration;

use serde_json::Value;
use valetkey_http::{Failure, FailureKind, Phase, Sent};
use valetkey_proto::{
    Call, Event, Flow, Step,
    oauth2::{
        grant::{DeviceAuthorizationRequest, DeviceAuthorizationResponse, DeviceCodeGrant, DevicePolling},
        server::{Issuer, ServerMetadata},
    },
};

use super::{
    super::{
        case::Case,
        check::{Answer, Checks, Stop},
        world::{World, response},
    },
    check_request, client_of, more,
    openid::answer,
    server, texts,
};

/// When the cases were asked.
const ASKED: i64 = 1_700_000_000;

fn request(case: &Case) -> Result<DeviceAuthorizationRequest, Stop> {
    let endpoint = case.text("endpoint").unwrap_or("https://as.example/device_authorization");
    let server = ServerMetadata::new(Issuer::parse("https://as.example")?);
    let server = server.with_endpoint("device_authorization_endpoint", endpoint)?;
    let request = DeviceAuthorizationRequest::new(&server)?;
    Ok(match case.input.get("scope") {
        Some(scope) => request.with_scope(&texts(scope).join(" "))?,
        None => request,
    })
}

pub(super) fn begin(case: &Case) -> Answer {
    let mut request = request(case)?;
    for (name, value) in more(case, &["kind", "scope"]) {
        request = request.with_parameter(&name, &value)?;
    }
    check_request(case, &World::new().first_request(Call::new(request, client_of(case)?))?, &[])
}

pub(super) fn begun(case: &Case) -> Answer {
    let checks = Checks::of(case);
    let call = Call::new(request(case)?, client_of(case)?);
    let device = World::at(ASKED).play(call, &answer(case))?;
    checks.same("device_code", device.device_code().expose());
    checks.same("user_code", device.user_code());
    checks.same("verification_uri", device.verification_uri());
    checks.same("verification_uri_complete", device.verification_uri_complete());
    checks.same("expires_in", (device.expires_at() - device.asked_at()).as_secs());
    checks.same("interval", device.interval().as_secs());
    checks.done()
}

/// A device with this code and interval.
fn device(code: &str, interval: u64) -> Result<DeviceAuthorizationResponse, Stop> {
    let server = ServerMetadata::new(Issuer::parse("https://as.example")?);
    let server = server.with_endpoint("device_authorization_endpoint", "https://as.example/device")?;
    let body = serde_json::json!({
        "device_code": code,
        "user_code": "WDJB-MJHT",
        "verification_uri": "https://as.example/device",
        "expires_in": 1800,
        "interval": interval,
    });
    let answer = response(200, [("content-type", "application/json")], body.to_string());
    Ok(World::at(ASKED).play(Call::anonymous(DeviceAuthorizationRequest::new(&server)?), &answer)?)
}

pub(super) fn poll(case: &Case) -> Answer {
    let device = device(case.text("device_code").expect("a device code"), 5)?;
    let grant = DeviceCodeGrant::new(&server(case)?, &device)?;
    check_request(case, &World::new().first_request(Call::new(grant, client_of(case)?))?, &[])
}

/// A whole poll: how long is waited before each question, and how it ends.
pub(super) fn polled(case: &Case) -> Answer {
    let checks = Checks::of(case);
    let interval = case.input["interval"].as_u64().expect("an interval");
    let grant = DeviceCodeGrant::new(&server(case)?, &device("code", interval)?)?;
    let mut flow = DevicePolling::new(grant, client_of(case)?);
    let mut answers = case.input["responses"].as_array().expect("answers").iter().map(|name| name.as_str());
    let (mut now, mut waited, mut waits, mut event) = (ASKED, Duration::ZERO, Vec::new(), Event::Go);
    let result = loop {
        event = match flow.step(event, &World::at(now).env()) {
            Ok(Step::Wait(time)) => {
                waited += time;
                now += i64::try_from(time.as_secs()).expect("not for ages");
                Event::Go
            }
            Ok(Step::Send(..)) => {
                waits.push(std::mem::take(&mut waited).as_secs());
                come_back(answers.next().flatten().ok_or_else(|| Stop::refused("one poll too many"))?)
            }
            Ok(Step::Sign(_)) => return Err(Stop::refused("nothing is to be signed")),
            Ok(Step::Done(_)) => break "token".to_owned(),
            Err(error) => {
                break error.response().map_or_else(|| error.to_string(), |it| it.code().to_string());
            }
        };
    };
    checks.same("result", result);
    checks.holds("waits_min", |expected| {
        let least: Vec<_> = expected.as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
        least.len() == waits.len() && waits.iter().zip(least).all(|(wait, least)| *wait >= least)
    });
    checks.done()
}

fn come_back(name: &str) -> Event {
    let json = |status, body: String| {
        Event::Response(response(status, [("content-type", "application/json")], body))
    };
    match name {
        "timeout" => Event::Failure(Failure::new(Sent::Maybe, FailureKind::Timeout(Phase::Head))),
        "token" => json(200, r#"{"access_token":"at","token_type":"Bearer"}"#.to_owned()),
        code => json(400, serde_json::json!({ "error": code }).to_string()),
    }
}
