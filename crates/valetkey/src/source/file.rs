//! A token in a file.

use std::{fmt, fs, io, path::PathBuf};

use async_trait::async_trait;
use valetkey_proto::{
    Result,
    oauth2::grant::{TokenTypeIdentifier, TypedToken},
};

use super::{Reading, TokenSource, failed, on_thread, read_all, reading};
use crate::Runtime;

/// A file that somebody else keeps fresh: it is read anew for every exchange, on a thread of its own.
///
/// It is a regular file, or leads to one, of at most 64 KiB.
#[derive(Clone, Debug)]
pub struct File {
    path: PathBuf,
    reading: Reading,
}

/// Where Kubernetes puts the token of a pod's service account.
const KUBERNETES: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

reading!(File);

impl File {
    /// This file, whose token is a JWT.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), reading: Reading::plain(TokenTypeIdentifier::Jwt) }
    }

    /// The token of a pod's service account at Kubernetes, at its usual place. One that is projected for an audience of
    /// its own is wherever the pod's manifest says: [`new`](Self::new).
    #[must_use]
    pub fn kubernetes() -> Self {
        Self::new(KUBERNETES)
    }

    fn read(&self) -> Result<TypedToken> {
        let of_file = |error: io::Error| failed(self, &error.kind());
        // A pipe would have us wait for its other end, and a device would never end.
        if !fs::metadata(&self.path).map_err(of_file)?.is_file() {
            return Err(failed(self, &"not a regular file"));
        }
        let given = fs::File::open(&self.path).and_then(read_all).map_err(of_file)?;
        self.reading.token(self, &given)
    }
}

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file {:?}", self.path)
    }
}

#[async_trait]
impl TokenSource for File {
    async fn token(&self, _: &Runtime) -> Result<TypedToken> {
        let file = self.clone();
        on_thread(self, move || file.read()).await
    }
}
