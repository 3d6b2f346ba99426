//! A closer look at messages that snapshot and digests do not decide: their derived answers, their header where that
//! is not among these, and last their text.
//!
//! Of the text only those stretches are read that are searched: where an attachment lies between two of them, there
//! are two reads. Large searches are done by several tasks, each of which holds little more than one batch; they end with the
//! session that waits for them.

use std::{
    ops::{ControlFlow, Range},
    sync::Arc,
};

use postrider_message::{DerivedView, IndexedHeader, SearchBuffers, SearchedPart};
use postrider_store::{Account, BlobId, StoreError, ThreadId};
use tokio::task::JoinSet;

use super::{
    Ends, Hit,
    program::{Answers, Program},
    question::Question,
    rows::GROUP_ROWS,
};
use crate::answer::Failure;

/// Up to so many messages are looked at where the session runs.
const INLINE_MESSAGES_MAX: usize = 32;

/// Content that is looked at with one call of the store, in bytes; others have their turn in between.
const BATCH_BYTES: u64 = 1024 * 1024;

/// Less than this between two stretches is read along with them, in bytes.
const GAP_BYTES_MAX: usize = 16 * 1024;

/// Which of `open` match, in no particular order.
///
/// With `ends` the search stops when the first and the last hit are known.
pub(super) async fn look_closer(
    account: &Arc<Account>,
    program: &Arc<Program>,
    open: Vec<Hit>,
    tasks_max: usize,
    ends: Ends,
) -> Result<Vec<Hit>, Failure> {
    let mut open = open;
    if open.len() <= INLINE_MESSAGES_MAX {
        return Ok(look(account, program, open).await?);
    }
    let Ends { first, last } = ends;
    if !(first || last) {
        return in_tasks(account, program, &open, tasks_max, |_| false).await;
    }
    let any = |found: &[Hit]| !found.is_empty();
    let mut found = Vec::new();
    if first {
        found = in_tasks(account, program, &open, tasks_max, any).await?;
        let Some(highest) = found.iter().map(|hit| hit.sequence).max() else { return Ok(found) };
        open.retain(|hit| hit.sequence > highest);
    }
    if last {
        open.reverse();
        found.extend(in_tasks(account, program, &open, tasks_max, any).await?);
    }
    Ok(found)
}

/// Looks at messages in their order, until `is_enough` of what was found.
async fn in_tasks(
    account: &Arc<Account>,
    program: &Arc<Program>,
    open: &[Hit],
    tasks_max: usize,
    is_enough: impl Fn(&[Hit]) -> bool,
) -> Result<Vec<Hit>, Failure> {
    // Dropping the set ends its tasks, wherever they are.
    let mut tasks = JoinSet::new();
    let mut found = Vec::new();
    let rows = open.len().div_ceil(tasks_max.max(1)).clamp(INLINE_MESSAGES_MAX, GROUP_ROWS);
    for group in open.chunks(rows) {
        while tasks.len() >= tasks_max.max(1) {
            join_next(&mut tasks, &mut found).await?;
        }
        if is_enough(&found) {
            break;
        }
        let (account, program, group) = (Arc::clone(account), Arc::clone(program), group.to_vec());
        tasks.spawn(async move { look(&account, &program, group).await });
    }
    while !tasks.is_empty() {
        join_next(&mut tasks, &mut found).await?;
    }
    Ok(found)
}

async fn join_next(tasks: &mut JoinSet<Result<Vec<Hit>, StoreError>>, found: &mut Vec<Hit>) -> Result<(), Failure> {
    match tasks.join_next().await {
        Some(Ok(hits)) => found.extend(hits?),
        Some(Err(_)) => return Err(Failure::no(postrider_imap_proto::encode::Code::ServerBug, "The search failed")),
        None => {}
    }
    Ok(())
}

/// A message that is not decided yet.
struct Candidate {
    hit: Hit,
    answers: Answers,
    header_bytes: u32,
    /// Where it is searched.
    parts: Vec<SearchedPart>,
    /// Whether it was decided, or expunged, before all was searched.
    end: Option<bool>,
}

/// What the derived answers of a message make of it.
enum Asked {
    Decided(bool),
    Open(Candidate),
}

/// Reads more of messages until each is decided.
async fn look(account: &Account, program: &Program, open: Vec<Hit>) -> Result<Vec<Hit>, StoreError> {
    let mut hits = Vec::new();
    let candidates = look_at_derived(account, program, open, &mut hits).await?;
    let candidates = look_at_headers(account, program, candidates, &mut hits).await?;
    look_at_text(account, program, candidates, &mut hits).await?;
    tokio::task::yield_now().await;
    Ok(hits)
}

/// Puts all questions to the derived answers.
async fn look_at_derived(
    account: &Account,
    program: &Program,
    open: Vec<Hit>,
    hits: &mut Vec<Hit>,
) -> Result<Vec<Candidate>, StoreError> {
    let mut threads = Vec::new();
    if program.needs_threads() {
        let ids: Vec<_> = open.iter().map(|hit| hit.entry.email).collect();
        threads = account.emails(&ids).await?;
    }
    let blobs: Vec<BlobId> = open.iter().map(|hit| hit.entry.blob).collect();
    let mut candidates = Vec::new();
    account
        .derived(&blobs, &mut |position, bytes| {
            // A message that was expunged for good matches nothing.
            let view = bytes.and_then(|bytes| DerivedView::parse(bytes).ok());
            if let (Some(hit), Some(view)) = (open.get(position), view) {
                let thread = threads.get(position).and_then(Option::as_ref).map(|email| email.thread);
                match ask_derived(program, *hit, &view, thread) {
                    Asked::Decided(true) => hits.push(*hit),
                    Asked::Decided(false) => {}
                    Asked::Open(candidate) => candidates.push(candidate),
                }
            }
            ControlFlow::Continue(())
        })
        .await?;
    Ok(candidates)
}

fn ask_derived(program: &Program, hit: Hit, view: &DerivedView<'_>, thread: Option<ThreadId>) -> Asked {
    let questions = program.questions().iter();
    let answers: Answers = questions.map(|question| question.in_view(view, &hit.entry, thread)).collect();
    if let Some(answer) = program.decide(hit.sequence, &hit.entry, &answers) {
        return Asked::Decided(answer);
    }
    let mut parts = Vec::new();
    if let Some(scope) = program.scope() {
        // Without a structure nothing can be found, nor can it be told that something is not there.
        let Ok(searched) = view.searched_parts() else { return Asked::Decided(false) };
        parts = searched;
        parts.retain(|part| part.is_in(scope));
    }
    Asked::Open(Candidate { hit, answers, header_bytes: view.header_bytes(), parts, end: None })
}

/// Reads the headers of messages of which a field is asked for that the derived answers do not have.
async fn look_at_headers(
    account: &Account,
    program: &Program,
    candidates: Vec<Candidate>,
    hits: &mut Vec<Hit>,
) -> Result<Vec<Candidate>, StoreError> {
    let is_open = |candidate: &Candidate| {
        let mut asked = program.questions().iter().zip(&candidate.answers);
        asked.any(|(question, answer)| matches!((question, answer), (Question::Header(_), None)))
    };
    let (mut waiting, mut left): (Vec<Candidate>, Vec<Candidate>) = candidates.into_iter().partition(is_open);
    let blobs: Vec<BlobId> = waiting.iter().map(|candidate| candidate.hit.entry.blob).collect();
    let mut long = Vec::new();
    account
        .headers(&blobs, &mut |position, bytes| {
            match bytes.and_then(|bytes| IndexedHeader::parse(bytes).ok().flatten()) {
                Some(header) => {
                    if let Some(candidate) = waiting.get_mut(position) {
                        candidate.ask_header(program, header.block());
                    }
                }
                // Too long to be kept, or gone: then there is no piece of it either.
                None => long.push(position),
            }
            ControlFlow::Continue(())
        })
        .await?;
    for position in long {
        let Some(candidate) = waiting.get_mut(position) else { continue };
        let header = (candidate.hit.entry.blob, 0, candidate.header_bytes.into());
        account
            .pieces(&[header], &mut |_, bytes| {
                if let Some(bytes) = bytes {
                    candidate.ask_header(program, bytes);
                }
                ControlFlow::Continue(())
            })
            .await?;
        tokio::task::yield_now().await;
    }
    for candidate in waiting {
        match candidate.decide(program) {
            Some(true) => hits.push(candidate.hit),
            Some(false) => {}
            None => left.push(candidate),
        }
    }
    Ok(left)
}

/// A stretch of a message that is read at once.
struct Piece {
    candidate: usize,
    range: Range<usize>,
    /// The candidate's parts that lie in it.
    parts: Range<usize>,
}

/// Searches the text, a bounded amount at a time.
async fn look_at_text(
    account: &Account,
    program: &Program,
    mut candidates: Vec<Candidate>,
    hits: &mut Vec<Hit>,
) -> Result<(), StoreError> {
    let mut buffers = SearchBuffers::default();
    let pieces: Vec<Piece> =
        candidates.iter().enumerate().flat_map(|(candidate, found)| pieces(candidate, &found.parts)).collect();
    let mut rest = pieces.as_slice();
    while !rest.is_empty() {
        let (batch, later) = rest.split_at_checked(batch_length(rest)).unwrap_or((rest, &[]));
        rest = later;
        let wanted = |piece: &Piece| {
            let blob = candidates.get(piece.candidate).map(|candidate| candidate.hit.entry.blob)?;
            Some((blob, piece.range.start as u64, piece.range.len() as u64))
        };
        let wanted: Vec<_> = batch.iter().filter_map(wanted).collect();
        account
            .pieces(&wanted, &mut |position, bytes| {
                if let Some(piece) = batch.get(position)
                    && let Some(candidate) = candidates.get_mut(piece.candidate)
                {
                    candidate.search(program, piece, bytes, &mut buffers);
                }
                ControlFlow::Continue(())
            })
            .await?;
        tokio::task::yield_now().await;
    }
    hits.extend(candidates.iter_mut().filter_map(|candidate| candidate.is_hit(program).then_some(candidate.hit)));
    Ok(())
}

/// How many of `pieces` are read with one call.
fn batch_length(pieces: &[Piece]) -> usize {
    let mut bytes = 0;
    let fits = |piece: &&Piece| {
        bytes += piece.range.len() as u64;
        bytes <= BATCH_BYTES
    };
    pieces.iter().take_while(fits).count().max(1)
}

/// What is read of a message to search these parts of it.
fn pieces(candidate: usize, parts: &[SearchedPart]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        match pieces.last_mut() {
            Some(last)
                if last.range.start <= part.range.start && part.range.start <= last.range.end + GAP_BYTES_MAX =>
            {
                last.range.end = last.range.end.max(part.range.end);
                last.parts.end = index + 1;
            }
            _ => pieces.push(Piece { candidate, range: part.range.clone(), parts: index..index + 1 }),
        }
    }
    pieces
}

impl Candidate {
    fn decide(&self, program: &Program) -> Option<bool> {
        program.decide(self.hit.sequence, &self.hit.entry, &self.answers)
    }

    /// Puts the questions about header fields to the header.
    fn ask_header(&mut self, program: &Program, header: &[u8]) {
        for (question, answer) in program.questions().iter().zip(&mut self.answers) {
            if let (Question::Header(question), None) = (question, &answer) {
                *answer = Some(question.in_header(header));
            }
        }
    }

    /// Searches the parts that lie in a piece, until the message is decided.
    fn search(&mut self, program: &Program, piece: &Piece, bytes: Option<&[u8]>, buffers: &mut SearchBuffers) {
        let Some(bytes) = bytes else {
            // Expunged meanwhile: it matches nothing.
            self.end = Some(false);
            return;
        };
        for index in piece.parts.clone() {
            let (None, Some(part)) = (self.end, self.parts.get(index)) else { return };
            let start = part.range.start - piece.range.start;
            let octets = bytes.get(start..start + part.range.len()).unwrap_or_default();
            for (number, question) in program.questions().iter().enumerate() {
                let Question::Text(scope, needle) = question else { continue };
                let Some(answer @ None) = self.answers.get_mut(number) else { continue };
                if part.is_in(*scope) && needle.matches_part(octets, part, buffers) {
                    *answer = Some(true);
                    self.end = program.decide(self.hit.sequence, &self.hit.entry, &self.answers);
                    if self.end.is_some() {
                        return;
                    }
                }
            }
        }
    }

    /// With all of the text searched: what was not found is not there.
    fn is_hit(&mut self, program: &Program) -> bool {
        for (question, answer) in program.questions().iter().zip(&mut self.answers) {
            if matches!(question, Question::Text(..)) {
                answer.get_or_insert(false);
            }
        }
        self.end.or_else(|| self.decide(program)) == Some(true)
    }
}
