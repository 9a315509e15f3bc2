//! A proof for a request that somebody else sends.

use http::{HeaderValue, Method, Uri};
use valetkey_http::Request;

use super::{Dpop, dpop::DPOP};
use crate::{
    draft::Draft,
    error::{Error, ErrorKind, Reason, Result},
    flow::{Env, Event, Flow, Step},
    secret::AccessToken,
};

/// Writes one proof, the value of a `DPoP` field. With a key that is here it is done at the first step.
///
/// ```
/// use valetkey_proto::{
///     Env, Event, Flow, Step, Timestamp,
///     crypto::{CryptoProvider, SignatureAlgorithm, SystemRandom},
///     oauth2::binding::{Dpop, Proof},
///     secret::AccessToken,
/// };
///
/// let env = Env { now: Timestamp::from_secs(0), random: &SystemRandom::new(), crypto: &CryptoProvider::ring() };
/// let dpop = Dpop::generate(SignatureAlgorithm::Es256, env.crypto)?;
/// let token = AccessToken::dpop("Kz~8mXK1EalYznwH-LC-1fBAo").expect("visible ASCII");
/// let mut proof = Proof::new(&dpop, http::Method::GET, "https://api.example/me".parse().expect("a URI"), token);
/// let Step::Done(value) = proof.step(Event::Go, &env)? else { unreachable!("the key is here") };
/// # let _ = value;
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Debug)]
pub struct Proof {
    dpop: Dpop,
    method: Method,
    uri: Uri,
    token: AccessToken,
    signing: Option<Draft>,
}

impl Proof {
    /// A proof for a request that shows this token.
    #[must_use]
    pub fn new(dpop: &Dpop, method: Method, uri: Uri, token: AccessToken) -> Self {
        Self { dpop: dpop.clone(), method, uri, token, signing: None }
    }

    fn ask(&mut self, mut draft: Draft) -> Result<Step<HeaderValue>> {
        if let Some(signing) = draft.wants() {
            let step = Step::Sign(signing.clone());
            self.signing = Some(draft);
            return Ok(step);
        }
        draft.headers_mut().remove(DPOP).map(Step::Done).ok_or_else(out_of_turn)
    }
}

fn out_of_turn() -> Error {
    Error::new(ErrorKind::Usage, Reason::OutOfTurn)
}

impl Flow for Proof {
    type Output = HeaderValue;

    fn step(&mut self, event: Event, env: &Env<'_>) -> Result<Step<HeaderValue>> {
        match (event, self.signing.take()) {
            (Event::Go, Some(draft)) => self.ask(draft),
            (Event::Go, None) => {
                let mut request = Request::default();
                (*request.method_mut(), *request.uri_mut()) = (self.method.clone(), self.uri.clone());
                let mut draft = Draft::of(request);
                self.dpop.prove(&mut draft, Some(&self.token), env)?;
                self.ask(draft)
            }
            (Event::Signed(Ok(signature)), Some(mut draft)) => {
                draft.signed(&signature)?;
                self.ask(draft)
            }
            // The cause is the signer's, and may quote what it signs.
            (Event::Signed(Err(_)), Some(_)) => Err(Error::new(ErrorKind::Config, Reason::SigningFailed)),
            (_, signing) => {
                self.signing = signing;
                Err(out_of_turn())
            }
        }
    }
}
