//! Logouts by the client, and by the back and the front channel.

use valetkey_proto::Reason;

use super::{super::*, *};
use crate::fault::{JwtEdit as J, Member as M, Param};

const L: &[Plan] = &[Plan::Logout];

/// A module of this suffix: what is wrong with the logout token, and what comes of it.
macro_rules! back_channel {
    ($suffix:literal, $does:literal, $edit:expr, $verdict:expr) => {
        module(name!($suffix), L, ALL, $does)
            .task(Task::ReceiveBackChannel)
            .faults(&[fault(name!($suffix), Place::BackChannelLogout, Effect::Jwt(&[$edit]), $verdict)])
            .verdict($verdict)
    };
}

/// A module of this suffix: how the browser comes back with another state.
macro_rules! way_back {
    ($suffix:literal, $does:literal, $edit:expr) => {
        module(name!($suffix), L, ALL, $does)
            .task(Task::LogOut)
            .faults(&[fault(name!($suffix), Place::EndSession, Effect::Callback(&[$edit]), STATE)])
            .verdict(STATE)
    };
}

const STATE: Verdict = untrusted(Reason::StateMismatch);
const ALGORITHM: Verdict = untrusted(Reason::AlgorithmMismatch);
const KIND: Verdict = untrusted(Reason::KindMismatch);
const AUDIENCE: Verdict = untrusted(Reason::AudienceMismatch);
const ISSUER: Verdict = untrusted(Reason::IssuerMismatch);

pub(super) const ROWS: &[Module] = &[
    module(name!("-rp-backchannel-rpinitlogout"), L, ALL, "tells of the logout by a token")
        .task(Task::ReceiveBackChannel),
    back_channel!(
        "-rp-backchannel-rpinitlogout-alg-none",
        "an unsigned logout token",
        J::Unsigned("none"),
        ALGORITHM
    ),
    back_channel!(
        "-rp-backchannel-rpinitlogout-no-event",
        "a logout token without events",
        J::Claim(M::Remove("events")),
        MISSING
    ),
    back_channel!(
        "-rp-backchannel-rpinitlogout-with-nonce",
        "a logout token with a nonce",
        J::Claim(M::Set("nonce", b"\"nonce\"")),
        KIND
    ),
    back_channel!(
        "-rp-backchannel-rpinitlogout-wrong-alg",
        "a logout token by another algorithm",
        J::Alg("ES256"),
        ALGORITHM
    ),
    back_channel!(
        "-rp-backchannel-rpinitlogout-wrong-aud",
        "a logout token for another client",
        J::Claim(M::Set("aud", b"\"other\"")),
        AUDIENCE
    ),
    back_channel!(
        "-rp-backchannel-rpinitlogout-wrong-event",
        "a logout token of another event",
        J::Claim(M::Set("events", b"{\"https://evil.test/event\":{}}")),
        KIND
    ),
    back_channel!(
        "-rp-backchannel-rpinitlogout-wrong-iss",
        "a logout token of another issuer",
        J::Claim(M::Set("iss", b"\"https://evil.test\"")),
        ISSUER
    ),
    module(name!("-rp-frontchannel-rpinitlogout"), L, ALL, "tells of the client's logout by the browser")
        .task(Task::ReceiveFrontChannel),
    module(name!("-rp-frontchannel-opinitlogout"), L, ALL, "tells of its own logout by the browser")
        .task(Task::ReceiveFrontChannelUnasked),
    module(name!("-rp-init-logout"), L, ALL, "sends the browser back").task(Task::LogOut),
    way_back!(
        "-rp-init-logout-other-state",
        "sends the browser back with another state",
        Param::Set("state", "another")
    ),
    way_back!("-rp-init-logout-no-state", "sends the browser back without state", Param::Remove("state")),
    module(name!("-session-management"), L, ALL, "has a page that is polled for changes of the session")
        .task(Task::PollSession)
        .verdict(Verdict::BrowserOnly),
];
