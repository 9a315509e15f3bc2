//! A user signs in on a device without a browser, by a browser elsewhere. A terminal shows the address as a QR code, too.

use std::{
    error::Error,
    io::{IsTerminal, stdout},
    time::Duration,
};

use bytes::Bytes;
use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};
use valetkey::{Client, Reason};
use valetkey_hyper::HyperBackend;
use valetkey_testkit::{OpenId, Provider, User};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A provider of our own, whose user comes after the device has asked twice.
    let provider = Provider::builder().openid(OpenId::new()).real_clock();
    let provider = provider.device_interval(Duration::from_secs(1)).device_polls(2).build();
    let _server = provider.serve().await?;
    let issuer = provider.issuer();

    // A program that users install has no secret.
    let client =
        Client::builder(HyperBackend::new()?).discover(&issuer).id("native").api(&issuer).build().await?;

    let login = client.device().scope("openid read").start().await?;
    println!("go to {} and type {}", login.verification_uri(), login.user_code());
    // The same for a telephone, which then has the code already. Its user compares it with the one above (RFC 8628 §3.3.1).
    let has_picture = stdout().is_terminal() || std::env::args().any(|argument| argument == "--picture");
    if let Some(page) = login.verification_uri_complete().filter(|_| has_picture) {
        println!("or show this to a telephone:\n{}", picture(page)?);
    }
    let session = login.wait().await?;
    if let Some(user) = session.identity() {
        println!("signed in: {}", user.subject());
    }
    let response = session.send(http::Request::get(provider.api("me")).body(Bytes::new())?).await?;
    println!("the API answered {}", response.status());

    // The device is given away: nobody else uses its tokens.
    session.revoke().await?;

    provider.set_user(User::refuses());
    match client.device().scope("read").start().await?.wait().await {
        Err(error) if error.reason() == Reason::AuthorizationDenied => println!("the next user said no"),
        outcome => drop(outcome?),
    }
    Ok(())
}

/// A QR code for a terminal, two modules to a character. Black on white by colours that no theme changes: a code in the
/// terminal's own colours would be inverted on a dark one, which not every reader takes, and lose its margin.
fn picture(text: &str) -> Result<String, Box<dyn Error>> {
    const BLACK_ON_WHITE: &str = "\x1b[38;5;16;48;5;231m";
    const AS_BEFORE: &str = "\x1b[0m";
    // The screen is not scratched, and less redundancy is a smaller code.
    let code = QrCode::with_error_correction_level(text, EcLevel::L)?;
    let lines = code.render::<Dense1x2>().quiet_zone(true).build();
    Ok(lines.lines().map(|line| format!("{BLACK_ON_WHITE}{line}{AS_BEFORE}\n")).collect())
}
