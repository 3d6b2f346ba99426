//! SEARCH (RFC 9051 §6.4.4, RFC 3501 §6.4.4, RFC 4731, RFC 5032, RFC 5182, RFC 7162 §3.1.5, RFC 8474 §6, RFC 8514 §4).
//!
//! A search is a tree of tests ([`program`]). Messages are put to it in groups ([`rows`]), first to those tests that the
//! snapshot answers; where these do not decide, to what is kept in memory of all messages; and only those that are
//! still undecided are looked at more closely ([`look`]): their derived answers are read, and only then their text. So a
//! search by flag never touches the store, and `TEXT x UNSEEN` reads unseen messages alone.

mod look;
mod program;
mod question;
mod rows;

use std::sync::Arc;

use postrider_imap_proto::{
    command::{Numbering, Search, SearchKey, SearchReturn},
    encode::{self, Code, EsearchResponse},
};
use postrider_message::charset_to_utf8;
use postrider_store::{Account, Entry, Snapshot, UidSet};

use self::{
    program::{Program, Setting},
    rows::{GROUP_ROWS, Group, Row},
};
use crate::{
    answer::{Answer, Failure},
    session::{Session, Stream},
};

/// Digests are made of a whole mailbox: they are used where at least one in so many of its messages is undecided.
const DIGESTED_SHARE: usize = 16;

/// Charsets that BADCHARSET names; many more are understood.
const CHARSETS: [&str; 3] = ["US-ASCII", "UTF-8", "ISO-8859-1"];

/// A message that was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hit {
    pub(super) sequence: u32,
    pub(super) entry: Entry,
}

/// Which hits are wanted where not all are.
#[derive(Debug, Clone, Copy, Default)]
struct Ends {
    first: bool,
    last: bool,
}

impl Ends {
    /// With these options nobody asks for what lies between the first and the last hit.
    fn of(returns: SearchReturn) -> Self {
        let SearchReturn { min, max, all, count, .. } = returns;
        if all || count { Self::default() } else { Self { first: min, last: max } }
    }
}

impl<S: Stream> Session<S> {
    pub(crate) async fn search(&mut self, tag: &str, search: Search) -> Result<Answer, Failure> {
        // RFC 9755 §3: with UTF8=ACCEPT everything is UTF-8 and a charset is an error.
        if search.charset.is_some() && self.enabled.utf8 {
            return Err(Failure::bad("With UTF8=ACCEPT a search has no CHARSET"));
        }
        let by_modseq = asks_for_modseq(&search.keys);
        if by_modseq {
            self.enable_condstore().await?;
        }
        let saves = search.returns.is_some_and(|returns| returns.save);
        let ends = search.returns.map_or(Ends::default(), Ends::of);
        let hits = match self.find_ends(&search, ends).await {
            Ok(hits) => hits,
            Err(failure) => {
                // RFC 5182 §2.1: a search that fails leaves an empty result behind.
                if let (true, Some(selected)) = (saves && matches!(failure, Failure::No(..)), &mut self.selected) {
                    selected.saved = UidSet::new();
                }
                return Err(failure);
            }
        };
        if let Some(returns) = search.returns.filter(|returns| returns.save) {
            self.save(&hits, returns);
        }
        self.tell(tag, &search, &hits, by_modseq);
        self.flush_if_large().await?;
        Ok(Answer::ok("Searched"))
    }

    /// The messages that match, in the order of the mailbox.
    pub(super) async fn find(&self, search: &Search) -> Result<Vec<Hit>, Failure> {
        self.find_ends(search, Ends::default()).await
    }

    /// The same; with `ends` there may be others between the first and the last hit.
    async fn find_ends(&self, search: &Search, ends: Ends) -> Result<Vec<Hit>, Failure> {
        let selected = self.selected()?;
        let charset = search.charset.as_deref().unwrap_or("UTF-8");
        let text = |bytes: &[u8]| decode_text(charset, bytes);
        // RFC 9051 §6.4.4: a charset that is not supported is refused even where no text is in it.
        text(b"")?;
        let setting = Setting { selected, now: self.service.store.now(), text: &text };
        let program = Arc::new(Program::new(&search.keys, &setting)?);
        let account = self.account()?;
        let known = selected.known.clone();
        let mut sifted = sift_snapshot(&program, &known);
        if program.is_digested() && sifted.open.len() * DIGESTED_SHARE >= known.len() as usize {
            sifted.sift_digests(&account, &program, &known).await?;
        }
        let Sifted { mut hits, mut open } = sifted;
        if let (true, Some(first), Some(last)) = (ends.first || ends.last, hits.first(), hits.last()) {
            open.retain(|hit| {
                (ends.first && hit.sequence < first.sequence) || (ends.last && hit.sequence > last.sequence)
            });
        }
        let tasks_max = self.service.options.search_tasks_max;
        hits.extend(look::look_closer(&account, &program, open, tasks_max, ends).await?);
        // Messages that needed a closer look came later than those that did not.
        hits.sort_unstable_by_key(|hit| hit.sequence);
        Ok(hits)
    }

    /// What `$` will stand for (RFC 5182 §2.1, RFC 9051 §6.4.4.1).
    fn save(&mut self, hits: &[Hit], returns: SearchReturn) {
        let Some(selected) = &mut self.selected else { return };
        let everything = returns.all || returns.count || !(returns.min || returns.max);
        let first = hits.first().filter(|_| returns.min);
        let last = hits.last().filter(|_| returns.max);
        selected.saved = match everything {
            true => hits.iter().map(|hit| hit.entry.uid).collect(),
            false => first.into_iter().chain(last).map(|hit| hit.entry.uid).collect(),
        };
    }

    fn tell(&mut self, tag: &str, search: &Search, hits: &[Hit], by_modseq: bool) {
        let number = |hit: &Hit| match search.numbering {
            Numbering::Sequence => hit.sequence,
            Numbering::Uid => hit.entry.uid.0,
        };
        let Some(returns) =
            search.returns.or(self.enabled.rev2.then_some(SearchReturn { all: true, ..SearchReturn::default() }))
        else {
            let modseq = hits.iter().map(|hit| hit.entry.modseq.0).max().filter(|_| by_modseq);
            return encode::encode_search(&mut self.out, hits.iter().map(number), modseq);
        };
        // RFC 5182 §2.2: SAVE alone is not answered.
        if returns.save && !(returns.min || returns.max || returns.all || returns.count) {
            return;
        }
        let all: UidSet = hits.iter().map(|hit| postrider_store::Uid(number(hit))).collect();
        let told = told_modseq(hits, returns).filter(|_| by_modseq);
        let response = EsearchResponse {
            tag: Some(tag),
            numbering: search.numbering,
            min: hits.first().map(number).filter(|_| returns.min),
            max: hits.last().map(number).filter(|_| returns.max),
            all: returns.all.then_some(all.ranges()),
            count: returns.count.then_some(hits.len() as u32),
            modseq: told,
        };
        encode::encode_esearch(&mut self.out, &response);
    }
}

/// The highest mod-sequence among the messages that are told of (RFC 7162 §3.1.5, §3.1.10).
fn told_modseq(hits: &[Hit], returns: SearchReturn) -> Option<u64> {
    let modseq = |hit: &Hit| hit.entry.modseq.0;
    if returns.all || returns.count {
        return hits.iter().map(modseq).max();
    }
    let first = hits.first().filter(|_| returns.min);
    let last = hits.last().filter(|_| returns.max);
    first.into_iter().chain(last).map(modseq).max()
}

fn decode_text(charset: &str, bytes: &[u8]) -> Result<String, Failure> {
    charset_to_utf8(charset, bytes).ok_or_else(|| {
        let charsets = CHARSETS.iter().map(|&name| name.to_owned()).collect();
        Failure::no(Code::BadCharset(charsets), "The text is not in this charset, or the charset is not known")
    })
}

pub(super) fn asks_for_modseq(keys: &[SearchKey]) -> bool {
    keys.iter().any(|key| match key {
        SearchKey::ModSeq(_) => true,
        SearchKey::And(keys) => asks_for_modseq(keys),
        SearchKey::Not(key) => asks_for_modseq(std::slice::from_ref(key)),
        SearchKey::Or(a, b) => asks_for_modseq(std::slice::from_ref(a)) || asks_for_modseq(std::slice::from_ref(b)),
        _ => false,
    })
}

/// Messages as far as they are told apart, in the order of the mailbox.
#[derive(Default)]
struct Sifted {
    hits: Vec<Hit>,
    open: Vec<Hit>,
}

/// Tests all messages by what the snapshot tells.
fn sift_snapshot(program: &Program, known: &Snapshot) -> Sifted {
    let mut sifted = Sifted::default();
    let mut rows: Vec<Row<'_>> = Vec::with_capacity(GROUP_ROWS);
    let mut entries = (1..).zip(known.iter());
    loop {
        rows.clear();
        rows.extend(entries.by_ref().take(GROUP_ROWS));
        if rows.is_empty() {
            return sifted;
        }
        sifted.sift(program, &Group { rows: &rows, digest: None });
    }
}

impl Sifted {
    fn sift(&mut self, program: &Program, group: &Group<'_>) {
        let verdict = program.test(group);
        let hit = |row: usize| {
            let (sequence, entry) = group.rows.get(row)?;
            Some(Hit { sequence: *sequence, entry: **entry })
        };
        self.hits.extend(verdict.yes.iter().filter_map(hit));
        self.open.extend(verdict.open.iter().filter_map(hit));
    }

    /// Tests those that are open by what is kept of them in memory.
    async fn sift_digests(&mut self, account: &Account, program: &Program, known: &Snapshot) -> Result<(), Failure> {
        let digests = account.search_digests(known).await?;
        let open = std::mem::take(&mut self.open);
        let mut rest = open.as_slice();
        let mut first = 1;
        for digest in &digests {
            let end = first + digest.len() as u32;
            let (here, later) = rest.split_at(rest.partition_point(|hit| hit.sequence < end));
            rest = later;
            for hits in here.chunks(GROUP_ROWS) {
                let rows: Vec<Row<'_>> = hits.iter().map(|hit| (hit.sequence, &hit.entry)).collect();
                self.sift(program, &Group { rows: &rows, digest: Some((digest, first)) });
            }
            first = end;
        }
        self.hits.sort_unstable_by_key(|hit| hit.sequence);
        Ok(())
    }
}
