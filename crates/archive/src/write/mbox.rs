//! An mbox file in mboxrd form: every line that begins with `From `, with any number of `>` before it, gets one more.
//!
//! Lines end in LF, as everywhere on Unix. A message that would not come back from that as it was keeps its own.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

use postrider_message::field_value;

use super::{Outgoing, StateFields, Summary, Written, received_of, resume::Pieces};
use crate::{
    error::ArchiveError,
    folder_name::file_name,
    line_end::{LineEnds, to_unix},
    mbox::{AddedFields, append_quoted, header_of, write_from_line},
    model::Folder,
};

pub(super) struct MboxFile {
    pieces: Pieces,
    folder: Folder,
    fields: StateFields,
    is_first: bool,
}

/// `A.sbd/B.mbox` for the folder B in A.
pub(super) fn path_of(levels: &[String]) -> String {
    let mut path = String::new();
    for (at, level) in levels.iter().enumerate() {
        let end = if at + 1 == levels.len() { ".mbox" } else { ".sbd/" };
        path.push_str(&file_name(level));
        path.push_str(end);
    }
    path
}

impl MboxFile {
    pub fn open(path: &Path, folder: &Folder, fields: StateFields) -> Result<Self, ArchiveError> {
        let (there, end) = match File::open(path) {
            Ok(file) => messages_there(BufReader::new(file)).map_err(ArchiveError::io(path))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => (VecDeque::new(), 0),
            Err(error) => return Err(ArchiveError::io(path)(error)),
        };
        Ok(Self { pieces: Pieces::new(path, there, end), folder: folder.clone(), fields, is_first: true })
    }

    pub fn add(&mut self, message: &Outgoing<'_>, summary: &mut Summary) -> Result<Written, ArchiveError> {
        let mut piece = Vec::with_capacity(message.raw.len() + message.raw.len() / 16 + 512);
        let header = header_of(message.raw, 256 * 1024);
        let sender = field_value(header, b"return-path").unwrap_or_default();
        let sender = String::from_utf8_lossy(sender.trim_ascii());
        write_from_line(&mut piece, sender.trim_matches(['<', '>']), received_of(message));
        let unix = to_unix(message.raw);
        let line_end = if unix.is_some() { "\n" } else { "\r\n" };
        // A header that begins with a folded line would become part of what is put before it.
        let takes_fields =
            self.fields == StateFields::Write && !message.raw.starts_with(b" ") && !message.raw.starts_with(b"\t");
        if takes_fields {
            piece.extend_from_slice(&self.added_fields(message).encode(line_end));
        }
        self.is_first = false;
        let text = unix.as_deref().unwrap_or(message.raw);
        append_quoted(&mut piece, text);
        let is_ended = text.ends_with(b"\n") || text.is_empty();
        let is_kept = takes_fields || unix.is_some() || LineEnds::of(message.raw) == LineEnds::Wire;
        summary.inexact += u64::from(!(is_ended && is_kept));
        if !is_ended {
            piece.extend_from_slice(line_end.as_bytes());
        }
        piece.push(b'\n');
        self.pieces.put(&piece)
    }

    fn added_fields<'a>(&'a self, message: &Outgoing<'a>) -> AddedFields<'a> {
        let last = self.folder.uid_next.map_or(0, |next| next.saturating_sub(1));
        let base = self.folder.uid_validity.filter(|_| self.is_first);
        AddedFields {
            flags: message.flags,
            uid: message.uid,
            pop3_uidl: message.pop3_uidl,
            base: base.map(|validity| (validity, last, self.folder.keywords.as_slice())),
        }
    }

    pub fn finish(self) -> Result<(), ArchiveError> {
        self.pieces.finish()
    }
}

type There = (VecDeque<(blake3::Hash, u64)>, u64);

/// The messages of a file that we wrote: every From line begins one. The last one may be cut off, so it does not count.
fn messages_there(mut file: impl BufRead) -> io::Result<There> {
    let mut there = VecDeque::new();
    let (mut hasher, mut begin, mut at) = (blake3::Hasher::new(), 0_u64, 0_u64);
    let mut begins_line = true;
    loop {
        let buffer = file.fill_buf()?;
        // Looking at five bytes needs them; a piece of a line at the buffer's end is completed first.
        let line = match memchr::memchr(b'\n', buffer) {
            Some(end) => buffer.get(..=end).unwrap_or(buffer).to_vec(),
            None if buffer.is_empty() => return Ok((there, begin)),
            None => {
                let mut line = Vec::new();
                io::Read::take(&mut file, 64 * 1024).read_until(b'\n', &mut line)?;
                at += scan(&line, &mut begins_line, &mut hasher, &mut there, &mut begin, at);
                continue;
            }
        };
        file.consume(line.len());
        at += scan(&line, &mut begins_line, &mut hasher, &mut there, &mut begin, at);
    }
}

fn scan(
    line: &[u8],
    begins_line: &mut bool,
    hasher: &mut blake3::Hasher,
    there: &mut VecDeque<(blake3::Hash, u64)>,
    begin: &mut u64,
    at: u64,
) -> u64 {
    if *begins_line && line.starts_with(b"From ") && at > 0 {
        there.push_back((hasher.finalize(), *begin));
        hasher.reset();
        *begin = at;
    }
    hasher.update(line);
    *begins_line = line.ends_with(b"\n");
    u64::try_from(line.len()).unwrap_or(0)
}
