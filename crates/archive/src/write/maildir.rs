//! Maildir++ as Dovecot keeps it: flags in file names, and beside `cur` the files `dovecot-uidlist` and `dovecot-keywords`, so
//! that UIDs and keywords survive.

use std::fmt::Write as _;

use super::{
    MessageNames, Outgoing, Summary, Written, received_of,
    sink::{Content, METADATA_DATE, Sink},
};
use crate::{
    error::ArchiveError,
    flag::Flag,
    folder_name::encode_level,
    line_end::{LineEnds, to_unix},
    maildir::LETTER_KEYWORDS_MAX,
    mbox::is_uidl,
    model::Folder,
};

pub(super) struct MaildirFolder {
    /// Empty for the inbox, else with a slash at its end.
    path: String,
    folder: Folder,
    names: MessageNames,
    keywords: Vec<String>,
    rows: Vec<(u32, String)>,
}

impl MaildirFolder {
    pub fn begin(sink: &mut Sink, levels: &[String], folder: &Folder) -> Result<Self, ArchiveError> {
        let path = directory_of(levels);
        make_directories(sink, &path)?;
        if !path.is_empty() {
            sink.put(&format!("{path}maildirfolder"), b"", METADATA_DATE, Content::Changing)?;
        }
        let keywords = folder.keywords.iter().take(LETTER_KEYWORDS_MAX).cloned().collect();
        Ok(Self { path, folder: folder.clone(), names: MessageNames::default(), keywords, rows: Vec::new() })
    }

    pub fn add(
        &mut self,
        sink: &mut Sink,
        message: &Outgoing<'_>,
        summary: &mut Summary,
    ) -> Result<Written, ArchiveError> {
        let unix = to_unix(message.raw);
        let is_kept = unix.is_some() || LineEnds::of(message.raw) == LineEnds::Wire;
        summary.inexact += u64::from(!is_kept);
        let file = unix.as_deref().unwrap_or(message.raw);
        let received = received_of(message);
        let wire_size = message.raw.len() + bare_line_feeds(message.raw, is_kept);
        let name = self.names.take(message, &blake3::hash(message.raw));
        let base = format!("{}.{name}.postrider,S={},W={wire_size}", received.max(0), file.len());
        let letters = self.letters(message.flags, summary);
        let path = format!("{}cur/{base}:2,{letters}", self.path);
        let written = sink.put(&path, file, received, Content::Immutable)?;
        if let Some(uid) = message.uid {
            let uidl = message.pop3_uidl.filter(|uidl| is_uidl(uidl));
            let uidl = uidl.map_or_else(String::new, |uidl| format!("P{uidl} "));
            self.rows.push((uid, format!("{uid} {uidl}:{base}\n")));
        }
        Ok(written)
    }

    fn letters(&mut self, flags: &[Flag], summary: &mut Summary) -> String {
        let mut letters = Vec::new();
        let mut lost = false;
        for flag in flags {
            match (flag.maildir_letter(), flag) {
                (Some(letter), _) => letters.push(letter),
                (None, Flag::Keyword(name)) => match self.keyword_letter(name) {
                    Some(letter) => letters.push(letter),
                    None => lost = true,
                },
                (None, _) => {}
            }
        }
        summary.keywords_lost += u64::from(lost);
        // Letters stand in ASCII order.
        letters.sort_unstable();
        letters.dedup();
        letters.into_iter().collect()
    }

    fn keyword_letter(&mut self, name: &str) -> Option<char> {
        let known = self.keywords.iter().position(|known| known.eq_ignore_ascii_case(name));
        let at = known.or_else(|| {
            (self.keywords.len() < LETTER_KEYWORDS_MAX).then(|| {
                self.keywords.push(name.to_owned());
                self.keywords.len() - 1
            })
        })?;
        Some(char::from(b'a' + u8::try_from(at).ok()?))
    }

    pub fn finish(mut self, sink: &mut Sink) -> Result<(), ArchiveError> {
        if !self.keywords.is_empty() {
            let mut text = String::new();
            for (at, name) in self.keywords.iter().enumerate() {
                // Writing to a string does not fail.
                let _ = writeln!(text, "{at} {name}");
            }
            sink.put(&format!("{}dovecot-keywords", self.path), text.as_bytes(), METADATA_DATE, Content::Changing)?;
        }
        let Some(validity) = self.folder.uid_validity else { return Ok(()) };
        self.rows.sort();
        let last = self.rows.last().map_or(0, |(uid, _)| *uid);
        let next = self.folder.uid_next.unwrap_or(1).max(last.saturating_add(1));
        let mut text = format!("3 V{validity} N{next}\n");
        self.rows.iter().for_each(|(_, row)| text.push_str(row));
        sink.put(&format!("{}dovecot-uidlist", self.path), text.as_bytes(), METADATA_DATE, Content::Changing).map(drop)
    }
}

/// How many bytes longer the message is when it is read: line feeds without carriage return that get one.
fn bare_line_feeds(raw: &[u8], is_kept: bool) -> usize {
    if is_kept {
        return 0;
    }
    memchr::memchr_iter(b'\n', raw)
        .filter(|at| at.checked_sub(1).and_then(|before| raw.get(before)) != Some(&b'\r'))
        .count()
}

/// `.A.B/` for the folder B in A.
fn directory_of(levels: &[String]) -> String {
    match levels {
        [inbox] if inbox == "INBOX" => String::new(),
        levels => {
            let levels: Vec<String> = levels.iter().map(|level| encode_level(level)).collect();
            format!(".{}/", levels.join("."))
        }
    }
}

/// Makes what every Maildir folder has.
pub(super) fn make_directories(sink: &mut Sink, path: &str) -> Result<(), ArchiveError> {
    ["cur", "new", "tmp"].iter().try_for_each(|part| sink.make_directory(&format!("{path}{part}")))
}

/// What belongs to all folders together.
pub(super) fn finish(sink: &mut Sink, subscribed: &[Vec<String>]) -> Result<(), ArchiveError> {
    if subscribed.is_empty() {
        return Ok(());
    }
    let mut text = "V\t2\n\n".to_owned();
    for levels in subscribed {
        let levels: Vec<String> = levels.iter().map(|level| encode_level(level)).collect();
        text.push_str(&levels.join("\t"));
        text.push('\n');
    }
    sink.put("subscriptions", text.as_bytes(), METADATA_DATE, Content::Changing).map(drop)
}
