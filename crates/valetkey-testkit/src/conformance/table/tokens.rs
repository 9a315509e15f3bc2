//! ID tokens and `UserInfo` that are not as they should be.

use valetkey_proto::{ErrorKind, Reason};

use super::{super::*, *};
use crate::fault::{JwtEdit as J, KeyEdit as K, Member as M};

/// A module of this suffix: what is wrong with the ID token, and what comes of it.
macro_rules! hostile {
    ($suffix:literal, $plans:expr, $types:expr, $does:literal, $edit:expr, $verdict:expr) => {
        module(name!($suffix), $plans, $types, $does)
            .faults(&[id_token(name!($suffix), &[$edit], $verdict)])
            .verdict($verdict)
    };
}

const AUDIENCE: Verdict = untrusted(Reason::AudienceMismatch);
const BINDING: Verdict = untrusted(Reason::BindingMismatch);
const ISSUER: Verdict = untrusted(Reason::IssuerMismatch);
const NONCE: Verdict = untrusted(Reason::NonceMismatch);
const SIGNATURE: Verdict = untrusted(Reason::SignatureInvalid);
const SUBJECT: Verdict = untrusted(Reason::SubjectMismatch);
const UNSIGNED: Verdict =
    Verdict::Should(Expect::Rejected { kind: ErrorKind::Untrusted, reason: Reason::AlgorithmMismatch });
const TRIES_ALL: Verdict = Verdict::Should(Expect::Accepted);

const BCD: &[Plan] = &[Plan::Basic, Plan::Config, Plan::Dynamic];
const IH: &[Plan] = &[Plan::Implicit, Plan::Hybrid];
const H: &[Plan] = &[Plan::Hybrid];
const WITH_AT_HASH: &[ResponseType] = &[IdTokenToken, CodeIdTokenToken];
const WITH_C_HASH: &[ResponseType] = &[CodeIdToken, CodeIdTokenToken];
const OTHER_HASH: &[u8] = b"\"77QmUPtjPfzWtF2AnpK9RQ\"";
const EVIL: &[u8] = b"\"https://evil.test\"";

const NO_KID: JwtEdit = J::Header(M::Remove("kid"));
const ONE_KEY: Effect = Effect::Keys(&[K::Only("RS256"), K::Without("kid")]);
const MORE_KEYS: Effect = Effect::Keys(&[K::Decoys(2), K::Without("kid")]);
const OF_ANOTHER: Effect = Effect::Json(&[M::Set("sub", b"\"mallory\"")]);

pub(super) const ROWS: &[Module] = &[
    hostile!("-nonce-invalid", BIH, ALL, "another nonce", J::Claim(M::Set("nonce", b"\"other\"")), NONCE),
    hostile!("-idtoken-sig-none", BCD, BY_CODE, "an unsigned ID token", J::Unsigned("none"), UNSIGNED),
    hostile!("-invalid-sig-rs256", BIH, ALL, "a wrong signature", J::BrokenSignature, SIGNATURE),
    Module {
        id_token_alg: "ES256",
        ..hostile!("-invalid-sig-es256", X, ALL, "a wrong signature by ES256", J::BrokenSignature, SIGNATURE)
    },
    Module {
        id_token_alg: "HS256",
        ..hostile!("-invalid-sig-hs256", X, ALL, "an HMAC by another secret", J::Stranger, SIGNATURE)
    },
    hostile!("-invalid-iss", BIH, ALL, "another issuer", J::Claim(M::Set("iss", EVIL)), ISSUER),
    hostile!("-invalid-aud", BIH, ALL, "another client", J::Claim(M::Set("aud", b"\"other\"")), AUDIENCE),
    hostile!("-missing-aud", X, ALL, "an ID token for nobody", J::Claim(M::Remove("aud")), MISSING),
    hostile!("-missing-iat", BIH, ALL, "an ID token of no time", J::Claim(M::Remove("iat")), MISSING),
    hostile!("-missing-sub", BIH, ALL, "an ID token about nobody", J::Claim(M::Remove("sub")), MISSING),
    module(name!("-kid-absent-single-jwks"), BIH, ALL, "one key, and no name for it").faults(&[
        fault("one-key-without-kid", Place::Keys, ONE_KEY, ACCEPTED),
        id_token("kid-absent", &[NO_KID], ACCEPTED),
    ]),
    module(name!("-kid-absent-multiple-jwks"), BIH, ALL, "several keys, and no name to choose by")
        .faults(&[
            fault("keys-without-kid", Place::Keys, MORE_KEYS, TRIES_ALL),
            id_token("kid-absent", &[NO_KID], TRIES_ALL),
        ])
        .verdict(TRIES_ALL),
    hostile!(
        "-invalid-athash",
        IH,
        WITH_AT_HASH,
        "the hash of another access token",
        J::Claim(M::Set("at_hash", OTHER_HASH)),
        BINDING
    ),
    hostile!(
        "-missing-athash",
        IH,
        WITH_AT_HASH,
        "no hash of the access token",
        J::Claim(M::Remove("at_hash")),
        MISSING
    ),
    hostile!(
        "-invalid-chash",
        H,
        WITH_C_HASH,
        "the hash of another code",
        J::Claim(M::Set("c_hash", OTHER_HASH)),
        BINDING
    ),
    hostile!("-missing-chash", H, WITH_C_HASH, "no hash of the code", J::Claim(M::Remove("c_hash")), MISSING),
    module(name!("-userinfo-invalid-sub"), BIH, WITH_TOKEN, "UserInfo about another user")
        .faults(&[fault("userinfo-invalid-sub", Place::UserInfo, OF_ANOTHER, SUBJECT)])
        .verdict(SUBJECT),
];
