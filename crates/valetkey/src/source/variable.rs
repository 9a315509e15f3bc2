//! A token in the environment.

use std::{env, fmt};

use async_trait::async_trait;
use valetkey_proto::{
    Result,
    oauth2::grant::{TokenTypeIdentifier, TypedToken},
};
use zeroize::Zeroizing;

use super::{Reading, TokenSource, failed, reading};
use crate::Runtime;

/// A variable of the environment, such as one of the `id_tokens` of a job at GitLab.
///
/// # Security
///
/// Every program that this one starts sees it, too.
#[derive(Clone, Debug)]
pub struct Variable {
    name: String,
    reading: Reading,
}

reading!(Variable);

impl Variable {
    /// The variable of this name, whose token is a JWT.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), reading: Reading::plain(TokenTypeIdentifier::Jwt) }
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "variable {:?}", self.name)
    }
}

#[async_trait]
impl TokenSource for Variable {
    async fn token(&self, _: &Runtime) -> Result<TypedToken> {
        let text = env::var_os(&self.name).ok_or_else(|| failed(self, &"not set"))?;
        let given = Zeroizing::new(text.into_encoded_bytes());
        self.reading.token(self, &given)
    }
}
