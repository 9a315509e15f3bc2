//! What the provider saw, held against what must not be.

use std::{collections::BTreeMap, fmt, time::SystemTime};

use valetkey_testkit::Entry;

use crate::{
    campaign::Kind,
    child::{PROCESS, Word},
};

/// What came of a run.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// How many refresh tokens were used.
    pub(crate) generations: usize,
    /// How often, all in all.
    refreshes: usize,
    pub(crate) kills: usize,
    pub(crate) faults: usize,
    /// How often the user had to sign in again.
    lost: usize,
    calls: u64,
    pub(crate) left: u64,
    /// Calls that failed when no token was good.
    unavailable: u64,
}

impl Figures {
    pub(crate) const HEADING: &str = "| test | calls | left | generations | refreshes | kills | faults | lost | failed without a good token |\n\
                                      |---|---|---|---|---|---|---|---|---|";

    /// What the processes said.
    pub(crate) fn add(&mut self, words: &[Word]) -> Result<(), String> {
        for word in words {
            match word {
                Word::Did { calls, left, unavailable, unreachable } => {
                    self.calls += calls;
                    self.left += left;
                    self.unavailable += unavailable;
                    self.faults += *unreachable as usize;
                }
                Word::Failed(what) => return Err(format!("a call failed: {what}; {self:?}")),
                Word::Lost => {}
            }
        }
        if self.unavailable > 0 && self.faults == 0 {
            return Err(format!("calls failed, and the server did not: {self:?}"));
        }
        Ok(())
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { generations, refreshes, kills, faults, lost, calls, left, unavailable } = self;
        write!(
            f,
            "| {calls} | {left} | {generations} | {refreshes} | {kills} | {faults} | {lost} | {unavailable} |"
        )
    }
}

/// A use of a refresh token.
#[derive(Debug)]
struct Use {
    process: u64,
    /// `None` if the answer was dropped.
    status: Option<u16>,
}

/// Checks every use of a refresh token: it is the only one, unless whoever was before could not have got or kept the answer.
/// `signed_in` is how often the user did, and `generation` what the store says of how often the tokens were renewed.
pub(crate) fn judge(
    kind: Kind,
    entries: &[Entry],
    killed: &BTreeMap<u64, SystemTime>,
    signed_in: usize,
    generation: u64,
) -> Result<Figures, String> {
    let uses = uses(entries);
    let mut figures = Figures { kills: killed.len(), generations: uses.len(), ..Figures::default() };
    for uses in uses.values() {
        figures.refreshes += uses.len();
        for pair in uses.windows(2) {
            let [before, after] = pair else { continue };
            let was_killed = killed.contains_key(&before.process) && before.process != after.process;
            let got_no_tokens = matches!(before.status, None | Some(500 | 503));
            if !was_killed && !got_no_tokens {
                return Err(format!("a second refresh that nothing excuses: {uses:?}"));
            }
        }
        let may_have_acted = uses.iter().filter(|used| used.status != Some(503)).count();
        if may_have_acted > 2 && !kind.kills {
            return Err(format!("more than one ambiguous retry: {uses:?}"));
        }
        // Somebody was to have new tokens, and does not have them.
        let is_lost = uses.iter().any(|used| matches!(used.status, None | Some(200)));
        match uses.last().map(|used| used.status) {
            Some(Some(200)) => {}
            Some(Some(400)) if is_lost && !kind.grace => figures.lost += 1,
            _ => return Err(format!("it came to nothing: {uses:?}")),
        }
    }
    if signed_in != figures.lost + 1 {
        return Err(format!("signed in {signed_in} times: {figures:?}"));
    }
    // All that was got was kept, but for what is lost; each sign-in counts as a renewal of what was before.
    let kept = figures.generations - figures.lost;
    if generation != (kept + figures.lost) as u64 {
        return Err(format!("the store is at generation {generation}: {figures:?}"));
    }
    Ok(figures)
}

/// The uses of each refresh token, in their order.
fn uses(entries: &[Entry]) -> BTreeMap<&str, Vec<Use>> {
    let mut uses = BTreeMap::<_, Vec<_>>::new();
    for entry in entries {
        if let (Some("refresh_token"), Some(token)) =
            (entry.param("grant_type"), entry.param("refresh_token"))
        {
            let process = entry.headers()[PROCESS].to_str().ok().and_then(|text| text.parse().ok());
            let status = entry.status().map(|status| status.as_u16());
            uses.entry(token).or_default().push(Use { process: process.unwrap_or_default(), status });
        }
    }
    uses
}
