//! The sign-in of `sign_in` in a program on smol. It differs in two words: the backend, and what blocks on it.
//!
//! On async-std the backend is `SmolBackend::builder().runtime(Smol::spawning(…)).build()?` with a closure around
//! `async_std::task::spawn`, and what blocks is `async_std::task::block_on`.

use std::process::ExitCode;

use valetkey_smol::SmolBackend;

#[path = "sign_in.rs"]
#[expect(dead_code, reason = "its `main` is tokio's")]
mod on_tokio;

fn main() -> ExitCode {
    on_tokio::tell(smol::block_on(async { on_tokio::sign_in(SmolBackend::new()?).await }))
}
