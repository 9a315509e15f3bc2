//! The header that signs a request by OAuth 1.0a, in valetkey, in oauth1-request, in reqwest-oauth1 and in oauth10a, and
//! the HMAC without which there is none.

#[path = "../../../goals/contender.rs"]
mod contender;
#[expect(dead_code, reason = "all is measured")]
#[path = "../../../goals/rounds.rs"]
mod rounds;
#[path = "../../../goals/signing.rs"]
mod signing;
#[path = "../../../goals/stopwatch.rs"]
mod stopwatch;

use contender::Contender;
use http::Method;
use oauth10a::signer::{HmacSha512, Signer};
use reqwest_012::Url;
use reqwest_oauth1::{OAuthClientProvider, Secrets};
use rounds::{Rounds, fastest};
use signing::{CLIENT, Case, TOKEN};

fn main() {
    signing::assert_alike();
    for case in signing::cases() {
        let mut contenders = [
            case.ours(),
            case.oauth1_request(),
            by_reqwest_oauth1("reqwest-oauth1, and its request", &case),
            by_oauth10a("oauth10a, of the query alone", &case),
            case.hmac(),
        ];
        let times = fastest(&Rounds::MEASURE, &mut contenders);
        for (contender, time) in contenders.iter().zip(times) {
            println!("{:<32} {time:>8.0} ns/op, {:>6.2} times valetkey's", contender.name, time / times[0]);
        }
    }
}

/// It shows what it signs as a request alone, so that making one is measured, too.
fn by_reqwest_oauth1(name: &'static str, case: &Case) -> Contender {
    let client = reqwest_012::Client::new();
    let secrets = Secrets::new(CLIENT.0, CLIENT.1).token(TOKEN.0, TOKEN.1);
    let case = case.clone();
    Contender::new(
        name,
        || (),
        move |()| {
            let client = client.clone().oauth1(secrets.clone());
            let request = match case.method {
                Method::GET => client.get(case.url).query(&case.parameters),
                _ => client.post(case.url).form(&case.parameters),
            };
            request.generate_signature().expect("a signature").build().expect("a request")
        },
    )
}

/// It knows HMAC-SHA512 alone, and no form.
fn by_oauth10a(name: &'static str, case: &Case) -> Contender {
    let url = Url::parse(&[case.url, "?", &case.encoded()].concat()).expect("a URL");
    let method = case.method.clone();
    Contender::new(
        name,
        || (),
        move |()| {
            let signer = Signer::<HmacSha512>::new(TOKEN.0, TOKEN.1, CLIENT.0, CLIENT.1).expect("a clock");
            signer.sign(&method, &url).expect("a signature")
        },
    )
}
