//! What servers publish: asked for by one for all, and once more for a key that is not known.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use valetkey_proto::{
    Error, ErrorKind, Reason, Result,
    crypto::CryptoProvider,
    jose::Jwks,
    oauth2::server::{Issuer, ServerMetadata},
};
use valetkey_testkit::{Place, fault};

use super::{Still, below, block_on, executor, explore, leaving, provider, together};
use crate::{
    Client, Runtime,
    keys::{KeyCache, KeyOwner},
};

/// Its keys are how often somebody has asked for them.
struct Server {
    metadata: ServerMetadata,
    asked: AtomicUsize,
}

impl KeyOwner for Server {
    type Keys = usize;

    fn server(&self) -> &ServerMetadata {
        &self.metadata
    }

    fn needs_published_keys(&self) -> bool {
        true
    }

    fn keys(&self, _: &Jwks, _: &CryptoProvider) -> Result<usize> {
        Ok(self.asked.fetch_add(1, SeqCst) + 1)
    }
}

/// Keys that nobody looks at.
const KEYS: &[u8] = br#"{"keys":[]}"#;

struct World {
    owner: Arc<Server>,
    cache: KeyCache<Server>,
    runtime: Runtime,
}

impl World {
    fn new() -> Arc<Self> {
        let issuer = Issuer::parse("https://issuer.test").expect("an issuer");
        let metadata = ServerMetadata::new(issuer).with_endpoint("jwks_uri", "https://issuer.test/jwks");
        let owner = Server { metadata: metadata.expect("a URL"), asked: AtomicUsize::new(0) };
        let runtime = Runtime::new(Still { provider: provider(executor()), answer: Some(KEYS) });
        Arc::new(Self { owner: Arc::new(owner), cache: KeyCache::new(), runtime })
    }

    /// Checks what was signed by a key that is there from the keys of this number on.
    async fn check(&self, from: usize) -> Result<usize> {
        let unknown = || Error::new(ErrorKind::Untrusted, Reason::KeyNotFound);
        let check = |keys: &usize| if *keys < from { Err(unknown()) } else { Ok(*keys) };
        self.cache.check(&self.owner, &self.runtime, check).await?
    }
}

#[test]
fn s_jk_02_in_every_order_keys_are_asked_for_once_more() {
    explore("s_jk_02_in_every_order_keys_are_asked_for_once_more", || {
        let world = World::new();
        // It is among the first keys, among the next, or never known.
        let from = 1 + below(3);
        let of_caller = Arc::clone(&world);
        let checked = together(3, move |caller| {
            let polls = if caller == 0 { below(6) } else { usize::MAX };
            block_on(leaving(polls, of_caller.check(from)))
        });
        let keys = from.min(2);
        assert!(checked.into_iter().flatten().all(|checked| match checked {
            Ok(known) => from <= 2 && known >= from,
            Err(error) => from == 3 && error.reason() == Reason::KeyNotFound,
        }));
        assert_eq!(world.owner.asked.load(SeqCst), keys, "once, and once more for a key that is not known");
    });
}

#[test]
fn s_md_06_in_every_order_metadata_is_asked_for_once() {
    explore("s_md_06_in_every_order_metadata_is_asked_for_once", || {
        let provider = provider(executor());
        let builder = Client::builder(provider.clone()).discover(&provider.issuer()).id("app");
        let client = block_on(builder.secret("app-secret").build()).expect("a client");
        provider.advance(Duration::from_secs(11 * 60));
        // The old one is good through an outage.
        let fails = below(2) == 0;
        if fails {
            provider.set_fault(fault("metadata-500"));
        }
        let servers = together(3, move |caller| {
            let polls = if caller == 0 { below(6) } else { usize::MAX };
            block_on(leaving(polls, client.server()))
        });
        assert!(servers.into_iter().flatten().all(|server| server.is_ok()));
        let requests = provider.count(Place::Metadata) - 1;
        assert!(
            if fails { requests <= 4 } else { requests == 1 },
            "one tries, as often as one does: {requests}"
        );
    });
}
