//! Logins, and what comes before and after them.

use valetkey_proto::{ErrorKind, Reason};

use super::{super::*, *};
use crate::fault::Member as M;

const IH: &[Plan] = &[Plan::Implicit, Plan::Hybrid];
const CD: &[Plan] = &[Plan::Config, Plan::Dynamic];
const D: &[Plan] = &[Plan::Dynamic];
const R: &[Plan] = &[Plan::RefreshToken];

const OTHER_USER: Verdict = untrusted(Reason::SubjectMismatch);
const OTHER_ISSUER: Verdict = untrusted(Reason::IssuerMismatch);

/// Logins in which nothing goes wrong, as far as the client does what was agreed.
pub(super) const GOOD: &[Module] = &[
    module(name!(""), BIH, ALL, "all as it should be"),
    Module {
        only_basic: true,
        ..module(
            name!("-client-secret-basic"),
            &[Plan::Basic, Plan::Hybrid],
            BASIC_AND_HYBRID,
            "takes client_secret_basic alone",
        )
    },
    module(name!("-nonce-unless-code-flow"), IH, BY_BROWSER, "refuses requests without a nonce"),
    module(name!("-scope-userinfo-claims"), BIH, ALL, "gives the claims of all scopes")
        .task(Task::LogInForClaims),
    module(name!("-idtoken-sig-rs256"), BIH, ALL, "signs by RS256"),
    Module {
        user_info_token: TokenPlacement::Header,
        ..module(name!("-userinfo-bearer-header"), BIH, WITH_TOKEN, "takes the token in the header alone")
    },
    Module {
        user_info_token: TokenPlacement::Form,
        ..module(name!("-userinfo-bearer-body"), BIH, WITH_TOKEN, "takes the token in the form alone")
            .task(Task::LogInAndPostToken)
    },
    Module {
        user_info_alg: Some("RS256"),
        ..module(name!("-userinfo-signed"), D, BY_CODE, "signs UserInfo by RS256")
    },
    Module {
        claim_source: Some(ClaimSource::Aggregated),
        ..module(name!("-aggregated-claims"), X, BY_CODE, "gives a claim of somebody else within UserInfo")
            .task(Task::LogInAndFollowClaims)
    },
    Module {
        claim_source: Some(ClaimSource::Distributed),
        ..module(name!("-distributed-claims"), X, BY_CODE, "says where a claim of somebody else is")
            .task(Task::LogInAndFollowClaims)
    },
    module(name!("-request-uri-signed-none"), D, BY_CODE, "takes an unsigned request object by reference")
        .task(Task::LogInByRequestUri { signed: false }),
    module(name!("-request-uri-signed-rs256"), D, BY_CODE, "takes a signed request object by reference")
        .task(Task::LogInByRequestUri { signed: true }),
    module(name!("-mtls-endpoint-aliases"), X, BY_CODE, "names other endpoints for mutual TLS")
        .task(Task::UseMtlsAliases)
        .verdict(Verdict::Waits),
    module(name!("-signing-key-rotation"), CD, BY_CODE, "has other keys at the second login")
        .task(Task::LogInTwice),
    module(
        name!("-signing-key-rotation-just-before-signing"),
        CD,
        BY_CODE,
        "has other keys since they were read",
    )
    .faults(&[fault("rotation-just-before-signing", Place::Token, Effect::RotateKeys, ACCEPTED).times(1)]),
];

/// Discovery, registration, refreshes, and logins that begin or end in another way.
pub(super) const AROUND: &[Module] = &[
    module(name!("-form-post-error"), X, BY_CODE, "posts login_required")
        .task(Task::LogInSilently)
        .verdict(rejected(ErrorKind::Denied, Reason::AuthorizationDenied)),
    module(name!("-discovery-openid-config"), CD, BY_CODE, "publishes its metadata").task(Task::Discover),
    module(name!("-discovery-jwks-uri-keys"), CD, BY_CODE, "publishes its keys").task(Task::DiscoverKeys),
    module(name!("-discovery-issuer-mismatch"), CD, BY_CODE, "publishes metadata of another issuer")
        .task(Task::Discover)
        .faults(&[fault(
            "discovery-issuer-mismatch",
            Place::Metadata,
            Effect::Json(&[M::Set("issuer", b"\"https://evil.test\"")]),
            OTHER_ISSUER,
        )])
        .verdict(OTHER_ISSUER),
    module(name!("-discovery-webfinger-acct"), D, BY_CODE, "is found by an account")
        .task(Task::FindByAccount),
    module(name!("-discovery-webfinger-url"), D, BY_CODE, "is found by a URL").task(Task::FindByUrl),
    module(name!("-dynamic-registration"), D, BY_CODE, "registers the client").task(Task::Register),
    module(name!("-refresh-token"), R, BY_CODE, "gives a refresh token").task(Task::Refresh),
    module(name!("-refresh-token-invalid-issuer"), R, BY_CODE, "another issuer after the refresh")
        .task(Task::Refresh)
        .faults(&[id_token(
            "refresh-token-invalid-issuer",
            &[JwtEdit::Claim(M::Set("iss", b"\"https://evil.test\""))],
            OTHER_ISSUER,
        )
        .after(1)])
        .verdict(OTHER_ISSUER),
    module(name!("-refresh-token-invalid-sub"), R, BY_CODE, "another user after the refresh")
        .task(Task::Refresh)
        .faults(&[id_token(
            "refresh-token-invalid-sub",
            &[JwtEdit::Claim(M::Set("sub", b"\"mallory\""))],
            OTHER_USER,
        )
        .after(1)])
        .verdict(OTHER_USER),
    module(
        name!("-3rd-party-init-login"),
        &[Plan::ThirdPartyLogin],
        BY_CODE,
        "sends the user to initiate_login_uri",
    )
    .task(Task::BeginElsewhere),
];
