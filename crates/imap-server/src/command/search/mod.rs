//! SEARCH (RFC 9051 §6.4.4, RFC 3501 §6.4.4, RFC 4731, RFC 5032, RFC 5182, RFC 7162 §3.1.5, RFC 8474 §6, RFC 8514 §4).
//!
//! A search is a tree of tests ([`program`]). Each message is first put to those that the snapshot answers; where that
//! does not decide, its derived answers are read, then its header, and only then its body. So a search by flag never
//! touches the store, and `SUBJECT x UNSEEN` reads the headers of unseen messages alone.

mod program;

use std::ops::ControlFlow;

use postrider_imap_proto::{
    command::{Numbering, Search, SearchKey, SearchReturn},
    encode::{self, Code, EsearchResponse},
};
use postrider_message::{DerivedView, Structure, charset_to_utf8};
use postrider_store::{Account, BlobId, Entry, UidSet};

use self::program::{Known, Program, Setting};
use crate::{
    answer::{Answer, Failure},
    session::{Session, Stream},
};

/// Messages that are looked at with one call of the store.
const GROUP_ROWS: usize = 256;

/// Content that is looked at with one call of the store, in bytes.
const GROUP_BYTES: u64 = 4 * 1024 * 1024;

/// Charsets that BADCHARSET names; many more are understood.
const CHARSETS: [&str; 3] = ["US-ASCII", "UTF-8", "ISO-8859-1"];

/// A message that was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hit {
    pub(super) sequence: u32,
    pub(super) entry: Entry,
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
        let hits = match self.find(&search).await {
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
        let selected = self.selected()?;
        let charset = search.charset.as_deref().unwrap_or("UTF-8");
        let text = |bytes: &[u8]| decode_text(charset, bytes);
        // RFC 9051 §6.4.4: a charset that is not supported is refused even where no text is in it.
        text(b"")?;
        let setting = Setting { selected, now: self.service.store.now(), text: &text };
        let program = Program::new(&search.keys, &setting)?;
        let account = self.account()?;
        let known = selected.known.clone();
        let recent = |entry: &Entry| selected.is_recent(entry.uid);
        let mut hits = Vec::new();
        let mut open: Vec<Hit> = Vec::new();
        for (entry, sequence) in known.iter().zip(1..) {
            let hit = Hit { sequence, entry: *entry };
            match program.test(&Known::row(sequence, entry, recent(entry))) {
                Some(true) => hits.push(hit),
                Some(false) => {}
                None => open.push(hit),
            }
            if open.len() == GROUP_ROWS {
                look_closer(&account, &program, &recent, std::mem::take(&mut open), &mut hits).await?;
            }
        }
        look_closer(&account, &program, &recent, open, &mut hits).await?;
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

/// Reads more of messages until each is decided: derived answers, thread, header, body.
async fn look_closer(
    account: &Account,
    program: &Program,
    recent: &(impl Fn(&Entry) -> bool + Sync),
    open: Vec<Hit>,
    hits: &mut Vec<Hit>,
) -> Result<(), Failure> {
    if open.is_empty() {
        return Ok(());
    }
    let mut threads = Vec::new();
    if program.needs_threads() {
        let ids: Vec<_> = open.iter().map(|hit| hit.entry.email).collect();
        threads = account.emails(&ids).await?;
    }
    let mut derived: Vec<Option<Vec<u8>>> = vec![None; open.len()];
    let blobs: Vec<BlobId> = open.iter().map(|hit| hit.entry.blob).collect();
    account
        .derived(&blobs, &mut |position, bytes| {
            if let Some(slot) = derived.get_mut(position) {
                *slot = bytes.map(<[u8]>::to_vec);
            }
            ControlFlow::Continue(())
        })
        .await?;
    let mut candidates = Vec::new();
    for (position, hit) in open.into_iter().enumerate() {
        // A message that was expunged for good matches nothing.
        let Some(view) =
            derived.get(position).and_then(Option::as_deref).and_then(|bytes| DerivedView::parse(bytes).ok())
        else {
            continue;
        };
        let thread = threads.get(position).and_then(Option::as_ref).map(|email| email.thread);
        candidates.push(Candidate { hit, thread, header_bytes: view.header_bytes(), structure: None, view });
    }
    let ask = |candidate: &Candidate<'_>, header: Option<&[u8]>, raw: Option<(&[u8], &Structure)>| {
        let entry = &candidate.hit.entry;
        let known = Known::row(candidate.hit.sequence, entry, recent(entry));
        program.test(&known.with(&candidate.view, candidate.thread, header, raw))
    };
    let undecided = decide(candidates, hits, |candidate| ask(candidate, None, None));
    let undecided = read_and_decide(account, undecided, Candidate::header_piece, hits, |candidate, bytes| {
        ask(candidate, Some(bytes), None)
    })
    .await?;
    let undecided = read_and_decide(account, undecided, Candidate::whole_piece, hits, |candidate, bytes| {
        let header = bytes.get(..candidate.header_bytes as usize).unwrap_or(bytes);
        let structure = candidate.structure.as_ref()?;
        ask(candidate, Some(header), Some((bytes, structure)))
    })
    .await?;
    // With the whole message at hand nothing stays open but what vanished meanwhile.
    drop(undecided);
    tokio::task::yield_now().await;
    Ok(())
}

/// A message that the snapshot did not decide.
struct Candidate<'a> {
    hit: Hit,
    view: DerivedView<'a>,
    thread: Option<postrider_store::ThreadId>,
    header_bytes: u32,
    structure: Option<Structure>,
}

impl Candidate<'_> {
    fn header_piece(&mut self) -> (BlobId, u64, u64) {
        (self.hit.entry.blob, 0, self.header_bytes.into())
    }

    fn whole_piece(&mut self) -> (BlobId, u64, u64) {
        self.structure = self.view.structure().ok();
        (self.hit.entry.blob, 0, self.hit.entry.size.into())
    }
}

fn decide<'a>(
    candidates: Vec<Candidate<'a>>,
    hits: &mut Vec<Hit>,
    test: impl Fn(&Candidate<'a>) -> Option<bool>,
) -> Vec<Candidate<'a>> {
    let mut undecided = Vec::new();
    for candidate in candidates {
        match test(&candidate) {
            Some(true) => hits.push(candidate.hit),
            Some(false) => {}
            None => undecided.push(candidate),
        }
    }
    undecided
}

/// Reads a piece of every candidate, a bounded amount at a time, and tests it where it lies.
async fn read_and_decide<'a>(
    account: &Account,
    mut candidates: Vec<Candidate<'a>>,
    piece: fn(&mut Candidate<'a>) -> (BlobId, u64, u64),
    hits: &mut Vec<Hit>,
    test: impl Fn(&Candidate<'a>, &[u8]) -> Option<bool> + Sync,
) -> Result<Vec<Candidate<'a>>, Failure> {
    let mut undecided = Vec::new();
    while !candidates.is_empty() {
        let mut pieces = Vec::new();
        let mut bytes = 0;
        for candidate in &mut candidates {
            let next = piece(candidate);
            if !pieces.is_empty() && bytes + next.2 > GROUP_BYTES {
                break;
            }
            bytes += next.2;
            pieces.push(next);
        }
        let later = candidates.split_off(pieces.len());
        let mut answers: Vec<Option<bool>> = vec![Some(false); pieces.len()];
        account
            .pieces(&pieces, &mut |position, bytes| {
                if let (Some(answer), Some(candidate), Some(bytes)) =
                    (answers.get_mut(position), candidates.get(position), bytes)
                {
                    *answer = test(candidate, bytes);
                }
                ControlFlow::Continue(())
            })
            .await?;
        for (candidate, answer) in candidates.into_iter().zip(answers) {
            match answer {
                Some(true) => hits.push(candidate.hit),
                Some(false) => {}
                None => undecided.push(candidate),
            }
        }
        candidates = later;
        tokio::task::yield_now().await;
    }
    Ok(undecided)
}
