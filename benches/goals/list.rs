//! The contenders of rows 1 to 6 and 11, which run in memory on one thread.

use crate::{contender::Contender, peer, signing, subject, tokens};

/// Rows 2, 3, 4 and 11; the bench and the counter go by this order.
pub(crate) fn all() -> [Contender; 8] {
    [
        subject::authorization_url(),
        peer::authorization_url(),
        subject::token_request(),
        peer::token_request(),
        subject::token_response(),
        peer::flat_struct(),
        peer::token_response(),
        subject::code_flow(),
    ]
}

/// Row 1: for each of the requests ours, `oauth1-request`'s and the bare HMAC.
pub(crate) fn signing() -> [Contender; 9] {
    let [few, some, many] = signing::cases();
    [
        few.ours(),
        few.oauth1_request(),
        few.hmac(),
        some.ours(),
        some.oauth1_request(),
        some.hmac(),
        many.ours(),
        many.oauth1_request(),
        many.hmac(),
    ]
}

/// Row 5: for each of the algorithms ours, ours on AWS-LC, jsonwebtoken's and the bare signature of ring. Row 6: ours,
/// jsonwebtoken's and ring's.
pub(crate) fn tokens() -> [Contender; 15] {
    let [rsa, p256, ed25519] = tokens::cases();
    let aws_lc = valetkey_aws_lc::provider();
    [
        rsa.ours(),
        rsa.ours_on_aws_lc(aws_lc),
        rsa.jsonwebtoken(),
        rsa.ring(),
        p256.ours(),
        p256.ours_on_aws_lc(aws_lc),
        p256.jsonwebtoken(),
        p256.ring(),
        ed25519.ours(),
        ed25519.ours_on_aws_lc(aws_lc),
        ed25519.jsonwebtoken(),
        ed25519.ring(),
        tokens::proof(),
        tokens::proof_by_jsonwebtoken(),
        tokens::proof_by_ring(),
    ]
}
