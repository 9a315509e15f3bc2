//! What the tokens of a client are for, as far as it was asked for.

use std::sync::Arc;

use valetkey_proto::{endpoint::Origin, oauth2::token::TokenSet};

use super::Client;
use crate::session::{Anomaly, Observer, SessionEvent};

impl Client {
    /// The origins that tokens may go to: those of the client's APIs that they were asked for, if each resource is one of
    /// them; otherwise a resource is a name that cannot be compared, and they are all.
    pub(crate) fn origins_of(&self, tokens: &TokenSet) -> Arc<[Origin]> {
        let all = self.origins();
        let resources = tokens.requested().resources();
        let places: Vec<_> = resources.iter().filter_map(|resource| resource.origin()).collect();
        if places.is_empty() || places.len() < resources.len() || !places.iter().all(|one| all.contains(one))
        {
            return Arc::clone(all);
        }
        all.iter().filter(|origin| places.contains(origin)).cloned().collect()
    }
}

/// Says so if the server granted other details than were asked for (RFC 9396 §7): what they mean, the program knows.
pub(super) fn note(tokens: &TokenSet, observer: &Arc<dyn Observer>) {
    let (asked, granted) = (tokens.requested().authorization_details(), tokens.authorization_details());
    if granted.is_some() && granted != asked {
        observer.event(&SessionEvent::Anomaly(Anomaly::DetailsChanged));
    }
}
