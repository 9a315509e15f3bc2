//! Documents that servers and resources publish about themselves, kept whole for what is asked for later.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{Error, ErrorKind, Reason, Result};

/// The text of a JSON object. Who makes one has read it.
#[derive(Clone, Default)]
pub(crate) struct Document(Bytes);

impl Document {
    pub(crate) fn new(text: &Bytes) -> Self {
        Self(text.clone())
    }

    pub(crate) fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.0).map_err(|_| Error::new(ErrorKind::Protocol, Reason::Malformed))
    }

    /// A member, read anew at every call; `None` if it is absent, `null` or of another type than `T`.
    pub(crate) fn member<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let document: Map<String, Value> = serde_json::from_slice(&self.0).ok()?;
        serde_json::from_value(document.get(name).filter(|value| !value.is_null())?.clone()).ok()
    }

    /// A URL, as it is there; `Malformed` if it is no text.
    pub(crate) fn url(&self, name: &'static str) -> Result<Option<String>> {
        let malformed = || Error::new(ErrorKind::Protocol, Reason::Malformed).with_detail(name);
        match self.member::<Value>(name) {
            Some(Value::String(url)) => Ok(Some(url)),
            Some(_) => Err(malformed()),
            None => Ok(None),
        }
    }

    /// The same with the members of another in place of its own.
    pub(crate) fn overlaid(&self, members: Map<String, Value>) -> Result<Self> {
        let malformed = |_| Error::new(ErrorKind::Protocol, Reason::Malformed);
        let mut document: Map<String, Value> = serde_json::from_slice(&self.0).map_err(malformed)?;
        document.extend(members);
        Ok(Self(serde_json::to_vec(&document).map_err(malformed)?.into()))
    }
}
