//! Response codes: what a program reads of a status response (RFC 9051 §7.1, RFC 5530, and the extensions').

use super::flags::encode_flag;
use super::status::encode_text;
use super::string::{Utf8Quoting, encode_astring};
use super::uid_set::encode_uid_set;
use super::{encode_number, encode_separated};
use crate::command::Flag;

/// Whether a client may set keywords that are not in use yet: `\*` among the permanent flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NewKeywords {
    /// It may.
    Allowed,
    /// It may not.
    Refused,
}

/// A response code. Sets of UIDs are inclusive ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Code {
    /// `ALERT`
    Alert,
    /// `ALREADYEXISTS`
    AlreadyExists,
    /// `APPENDUID` (RFC 4315)
    AppendUid {
        /// The mailbox's UIDVALIDITY.
        uid_validity: u32,
        /// The new messages.
        uids: Vec<(u32, u32)>,
    },
    /// `AUTHENTICATIONFAILED`
    AuthenticationFailed,
    /// `AUTHORIZATIONFAILED`
    AuthorizationFailed,
    /// `BADCHARSET`, with the charsets that are supported
    BadCharset(Vec<String>),
    /// `CANNOT`
    Cannot,
    /// `CAPABILITY`
    Capability(Vec<String>),
    /// `CLIENTBUG`
    ClientBug,
    /// `CLOSED` (RFC 7162)
    Closed,
    /// `CONTACTADMIN`
    ContactAdmin,
    /// `COPYUID` (RFC 4315)
    CopyUid {
        /// The target's UIDVALIDITY.
        uid_validity: u32,
        /// The messages copied, in the order of `target`.
        source: Vec<(u32, u32)>,
        /// The copies.
        target: Vec<(u32, u32)>,
    },
    /// `CORRUPTION`
    Corruption,
    /// `EXPIRED`
    Expired,
    /// `EXPUNGEISSUED`
    ExpungeIssued,
    /// `HASCHILDREN`
    HasChildren,
    /// `HIGHESTMODSEQ` (RFC 7162)
    HighestModseq(u64),
    /// `INUSE`
    InUse,
    /// `LIMIT`
    Limit,
    /// `MAILBOXID` (RFC 8474)
    MailboxId(String),
    /// `MODIFIED`, UIDs or sequence numbers (RFC 7162)
    Modified(Vec<(u32, u32)>),
    /// `NOMODSEQ` (RFC 7162)
    NoModseq,
    /// `NONEXISTENT`
    NonExistent,
    /// `NOPERM`
    NoPerm,
    /// `NOTSAVED` (RFC 5182)
    NotSaved,
    /// `OVERQUOTA`
    OverQuota,
    /// `PARSE`
    Parse,
    /// `PERMANENTFLAGS`
    PermanentFlags {
        /// The flags.
        flags: Vec<Flag>,
        /// Whether `\*` follows.
        new_keywords: NewKeywords,
    },
    /// `PRIVACYREQUIRED`
    PrivacyRequired,
    /// `READ-ONLY`
    ReadOnly,
    /// `READ-WRITE`
    ReadWrite,
    /// `SERVERBUG`
    ServerBug,
    /// `TOOBIG` (RFC 4469, RFC 7888)
    TooBig,
    /// `TRYCREATE`
    TryCreate,
    /// `UIDNEXT`
    UidNext(u32),
    /// `UIDNOTSTICKY`
    UidNotSticky,
    /// `UIDVALIDITY`
    UidValidity(u32),
    /// `UNAVAILABLE`
    Unavailable,
    /// `UNKNOWN-CTE` (RFC 3516)
    UnknownCte,
    /// `UNSEEN` (RFC 3501): the first unseen message's sequence number
    Unseen(u32),
    /// `USEATTR` (RFC 6154)
    UseAttr,
}

impl Code {
    /// The code's word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Alert => "ALERT",
            Self::AlreadyExists => "ALREADYEXISTS",
            Self::AppendUid { .. } => "APPENDUID",
            Self::AuthenticationFailed => "AUTHENTICATIONFAILED",
            Self::AuthorizationFailed => "AUTHORIZATIONFAILED",
            Self::BadCharset(_) => "BADCHARSET",
            Self::Cannot => "CANNOT",
            Self::Capability(_) => "CAPABILITY",
            Self::ClientBug => "CLIENTBUG",
            Self::Closed => "CLOSED",
            Self::ContactAdmin => "CONTACTADMIN",
            Self::CopyUid { .. } => "COPYUID",
            Self::Corruption => "CORRUPTION",
            Self::Expired => "EXPIRED",
            Self::ExpungeIssued => "EXPUNGEISSUED",
            Self::HasChildren => "HASCHILDREN",
            Self::HighestModseq(_) => "HIGHESTMODSEQ",
            Self::InUse => "INUSE",
            Self::Limit => "LIMIT",
            Self::MailboxId(_) => "MAILBOXID",
            Self::Modified(_) => "MODIFIED",
            Self::NoModseq => "NOMODSEQ",
            Self::NonExistent => "NONEXISTENT",
            Self::NoPerm => "NOPERM",
            Self::NotSaved => "NOTSAVED",
            Self::OverQuota => "OVERQUOTA",
            Self::Parse => "PARSE",
            Self::PermanentFlags { .. } => "PERMANENTFLAGS",
            Self::PrivacyRequired => "PRIVACYREQUIRED",
            Self::ReadOnly => "READ-ONLY",
            Self::ReadWrite => "READ-WRITE",
            Self::ServerBug => "SERVERBUG",
            Self::TooBig => "TOOBIG",
            Self::TryCreate => "TRYCREATE",
            Self::UidNext(_) => "UIDNEXT",
            Self::UidNotSticky => "UIDNOTSTICKY",
            Self::UidValidity(_) => "UIDVALIDITY",
            Self::Unavailable => "UNAVAILABLE",
            Self::UnknownCte => "UNKNOWN-CTE",
            Self::Unseen(_) => "UNSEEN",
            Self::UseAttr => "USEATTR",
        }
    }
}

/// Appends a code and its arguments, without the brackets.
pub fn encode_code(out: &mut Vec<u8>, code: &Code) {
    out.extend_from_slice(code.name().as_bytes());
    match code {
        Code::AppendUid { uid_validity, uids } => {
            encode_argument(out, *uid_validity);
            out.push(b' ');
            encode_uid_set(out, uids);
        }
        Code::CopyUid { uid_validity, source, target } => {
            encode_argument(out, *uid_validity);
            out.push(b' ');
            encode_uid_set(out, source);
            out.push(b' ');
            encode_uid_set(out, target);
        }
        Code::BadCharset(charsets) if !charsets.is_empty() => {
            out.extend_from_slice(b" (");
            encode_separated(out, charsets, |out, charset| {
                encode_astring(out, charset.as_bytes(), Utf8Quoting::LiteralOnly);
            });
            out.push(b')');
        }
        Code::Capability(capabilities) => {
            out.push(b' ');
            encode_separated(out, capabilities, |out, name| encode_text(out, name));
        }
        Code::MailboxId(id) => {
            out.extend_from_slice(b" (");
            encode_text(out, id);
            out.push(b')');
        }
        Code::Modified(set) => {
            out.push(b' ');
            encode_uid_set(out, set);
        }
        Code::PermanentFlags { flags, new_keywords } => encode_permanent_flags(out, flags, *new_keywords),
        Code::HighestModseq(modseq) => encode_argument(out, *modseq),
        Code::UidNext(number) | Code::UidValidity(number) | Code::Unseen(number) => encode_argument(out, *number),
        _ => {}
    }
}

fn encode_argument(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.push(b' ');
    encode_number(out, number);
}

fn encode_permanent_flags(out: &mut Vec<u8>, flags: &[Flag], new_keywords: NewKeywords) {
    out.extend_from_slice(b" (");
    encode_separated(out, flags, encode_flag);
    if new_keywords == NewKeywords::Allowed {
        out.extend_from_slice(if flags.is_empty() { b"\\*".as_slice() } else { b" \\*" });
    }
    out.push(b')');
}
