//! The data of a FETCH response.

use bytes::Bytes;

use crate::command::{DateTime, Flag, Section};

/// Data of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// The message's sequence number at the moment of the response.
    pub sequence_number: u32,
    /// What is told, in the order in which it came.
    pub items: Vec<FetchItem>,
    /// From here on the response could not be understood; what stands before is good.
    pub unparsed: Option<Bytes>,
}

/// One thing told of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchItem {
    /// `UID`
    Uid(u32),
    /// `FLAGS`
    Flags(Vec<Flag>),
    /// `INTERNALDATE`
    InternalDate(DateTime),
    /// `RFC822.SIZE`, in octets. It may be an estimate: Exchange counts exactly only if told to.
    Size(u64),
    /// `MODSEQ` (RFC 7162)
    ModSeq(u64),
    /// `EMAILID` (RFC 8474)
    EmailId(String),
    /// `THREADID`; `None` is `NIL`
    ThreadId(Option<String>),
    /// `SAVEDATE` (RFC 8514); `None` is `NIL`
    SaveDate(Option<DateTime>),
    /// `PREVIEW` (RFC 8970); `None` is `NIL`
    Preview(Option<Bytes>),
    /// `BINARY.SIZE[…]`
    BinarySize {
        /// The part's numbers.
        part: Vec<u32>,
        /// Octets, decoded.
        octets: u64,
    },
    /// `X-GM-LABELS`: labels as Gmail wrote them, in modified UTF-7; its own begin with `\`.
    GmailLabels(Vec<Bytes>),
    /// `X-GM-MSGID`
    GmailMessageId(u64),
    /// `X-GM-THRID`
    GmailThreadId(u64),
    /// `BODY[…]`, `BINARY[…]`, `RFC822` and its kin
    Content {
        /// Which.
        name: ContentName,
        /// The first octet, where a piece was asked for.
        origin: Option<u64>,
        /// The octets.
        content: Content,
    },
    /// Anything else that is no literal (`ENVELOPE`, `BODYSTRUCTURE`, …), and what has a known name but a value of another
    /// form.
    Other {
        /// The name in capitals, brackets and all.
        name: String,
        /// The value as it came.
        value: Bytes,
    },
}

/// What a content is a content of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContentName {
    /// `BODY[…]`
    Body(Section),
    /// `BINARY[…]` with the part's numbers
    Binary(Vec<u32>),
    /// `RFC822`
    Rfc822,
    /// `RFC822.HEADER`
    Rfc822Header,
    /// `RFC822.TEXT`
    Rfc822Text,
    /// Something else whose value is a literal: its name in capitals, brackets and all.
    Other(String),
}

/// The octets of a content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// `NIL`: there is no such part, or the message is gone.
    Nil,
    /// The octets; of a literal, a slice of the response.
    Inline(Bytes),
    /// They were handed out in pieces before.
    Streamed {
        /// How many there were.
        length: u64,
    },
}

/// What a FETCH told before a content that is handed out in pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartialFetch {
    /// The message and the items that stand before; others may follow behind the content, the UID among them.
    pub fetch: Fetch,
    /// The content that begins.
    pub name: ContentName,
    /// The content's first octet, where a piece was asked for.
    pub origin: Option<u64>,
    /// How many octets it has.
    pub length: u64,
}

impl Fetch {
    /// The UID, if it is told.
    pub fn uid(&self) -> Option<u32> {
        self.items.iter().find_map(|item| match item {
            FetchItem::Uid(uid) => Some(*uid),
            _ => None,
        })
    }

    /// The flags, if they are told.
    pub fn flags(&self) -> Option<&[Flag]> {
        self.items.iter().find_map(|item| match item {
            FetchItem::Flags(flags) => Some(flags.as_slice()),
            _ => None,
        })
    }

    /// INTERNALDATE, if it is told.
    pub fn internal_date(&self) -> Option<DateTime> {
        self.items.iter().find_map(|item| match item {
            FetchItem::InternalDate(date) => Some(*date),
            _ => None,
        })
    }

    /// RFC822.SIZE, if it is told.
    pub fn size(&self) -> Option<u64> {
        self.items.iter().find_map(|item| match item {
            FetchItem::Size(octets) => Some(*octets),
            _ => None,
        })
    }

    /// The mod-sequence, if it is told.
    pub fn modseq(&self) -> Option<u64> {
        self.items.iter().find_map(|item| match item {
            FetchItem::ModSeq(modseq) => Some(*modseq),
            _ => None,
        })
    }

    /// EMAILID, if it is told.
    pub fn email_id(&self) -> Option<&str> {
        self.items.iter().find_map(|item| match item {
            FetchItem::EmailId(id) => Some(id.as_str()),
            _ => None,
        })
    }

    /// The contents told, in the order in which they came.
    pub fn contents(&self) -> impl Iterator<Item = (&ContentName, Option<u64>, &Content)> {
        self.items.iter().filter_map(|item| match item {
            FetchItem::Content { name, origin, content } => Some((name, *origin, content)),
            _ => None,
        })
    }
}
