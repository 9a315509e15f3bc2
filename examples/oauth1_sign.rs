//! Signs a request of another HTTP client by OAuth 1.0a, and finds out why a server does not agree.

use std::error::Error;

use bytes::Bytes;
use valetkey::oauth1::{ClientCredentials, Signer, TokenCredentials};
use valetkey_proto::{crypto::CryptoProvider, oauth1};

fn main() -> Result<(), Box<dyn Error>> {
    let client = ClientCredentials::new("dpf43f3p2l4k3l03", "kd94hf93k423kf44")?;
    let token = TokenCredentials::new("nnch734d00sl2jdk", "pfkkdhi9sl3r4s00")?;
    let signer = oauth1::Signer::new(client).token(token);

    let request = http::Request::post("https://photos.example.net/upload?album=1")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from_static(b"title=a+day+at+the+sea"))?;
    let request = Signer::from(signer.clone()).sign(request)?;
    println!("authorization: {}", request.headers()["authorization"].to_str()?);

    // "Invalid signature": compare what was signed with what the server says that it computed.
    let explanation = signer.explain(&request, &CryptoProvider::ring())?;
    assert_eq!(explanation.is_right(), Some(true));
    println!("we signed {}", explanation.base_string());
    let theirs = explanation.base_string().replace("%2520day", "%252Bday");
    let difference = explanation.difference(&theirs).expect("they differ");
    println!("the server differs at byte {}, in {:?}", difference.at(), difference.part());
    Ok(())
}
