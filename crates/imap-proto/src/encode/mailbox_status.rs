//! The untagged STATUS response: figures of a mailbox (RFC 9051 §7.3.4).

use super::{encode_number, encode_separated};
use crate::mailbox_name::{NameEncoding, encode_mailbox};

/// One figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusValue<'a> {
    /// `MESSAGES`
    Messages(u32),
    /// `RECENT` (RFC 3501)
    Recent(u32),
    /// `UIDNEXT`
    UidNext(u32),
    /// `UIDVALIDITY`
    UidValidity(u32),
    /// `UNSEEN`
    Unseen(u32),
    /// `DELETED`
    Deleted(u32),
    /// `SIZE` in octets (RFC 8438)
    Size(u64),
    /// `HIGHESTMODSEQ` (RFC 7162 §3.1.7)
    HighestModseq(u64),
    /// `APPENDLIMIT` in octets; `None` is `NIL`: no limit (RFC 7889 §4)
    AppendLimit(Option<u64>),
    /// `MAILBOXID` (RFC 8474 §4.3)
    MailboxId(&'a str),
}

/// Appends `* STATUS mailbox (…)`.
pub fn encode_mailbox_status(out: &mut Vec<u8>, mailbox: &str, encoding: NameEncoding, values: &[StatusValue<'_>]) {
    out.extend_from_slice(b"* STATUS ");
    encode_mailbox(out, mailbox, encoding);
    out.extend_from_slice(b" (");
    encode_separated(out, values, encode_value);
    out.extend_from_slice(b")\r\n");
}

fn encode_value(out: &mut Vec<u8>, value: &StatusValue<'_>) {
    let (name, number): (&str, u64) = match *value {
        StatusValue::Messages(count) => ("MESSAGES ", count.into()),
        StatusValue::Recent(count) => ("RECENT ", count.into()),
        StatusValue::UidNext(uid) => ("UIDNEXT ", uid.into()),
        StatusValue::UidValidity(number) => ("UIDVALIDITY ", number.into()),
        StatusValue::Unseen(count) => ("UNSEEN ", count.into()),
        StatusValue::Deleted(count) => ("DELETED ", count.into()),
        StatusValue::Size(octets) => ("SIZE ", octets),
        StatusValue::HighestModseq(modseq) => ("HIGHESTMODSEQ ", modseq),
        StatusValue::AppendLimit(Some(octets)) => ("APPENDLIMIT ", octets),
        StatusValue::AppendLimit(None) => return out.extend_from_slice(b"APPENDLIMIT NIL"),
        StatusValue::MailboxId(id) => {
            out.extend_from_slice(b"MAILBOXID (");
            out.extend_from_slice(id.as_bytes());
            return out.push(b')');
        }
    };
    out.extend_from_slice(name.as_bytes());
    encode_number(out, number);
}
