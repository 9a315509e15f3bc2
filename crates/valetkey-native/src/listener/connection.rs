//! One connection: a head comes in, an answer goes out, and it closes.

use std::{
    io::{self, Read, Write},
    net::Shutdown,
    time::Instant,
};

use mio::net::TcpStream;
use zeroize::Zeroizing;

use super::{
    page::{Page, moved_to},
    request::{Asked, Site, page_for},
};

/// The longest head that is read, in bytes.
const MAX_HEAD: usize = 8 << 10;

pub(super) struct Connection {
    stream: TcpStream,
    state: State,
    /// When it was accepted.
    pub(super) since: Instant,
}

enum State {
    /// The head comes in.
    Reading(Zeroizing<Vec<u8>>),
    /// The head is there, and says this.
    Asking(Asked),
    /// It brought a callback of which is not yet known whose it is.
    Judging { id: u64, page: Page },
    /// The answer goes out; if `is_last`, there is nothing more to do for the listener.
    Writing { answer: Vec<u8>, written: usize, is_last: bool },
    /// It can be closed; `is_last` as above.
    Over { is_last: bool },
}

impl Connection {
    pub(super) fn new(stream: TcpStream, since: Instant) -> Self {
        // At its full length from the start, so that no copy is left behind when it grows.
        Self { stream, state: State::Reading(Zeroizing::new(Vec::with_capacity(MAX_HEAD))), since }
    }

    /// Goes on as far as the socket allows. What was asked for has to be answered by
    /// [`answer`](Self::answer) or [`judge`](Self::judge).
    pub(super) fn advance(&mut self, site: &Site) {
        match &mut self.state {
            State::Reading(head) => {
                if let Some(state) = read(&mut self.stream, head, site) {
                    self.state = state;
                }
            }
            State::Writing { answer, written, is_last } => match write(&mut self.stream, answer, written) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => self.state = State::Over { is_last: *is_last && outcome.is_ok() },
            },
            State::Asking(_) | State::Judging { .. } | State::Over { .. } => {}
        }
    }

    /// What it asks for, once.
    pub(super) fn take_asked(&mut self) -> Option<Asked> {
        if !matches!(self.state, State::Asking(_)) {
            return None;
        }
        match std::mem::replace(&mut self.state, State::Over { is_last: false }) {
            State::Asking(asked) => Some(asked),
            _ => None,
        }
    }

    /// Answers with a page; with `is_last`, there is nothing more to do for the listener afterwards.
    pub(super) fn answer(&mut self, page: Page, is_last: bool) {
        self.say(page.answer(), is_last);
    }

    fn say(&mut self, answer: Vec<u8>, is_last: bool) {
        self.state = State::Writing { answer, written: 0, is_last };
    }

    /// Waits for a verdict on this callback.
    pub(super) fn judge(&mut self, id: u64, target: &str) {
        self.state = State::Judging { id, page: page_for(target) };
    }

    /// Takes a verdict that is on its callback: sends the browser on, or says that it is not ours. Returns the
    /// page that the browser is to see next.
    pub(super) fn settle(&mut self, id: u64, is_ours: bool, site: &Site) -> Option<Page> {
        let page = match &self.state {
            State::Judging { id: own, page } if *own == id => *page,
            _ => return None,
        };
        if is_ours {
            self.say(moved_to(&site.clean(page)), false);
        } else {
            self.answer(Page::Foreign, false);
        }
        Some(page)
    }

    /// Whether it only waits for the other side, which may take its time.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Reading(_) | State::Writing { .. })
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Over { .. })
    }

    /// Whether the listener's last page has gone out.
    pub(super) fn was_last(&self) -> bool {
        matches!(self.state, State::Over { is_last: true })
    }
}

/// Reads what there is; the next state, if there is enough.
fn read(stream: &mut TcpStream, head: &mut Zeroizing<Vec<u8>>, site: &Site) -> Option<State> {
    let mut piece = Zeroizing::new([0; 1024]);
    loop {
        let room = MAX_HEAD.saturating_sub(head.len()).min(piece.len());
        if room == 0 {
            return Some(State::Asking(Asked::Refused(Page::TooLarge)));
        }
        match stream.read(piece.get_mut(..room).unwrap_or_default()) {
            Ok(0) => return Some(State::Over { is_last: false }),
            Ok(length) => head.extend_from_slice(piece.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return Some(State::Over { is_last: false }),
        }
        if let Some(asked) = site.read(head) {
            return Some(State::Asking(asked));
        }
    }
}

fn write(stream: &mut TcpStream, answer: &[u8], written: &mut usize) -> io::Result<()> {
    while let Some(rest) = answer.get(*written..).filter(|rest| !rest.is_empty()) {
        match stream.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(length) => *written += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    stream.shutdown(Shutdown::Write)
}
