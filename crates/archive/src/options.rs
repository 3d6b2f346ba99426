//! What a reader is told, and its bounds.

use crate::uidl::Pop3UidlFormat;

/// The forms in which mail is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Format {
    /// Whatever it is.
    #[default]
    Detect,
    /// Files of messages one after the other, or a tree of such files, Thunderbird's included.
    Mbox,
    /// Maildir, with subfolders as Maildir++ or the file system has them.
    Maildir,
    /// One message in each file: `.eml`, or MH's numbered files.
    Eml,
    /// Apple Mail's `.emlx`.
    Emlx,
    /// The tree of `.eml` files with metadata that this crate writes.
    Tree,
}

/// How an mbox file keeps its messages apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MboxVariant {
    /// Found out from the file's beginning.
    #[default]
    Detect,
    /// `From ` is quoted as `>From `; `>From ` is not quoted.
    Mboxo,
    /// `From `, `>From `, `>>From ` and so on get one more `>`.
    Mboxrd,
    /// As [`Self::Mboxrd`], and Content-Length says how long a body is.
    Mboxcl,
    /// Content-Length says how long a body is; nothing is quoted.
    Mboxcl2,
}

/// What happens to messages that Thunderbird has expunged but not yet cut out of its files, and other programs' notes to
/// themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Expunged {
    /// They are counted and told, but not handed out.
    #[default]
    PassOver,
    /// They are handed out, flagged as deleted.
    HandOut,
}

/// What a reader is told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadOptions {
    /// Which form; others are not looked for.
    pub format: Format,
    /// Which variant mbox files have.
    pub mbox_variant: MboxVariant,
    /// What to do with expunged messages.
    pub expunged: Expunged,
    /// How Dovecot's POP3 server made the unique-ids that it did not note in `dovecot-uidlist`; nothing: they stay unknown.
    pub pop3_uidl_format: Option<Pop3UidlFormat>,
    /// The bounds.
    pub limits: ReadLimits,
}

/// The bounds of reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadLimits {
    /// The largest message that is handed out, in bytes; a larger one is told of and passed over. A reader holds
    /// a few times as much at most.
    pub message_bytes_max: u64,
    /// How much of a message's header is searched for flags and dates, in bytes.
    pub header_bytes_max: usize,
    /// The largest metadata file (`dovecot-uidlist`, `folder.json` …), in bytes; also for all those together that a
    /// compressed tar holds.
    pub metadata_bytes_max: u64,
    /// How many files and folders there may be. Each takes about 100 bytes of memory.
    pub files_max: u64,
    /// How many folders may lie in one another.
    pub levels_max: usize,
    /// How many times larger than its compressed form a file may become, once it is beyond `expanded_bytes_free`.
    pub expansion_ratio_max: u64,
    /// How large compressed content may become whatever its ratio, in bytes.
    pub expanded_bytes_free: u64,
    /// How much memory a decoder of zstd or xz may ask for, in bytes.
    pub decoder_bytes_max: u64,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self {
            message_bytes_max: 256 * 1024 * 1024,
            header_bytes_max: 256 * 1024,
            metadata_bytes_max: 256 * 1024 * 1024,
            files_max: 5_000_000,
            levels_max: 64,
            expansion_ratio_max: 200,
            expanded_bytes_free: 256 * 1024 * 1024,
            decoder_bytes_max: 256 * 1024 * 1024,
        }
    }
}
