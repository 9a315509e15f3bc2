//! The contenders of rows 1 to 4 and 11, which run in memory on one thread.

use crate::{contender::Contender, peer, signing, subject};

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
