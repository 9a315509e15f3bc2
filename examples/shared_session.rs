//! Two processes, which could be on two machines, share one session through Redis: the tokens turn out to be no good, both
//! notice, one renews them, and the other takes over what it got.
//!
//! `REDIS_URL=redis://127.0.0.1/ cargo run --example shared_session`; for a Redis that is there for as long as that takes,
//! `tests/interop/up.sh --redis --no-servers -- cargo run --example shared_session`.

use std::{
    env,
    error::Error,
    process::{Command, Stdio},
};

use bytes::Bytes;
use valetkey::{
    Client, Sessions,
    seal::{SealingKey, SealingKeys},
    store::SealedStore,
};
use valetkey_hyper::HyperBackend;
use valetkey_store_redis::RedisStore;
use valetkey_testkit::{Place, Provider, User};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Ok(redis) = env::var("REDIS_URL").or_else(|_| env::var("VALETKEY_REDIS_URL")) else {
        eprintln!("This example needs a Redis. If you have one, say where: REDIS_URL=redis://127.0.0.1/");
        eprintln!(
            "To have one started: tests/interop/up.sh --redis --no-servers -- cargo run --example shared_session"
        );
        return Ok(());
    };
    // This program starts itself as the workers.
    match env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [worker, issuer] => work(worker, issuer, &redis).await,
        _ => share(&redis).await,
    }
}

/// A user signs in, and two workers use the session.
async fn share(redis: &str) -> Result<(), Box<dyn Error>> {
    let provider = Provider::builder().real_clock().user(User::approves("alice")).build();
    let _server = provider.serve().await?;
    let issuer = provider.issuer();
    let (client, sessions) = sessions(&issuer, redis).await?;
    let (url, pending) = client.authorize().scope("read").start().await?;
    let session = client.redeem(pending, provider.visit(&url)?).await?;
    sessions.save("alice", &session).await?;
    println!("alice has signed in; the session is in Redis");

    // The API will refuse the access token, so that everybody needs a new one, at the same time.
    provider.revoke_access_tokens();
    let before = provider.count(Place::Token);
    let mut workers = Vec::new();
    for name in ["first", "second"] {
        let mut command = Command::new(env::current_exe()?);
        let worker = command.args([name, &issuer]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        workers.push((name, worker));
    }
    for (name, worker) in workers {
        let output = worker.wait_with_output()?;
        print!("{}", String::from_utf8_lossy(&output.stdout));
        if !output.status.success() {
            return Err(format!("the {name} worker failed").into());
        }
    }
    let refreshes = provider.count(Place::Token) - before;
    sessions.log_out("alice").await?;
    if refreshes != 1 {
        return Err(format!("{refreshes} refreshes in place of one").into());
    }
    println!("two processes used the same grant, with one refresh");
    Ok(())
}

/// What each worker does: it knows nothing of the other.
async fn work(name: &str, issuer: &str, redis: &str) -> Result<(), Box<dyn Error>> {
    let (_, sessions) = sessions(issuer, redis).await?;
    let session = sessions.open("alice").await?.ok_or("alice is signed in")?;
    let response = session.send(http::Request::get(format!("{issuer}/api/me")).body(Bytes::new())?).await?;
    let user = valetkey_examples::user_name(&response);
    let renewals = session.record().map_or(0, |record| record.generation());
    println!("the {name} worker is process {}; it called the API as {user},", std::process::id());
    println!("  with tokens that were renewed {renewals} time(s) since the sign-in");
    Ok(session.close().await?)
}

/// The sessions of this provider, as every process has them.
async fn sessions(issuer: &str, redis: &str) -> Result<(Client, Sessions), Box<dyn Error>> {
    let client = Client::builder(HyperBackend::new()?)
        .discover(issuer)
        .id("app")
        .secret("app-secret")
        .redirect_uri("https://client.test/cb")
        .api(issuer)
        .build()
        .await?;
    // Redis sees nothing of the tokens. Programs of yours have the key from a KMS, or wherever all of them find it.
    let keys = SealingKeys::new(SealingKey::new([7; 32]));
    let store = SealedStore::new(RedisStore::open(redis)?.with_namespace("valetkey-example"), keys);
    let sessions = client.sessions(store);
    Ok((client, sessions))
}
