//! A provider, a store, and the parent's own way to both.

use std::{
    env,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use libtest_mimic::Failed;
use tokio::runtime::{Builder, Runtime};
use valetkey::{
    Reason, Result,
    oauth2::{
        client::ClientId,
        token::{
            TokenRecord,
            refresh::{Ended, Standing},
        },
    },
    store::{Store, StoreKey},
};
use valetkey_http::{Backend, block_on};
use valetkey_testkit::{Provider, Served};

use crate::{
    child::{Job, Kept, Orders},
    stores::Engine,
    watch::{PARENT, Trouble, Watch},
};

pub(crate) struct World {
    pub(crate) provider: Provider,
    _served: Served,
    /// What processes are told, but for their account and job.
    pub(crate) orders: Orders,
    own: Kept,
    /// As it is, without what goes wrong in the processes.
    pub(crate) store: Arc<dyn Store>,
    _runtime: Runtime,
}

/// How long an access token lives.
pub(crate) const LIFETIME: Duration = Duration::from_secs(1);

impl World {
    /// Where a server with or without a minute of grace gives tokens, and a store of this kind keeps them.
    pub(crate) fn begin(engine: Engine, grace: bool) -> Result<Self, Failed> {
        let grace = if grace { Duration::from_secs(60) } else { Duration::ZERO };
        let provider =
            Provider::builder().real_clock().access_token_lifetime(LIFETIME).rotation_grace(grace).build();
        let served = block_on(provider.serve())?;
        let port = served.address().port().to_string();
        let orders = Orders {
            store: engine.address(&port),
            issuer: provider.issuer(),
            account: String::new(),
            process: PARENT,
            job: Job::Renew { times: 0 },
            stop_at: None,
            troubles: env::temp_dir().join(format!("valetkey-sharing-{}-{port}-trouble", std::process::id())),
        };
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        // The parent has no troubles.
        let watch = Watch::new(&Orders { troubles: PathBuf::new(), ..orders.clone() });
        let (own, store) = runtime.block_on(async {
            orders.store.prepare().await?;
            let own = orders.keep(&watch, runtime.handle().clone()).await?;
            Ok::<_, valetkey::Error>((own, orders.store.open()?))
        })?;
        let world = Self { provider, _served: served, orders, own, store, _runtime: runtime };
        world.clear();
        Ok(world)
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.own.backend.now()
    }

    pub(crate) fn sleep(&self, time: Duration) {
        block_on(self.own.backend.sleep(time));
    }

    /// The user signs in, and all processes have the grant.
    pub(crate) fn sign_in(&self, account: &str) -> Result<(), Failed> {
        let (url, pending) = block_on(self.own.client.authorize().scope("read").start())?;
        let callback = self.provider.visit(&url)?;
        let session = block_on(self.own.client.redeem(pending, &callback))?;
        Ok(block_on(self.own.sessions.save(account, &session))?)
    }

    /// What the store has of an account.
    pub(crate) fn entry(&self, account: &str) -> Result<(TokenRecord, Standing), Failed> {
        let server = block_on(self.own.client.server())?;
        let key = StoreKey::grant(server.issuer(), &ClientId::parse("app")?, account);
        let stored = block_on(self.store.load(&key))?.ok_or("the store has lost the record")?;
        Ok(TokenRecord::parse_shared(stored.text.expose())?)
    }

    /// Whether the store says that the rotation of this account was lost.
    pub(crate) fn is_lost(&self, account: &str) -> Result<bool, Failed> {
        Ok(matches!(self.entry(account)?.1, Standing::Ended(Ended::RotationLost)))
    }

    /// Whether the store says that somebody asks the server.
    pub(crate) fn is_under_way(&self, account: &str) -> Result<bool, Failed> {
        Ok(matches!(self.entry(account)?.1, Standing::InFlight { .. }))
    }

    /// When all processes have ended: goes on with a grant, whatever they left. Says how often it was renewed, and whether the
    /// user had to sign in again.
    pub(crate) fn settle(&self, account: &str) -> Result<(u64, bool), Failed> {
        let renew = || {
            block_on(async {
                let session = self.own.sessions.open(account).await?.expect("somebody is signed in");
                session.refresh().await
            })
        };
        let signs_in = match renew() {
            Ok(_) => false,
            Err(error) if error.reason() == Reason::RotationLost && self.is_lost(account)? => {
                self.sign_in(account)?;
                renew()?;
                true
            }
            Err(error) => return Err(format!("nobody can go on: {error}").into()),
        };
        Ok((self.entry(account)?.0.generation(), signs_in))
    }

    /// Removes what is in the store of grants of this provider.
    fn clear(&self) {
        let cleared = block_on(async {
            let server = self.own.client.server().await?;
            let prefix = StoreKey::of(&["grant", server.issuer().as_str(), ""]);
            for key in self.store.list(prefix.as_str()).await? {
                self.store.take(&key).await?;
            }
            Ok::<(), valetkey::Error>(())
        });
        cleared.expect("the store of the parent is well");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        Trouble::end(&self.orders.troubles);
        self.clear();
        self.orders.store.remove();
    }
}
