//! The provider, as one of several machines sees it.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use valetkey::{Client, ClientBuilder, Sessions, store::Store};
use valetkey_http::{Backend, Failure, Limits, Request, Response, Task};
use valetkey_testkit::{Provider, block_on};

type Happening = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A machine whose clock may be off, and while whose requests something may happen elsewhere.
pub(crate) struct Machine {
    provider: Provider,
    /// How many seconds its clock is ahead.
    ahead: AtomicI64,
    meanwhile: Mutex<Option<Happening>>,
}

impl Machine {
    pub(crate) fn of(provider: &Provider) -> Arc<Self> {
        let (provider, ahead, meanwhile) = (provider.clone(), AtomicI64::new(0), Mutex::default());
        Arc::new(Self { provider, ahead, meanwhile })
    }

    /// Steps its clock to so many seconds ahead of the provider's.
    pub(crate) fn is_ahead(&self, seconds: i64) {
        self.ahead.store(seconds, Ordering::Relaxed);
    }

    /// Does this once, when the server has answered the next request for tokens and the answer is on its way.
    pub(crate) fn meanwhile(&self, happening: impl Future<Output = ()> + Send + 'static) {
        *self.meanwhile.lock().unwrap() = Some(Box::pin(happening));
    }

    pub(crate) fn builder(self: &Arc<Self>) -> ClientBuilder {
        let builder = Client::builder(Arc::clone(self)).random(self.provider.random());
        let builder = builder.discover(&self.provider.issuer()).id("app").secret("app-secret");
        builder.redirect_uri("https://client.test/cb").api(&self.provider.issuer())
    }

    /// The client `app` on this machine.
    pub(crate) fn client(self: &Arc<Self>) -> Client {
        block_on(self.builder().build()).expect("the provider is well")
    }

    pub(crate) fn sessions(self: &Arc<Self>, store: impl Store) -> Sessions {
        self.client().sessions(store)
    }
}

#[async_trait]
impl Backend for Machine {
    async fn send(&self, request: Request, limits: Limits) -> Result<Response, Failure> {
        let is_for_tokens = request.uri().path() == "/token";
        let outcome = self.provider.send(request, limits).await;
        let happening = self.meanwhile.lock().unwrap().take_if(|_| is_for_tokens);
        if let Some(happening) = happening {
            happening.await;
        }
        outcome
    }

    async fn sleep(&self, time: Duration) {
        self.provider.sleep(time).await;
    }

    fn now(&self) -> SystemTime {
        let seconds = self.ahead.load(Ordering::Relaxed);
        let jump = Duration::from_secs(seconds.unsigned_abs());
        if seconds < 0 { self.provider.now() - jump } else { self.provider.now() + jump }
    }

    fn spawn(&self, task: Task) -> Result<(), Task> {
        self.provider.spawn(task)
    }
}
