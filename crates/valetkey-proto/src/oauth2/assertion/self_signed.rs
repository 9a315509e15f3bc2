//! A token that is made here: no server is asked.
//!
//! ```text
//!            Go                        Signed
//!   Ready ───────▶ Signing ─────────────────────────▶ the token, and Ready again
//!     ╰── the key is here: at once ──────────────────▶
//! ```

use std::fmt;

use super::Assertion;
use crate::{
    crypto::SigningKey,
    error::{Error, ErrorKind, Reason, Result},
    flow::{Env, Event, Flow, Signing, Step},
    jose::jws,
    oauth2::token::TokenSet,
    secret::AccessToken,
    time::Timestamp,
};

/// Makes an access token of an [`Assertion`], for APIs that take what a client has signed itself.
///
/// ```
/// use valetkey_proto::{
///     Env, Event, Flow, Step, Timestamp,
///     crypto::{CryptoProvider, SignatureAlgorithm, SigningKey, SystemRandom},
///     oauth2::assertion::{Assertion, SelfSigned},
/// };
///
/// let env = Env { now: Timestamp::from_secs(0), random: &SystemRandom::new(), crypto: &CryptoProvider::ring() };
/// let key = SigningKey::secret(SignatureAlgorithm::Hs256, b"0123456789abcdef0123456789abcdef", env.crypto)?;
/// let mut flow = SelfSigned::new(Assertion::new(key, "12345")?);
/// let Step::Done(tokens) = flow.step(Event::Go, &env)? else { unreachable!("the key is here") };
/// assert_eq!(tokens.expires_at(), Some(Timestamp::from_secs(300)));
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
pub struct SelfSigned {
    assertion: Assertion,
    signing: Option<(Signing, String, Timestamp)>,
}

impl SelfSigned {
    /// Makes tokens by this recipe.
    #[must_use]
    pub fn new(assertion: Assertion) -> Self {
        Self { assertion, signing: None }
    }

    fn done(&self, token: &str, issued: Timestamp) -> Result<Step<TokenSet>> {
        let unusable = || Error::new(ErrorKind::Config, Reason::SigningFailed);
        let token = AccessToken::bearer(token).ok_or_else(unusable)?;
        Ok(Step::Done(TokenSet::made_here(token, issued, self.assertion.lifetime)))
    }

    fn begin(&mut self, env: &Env<'_>) -> Result<Step<TokenSet>> {
        let (writer, claims) = (self.assertion.writer()?, self.assertion.claims(env)?);
        let issued = env.now - self.assertion.backdating;
        match writer.key() {
            SigningKey::Local(_) => self.done(&writer.sign(&claims)?, issued),
            SigningKey::Remote(key) => {
                let input = writer.input(&claims);
                let signing = Signing::new(key, input.as_bytes());
                self.signing = Some((signing.clone(), input, issued));
                Ok(Step::Sign(signing))
            }
        }
    }
}

impl Flow for SelfSigned {
    type Output = TokenSet;

    fn step(&mut self, event: Event, env: &Env<'_>) -> Result<Step<TokenSet>> {
        match (event, self.signing.take()) {
            (Event::Go, None) => self.begin(env),
            (Event::Go, Some(asked)) => {
                let step = Step::Sign(asked.0.clone());
                self.signing = Some(asked);
                Ok(step)
            }
            (Event::Signed(Ok(signature)), Some((_, mut token, issued))) => {
                jws::append(&mut token, &signature);
                self.done(&token, issued)
            }
            // The cause is the signer's, and may quote what it signs.
            (Event::Signed(Err(_)), Some(_)) => Err(Error::new(ErrorKind::Config, Reason::SigningFailed)),
            (Event::Signed(_) | Event::Response(_) | Event::Failure(_), asked) => {
                self.signing = asked;
                Err(Error::new(ErrorKind::Usage, Reason::OutOfTurn))
            }
        }
    }
}

impl fmt::Debug for SelfSigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SelfSigned").field("assertion", &self.assertion).finish_non_exhaustive()
    }
}
