//! What the provider saw, held against what must not be.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use valetkey_testkit::Entry;

use crate::{child::Word, watch::PROCESS};

/// What came of a run.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// How many refresh tokens were used.
    pub(crate) generations: usize,
    /// How often, all in all.
    refreshes: usize,
    /// Generations that a second one was got for, because the first answer was lost or not kept.
    pub(crate) not_kept: usize,
    pub(crate) kills: usize,
    pub(crate) faults: usize,
    /// How often the user had to sign in again.
    pub(crate) lost: usize,
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
                Word::Did { calls, left, unavailable, faults } => {
                    self.calls += calls;
                    self.left += left;
                    self.unavailable += unavailable;
                    self.faults += *faults as usize;
                }
                Word::Failed(what) => return Err(format!("a call failed: {what}; {self:?}")),
                Word::Lost | Word::Leases { .. } | Word::Renewed { .. } | Word::Stops(_) => {}
            }
        }
        if self.unavailable > 0 && self.faults == 0 {
            return Err(format!("calls failed, and nothing had gone wrong: {self:?}"));
        }
        Ok(())
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { generations, refreshes, kills, faults, lost, calls, left, unavailable, .. } = self;
        write!(
            f,
            "| {calls} | {left} | {generations} | {refreshes} | {kills} | {faults} | {lost} | {unavailable} |"
        )
    }
}

/// What is known of a run beside what the provider saw.
#[derive(Debug)]
pub(crate) struct Known<'a> {
    /// Whether a refresh token may be used again within a minute.
    pub(crate) grace: bool,
    /// The processes that were killed.
    pub(crate) killed: &'a BTreeSet<u64>,
    /// How many accounts there are.
    pub(crate) accounts: usize,
    /// How often their users signed in.
    pub(crate) signed_in: usize,
    /// What the store says of how often their tokens were renewed, all in all.
    pub(crate) generation: u64,
    /// Which process has said last that it has other tokens than those with this refresh token.
    pub(crate) renewed: &'a BTreeMap<String, u64>,
}

/// A use of a refresh token.
#[derive(Debug)]
struct Use {
    process: u64,
    /// `None` if the answer was dropped.
    status: Option<u16>,
}

/// Checks every use of a refresh token: it is the only one, unless whoever was before could not have got or kept the answer.
pub(crate) fn judge(known: &Known<'_>, entries: &[Entry]) -> Result<Figures, String> {
    let Known { grace, killed, accounts, signed_in, generation, renewed } = *known;
    let uses = uses(entries);
    let mut figures = Figures { kills: killed.len(), generations: uses.len(), ..Figures::default() };
    for (token, uses) in &uses {
        figures.refreshes += uses.len();
        for pair in uses.windows(2) {
            let [before, after] = pair else { continue };
            let was_killed = killed.contains(&before.process) && before.process != after.process;
            let got_no_tokens = matches!(before.status, None | Some(500 | 503));
            // Those who come later have higher numbers.
            let was_kept = renewed.get(*token).is_some_and(|process| *process < after.process);
            if was_kept || (!was_killed && !got_no_tokens) {
                return Err(format!("a second refresh that nothing excuses: {uses:?}"));
            }
        }
        let may_have_acted = uses.iter().filter(|used| used.status != Some(503)).count();
        if may_have_acted > 2 && killed.is_empty() {
            return Err(format!("more than one ambiguous retry: {uses:?}"));
        }
        // Somebody was to have new tokens, and does not have them.
        let is_lost = uses.iter().any(|used| matches!(used.status, None | Some(200)));
        match uses.last().map(|used| used.status) {
            Some(Some(200)) => {}
            Some(Some(400)) if is_lost && !grace => figures.lost += 1,
            _ => return Err(format!("it came to nothing: {uses:?}")),
        }
        let answered = uses.iter().rev().skip(1).any(|used| matches!(used.status, None | Some(200)));
        figures.not_kept += usize::from(answered);
    }
    if signed_in != figures.lost + accounts {
        return Err(format!("signed in {signed_in} times: {figures:?}"));
    }
    // All that was got was kept, but for what is lost; each sign-in after that counts as two renewals of what was before, of which
    // one may have been on its way.
    let kept = figures.generations - figures.lost;
    if generation != (kept + 2 * figures.lost) as u64 {
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
