//! Signs a user in without tokio, on smol: as `sign_in`, with another backend.
//!
//! On async-std the backend is `SmolBackend::builder().runtime(Smol::spawning(…)).build()?` with a closure around
//! `async_std::task::spawn`, and what blocks is `async_std::task::block_on`.

use std::error::Error;

use valetkey_examples::sign_in;
use valetkey_smol::SmolBackend;

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(async { sign_in(SmolBackend::new()?).await })
}
