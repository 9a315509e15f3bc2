//! What becomes of an answer on its way: delays, pieces, and where it ends. The wire plays it.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_LENGTH};

use crate::message::{Answer, Post};

/// An answer and its fate, played in virtual time in this process or on a socket.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) fate: Fate,
    /// How long the head takes.
    pub(crate) delay: Duration,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Feed,
    /// The end of the body is told by the end of the connection alone (RFC 9112 §6.3).
    pub(crate) unframed: bool,
    /// Callbacks that somebody else sends to the client before the browser comes.
    pub(crate) forged: Vec<String>,
    /// What the page in the body has the browser post.
    pub(crate) post: Option<Post>,
}

/// How far the exchange gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// There is no connection, so that nothing of the request arrives.
    Refused,
    /// The connection closes after the request was read.
    Dropped,
    Answered,
}

/// A body in pieces.
#[derive(Clone, Debug)]
pub(crate) struct Feed {
    pub(crate) pieces: VecDeque<Bytes>,
    /// How long each piece takes.
    pub(crate) gap: Duration,
    pub(crate) end: End,
}

/// What comes after the last piece.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// Nothing: the body is whole, or as whole as it gets.
    Done,
    /// Nothing ever, on a connection that stays open.
    Stall,
    /// The connection breaks.
    Cut,
    /// This piece, for ever.
    Endless(Bytes),
}

impl From<Answer> for Script {
    fn from(answer: Answer) -> Self {
        let Answer { status, mut headers, body, post } = answer;
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        let pieces = if body.is_empty() { VecDeque::new() } else { VecDeque::from([body]) };
        Self {
            fate: Fate::Answered,
            delay: Duration::ZERO,
            status,
            headers,
            body: Feed { pieces, gap: Duration::ZERO, end: End::Done },
            unframed: false,
            forged: Vec::new(),
            post,
        }
    }
}
