//! What a server can say, as values.
//!
//! Where a type of [`crate::encode`] or [`crate::command`] says the same thing it is used here, too, so that a server and
//! a client written with this crate mean the same by a word. Mailbox names stay raw octets beside their text, because
//! a name must go back to the server in the spelling in which it came.

use bytes::Bytes;

use super::capability::Capabilities;
use super::code::ResponseCode;
use super::fetch::Fetch;
use super::mailbox::ReceivedMailbox;
use crate::command::{Flag, IdPairs, Numbering};
use crate::encode::{ListAttribute, Status, Vanished};

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// `+ …`: the server waits for the rest of a command.
    Continuation(Continuation),
    /// `tag OK …`: a command has come to its end.
    Tagged {
        /// The command's tag.
        tag: String,
        /// How it ended.
        status: StatusResponse,
    },
    /// `* OK …` and its kin: the greeting, a warning, or a code of a command that is not at its end.
    Status(StatusResponse),
    /// `CAPABILITY`
    Capability(Capabilities),
    /// `ENABLED`: what has just been enabled, in capitals.
    Enabled(Vec<String>),
    /// `LIST`, and `XLIST`, which says the same (Gmail before RFC 6154).
    List(Listing),
    /// `LSUB`
    Lsub(Listing),
    /// `STATUS`: figures of a mailbox.
    MailboxStatus(MailboxStatus),
    /// `FLAGS`: flags in use in the mailbox.
    Flags(Vec<Flag>),
    /// `SEARCH`
    Search(Numbers),
    /// `SORT`: as SEARCH, in the order asked for.
    Sort(Numbers),
    /// `THREAD`: the members of all threads, each thread from its first message on, parents before their children.
    Thread(Vec<ThreadMember>),
    /// `ESEARCH`
    Esearch(Esearch),
    /// `EXISTS`: how many messages the mailbox holds.
    Exists(u32),
    /// `RECENT`
    Recent(u32),
    /// `EXPUNGE`: the message of this sequence number is gone.
    Expunge(u32),
    /// `VANISHED`: messages of these UIDs, as inclusive ranges, are gone; some may never have been there.
    Vanished {
        /// Whether sequence numbers shift.
        when: Vanished,
        /// The UIDs.
        uids: Vec<(u32, u32)>,
    },
    /// `FETCH`: data of one message.
    Fetch(Fetch),
    /// `NAMESPACE`
    Namespace(Namespaces),
    /// `ID`; `None` is `NIL`
    Id(Option<IdPairs>),
    /// Anything else, as it came: a response that is not known here (`QUOTA`, `ACL`, `METADATA`, …), one that
    /// cannot be understood, or a line that is no response at all. None of it is a reason to end the connection.
    Unrecognised(Bytes),
}

/// A command continuation request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Continuation {
    /// What follows `+` and the space.
    pub text: Bytes,
}

impl Continuation {
    /// The challenge, where the request stands in a SASL exchange; `None` where it is not base64.
    ///
    /// Spaces around it are let pass, and `+` alone is an empty challenge (seen of Exchange).
    pub fn challenge(&self) -> Option<Vec<u8>> {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.decode(self.text.trim_ascii()).ok()
    }
}

/// A status response without its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusResponse {
    /// The condition.
    pub status: Status,
    /// What a program reads.
    pub code: Option<ResponseCode>,
    /// What people read; octets that are not UTF-8 are replaced. May be empty.
    pub text: String,
}

/// How a server greets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Greeting {
    /// `OK`: the client may log in.
    Ok,
    /// `PREAUTH`: the client is logged in already. STARTTLS is not possible any more (RFC 9051 §11.1), so on a
    /// connection in the clear it may be an attack.
    PreAuth,
    /// `BYE`: the server does not want this connection.
    Bye,
}

impl Greeting {
    /// What a connection's first response says; `None` where it is no greeting.
    ///
    /// `NO` and `BAD`, which no greeting should be, count as `BYE`.
    pub fn of(response: &Response) -> Option<(Self, &StatusResponse)> {
        let Response::Status(status) = response else { return None };
        let greeting = match status.status {
            Status::Ok => Self::Ok,
            Status::PreAuth => Self::PreAuth,
            Status::Bye | Status::No | Status::Bad => Self::Bye,
        };
        Some((greeting, status))
    }
}

/// A mailbox, as LIST and LSUB tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Attributes, special uses among them.
    pub attributes: Vec<ListAttribute>,
    /// The hierarchy separator; `None` for a flat name.
    pub separator: Option<char>,
    /// The name.
    pub mailbox: ReceivedMailbox,
    /// `CHILDINFO`: selection options that children match, such as `SUBSCRIBED` (RFC 5258 §3.5).
    pub child_info: Vec<String>,
    /// `OLDNAME`: the name before it was renamed or made canonical (RFC 9051 §6.3.9.7).
    pub old_name: Option<ReceivedMailbox>,
}

impl Listing {
    /// Whether an attribute is among those told.
    pub fn has(&self, attribute: &ListAttribute) -> bool {
        self.attributes.contains(attribute)
    }

    /// Whether the mailbox can be selected, as far as the attributes tell.
    pub fn is_selectable(&self) -> bool {
        !self.has(&ListAttribute::NoSelect) && !self.has(&ListAttribute::NonExistent)
    }
}

/// Figures of a mailbox; what was not told, or not in a form that is understood, is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxStatus {
    /// The mailbox.
    pub mailbox: ReceivedMailbox,
    /// `MESSAGES`
    pub messages: Option<u32>,
    /// `RECENT`
    pub recent: Option<u32>,
    /// `UIDNEXT`
    pub uid_next: Option<u32>,
    /// `UIDVALIDITY`
    pub uid_validity: Option<u32>,
    /// `UNSEEN`
    pub unseen: Option<u32>,
    /// `DELETED`
    pub deleted: Option<u32>,
    /// `SIZE`, in octets
    pub size: Option<u64>,
    /// `HIGHESTMODSEQ`; 0 where the mailbox has no mod-sequences
    pub highest_modseq: Option<u64>,
    /// `APPENDLIMIT`, in octets; `Some(None)` is `NIL`: no limit.
    pub append_limit: Option<Option<u64>>,
    /// `MAILBOXID`
    pub mailbox_id: Option<String>,
}

impl MailboxStatus {
    /// Of which nothing was told yet.
    pub fn new(mailbox: ReceivedMailbox) -> Self {
        Self {
            mailbox,
            messages: None,
            recent: None,
            uid_next: None,
            uid_validity: None,
            unseen: None,
            deleted: None,
            size: None,
            highest_modseq: None,
            append_limit: None,
            mailbox_id: None,
        }
    }
}

/// What SEARCH and SORT found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Numbers {
    /// Sequence numbers or UIDs, as the command asked.
    pub numbers: Vec<u32>,
    /// `MODSEQ` (RFC 7162 §3.1.5)
    pub modseq: Option<u64>,
}

/// A message in its thread (RFC 5256 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadMember {
    /// How many messages are above it: 0 begins a thread. The parent is the nearest member before it with a depth of one
    /// less.
    pub depth: usize,
    /// Its sequence number or UID; `None` for a parent that the server does not have.
    pub number: Option<u32>,
}

/// What a search with result options found. A search that found nothing tells nothing but, perhaps, its `COUNT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Esearch {
    /// The tag of the command that is answered.
    pub tag: Option<String>,
    /// What the numbers are.
    pub numbering: Numbering,
    /// `MIN`
    pub min: Option<u32>,
    /// `MAX`
    pub max: Option<u32>,
    /// `ALL`, as inclusive ranges
    pub all: Option<Vec<(u32, u32)>>,
    /// `COUNT`
    pub count: Option<u32>,
    /// `MODSEQ`
    pub modseq: Option<u64>,
    /// Data of other extensions: names in capitals, and values as they came.
    pub others: Vec<(String, Bytes)>,
}

/// One namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedNamespace {
    /// The names' common beginning, its separator included.
    pub prefix: ReceivedMailbox,
    /// The hierarchy separator, `None` for a flat namespace.
    pub separator: Option<char>,
}

/// Where mailboxes lie (RFC 2342).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Namespaces {
    /// The user's own.
    pub personal: Vec<ReceivedNamespace>,
    /// Other users'.
    pub other_users: Vec<ReceivedNamespace>,
    /// Shared ones.
    pub shared: Vec<ReceivedNamespace>,
}
