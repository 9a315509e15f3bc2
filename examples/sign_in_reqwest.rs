//! Signs a user in over reqwest: as `sign_in`, with another backend.
//!
//! The function that makes a `ClientBuilder` is where a program's own settings go. What must hold for OAuth, no redirects
//! and nothing sent twice, is set by the backend whatever it says.

use std::error::Error;

use valetkey_examples::sign_in;
use valetkey_reqwest::ReqwestBackend;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings = || reqwest::Client::builder().user_agent("my-app/1.0");
    sign_in(ReqwestBackend::builder().client(settings).bundled_roots().build()?).await
}
