//! The user's side of a login: who sits at the browser, and what comes of it.

use std::{error::Error, fmt};

use http::StatusCode;

use crate::script::Script;

/// Who sits at the browser when a login is shown to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User(pub(crate) Mind);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mind {
    Approves(String),
    Refuses,
    Interactive,
}

impl User {
    /// A user who is signed in by this name and approves everything.
    #[must_use]
    pub fn approves(name: impl Into<String>) -> Self {
        Self(Mind::Approves(name.into()))
    }

    /// A user who refuses: the client is told `access_denied`.
    #[must_use]
    pub fn refuses() -> Self {
        Self(Mind::Refuses)
    }

    /// A human: the authorization endpoint shows a page with two buttons.
    #[must_use]
    pub fn interactive() -> Self {
        Self(Mind::Interactive)
    }
}

/// A visit that did not end at the client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VisitError {
    /// The URL is none that browsers open at the provider, or its answer came in another way.
    Elsewhere,
    /// The provider showed a page instead of sending the browser back: the request names no client that
    /// it knows, or a redirect URI that is not registered, or a human must decide.
    Page {
        /// The status of the page.
        status: StatusCode,
        /// The page itself.
        html: String,
    },
    /// A fault broke the connection.
    Unreachable,
}

impl VisitError {
    /// The page that this answer shows.
    pub(crate) fn page(script: &Script) -> Self {
        let page: Vec<u8> = script.body.pieces.iter().flatten().copied().collect();
        Self::Page { status: script.status, html: String::from_utf8_lossy(&page).into_owned() }
    }
}

impl fmt::Display for VisitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elsewhere => {
                f.write_str("the URL is none that browsers open here, or its answer came in another way")
            }
            Self::Page { status, html } => {
                let text = html.split_once("<main>").map_or(html.as_str(), |(_, main)| main);
                write!(f, "the provider showed a page ({}): ", status.as_u16())?;
                tags_removed(text).trim().fmt(f)
            }
            Self::Unreachable => f.write_str("the browser got no answer"),
        }
    }
}

impl Error for VisitError {}

/// The text of a page, for a message.
fn tags_removed(html: &str) -> String {
    let pieces = html.split('<').map(|piece| piece.split_once('>').map_or(piece, |(_, text)| text));
    pieces.collect::<Vec<_>>().join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}
