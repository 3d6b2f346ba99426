//! The NAMESPACE response (RFC 9051 §7.3.3, RFC 2342 §5).

use super::list::encode_separator;
use crate::mailbox_name::{NameEncoding, encode_mailbox_string};

/// One namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Namespace<'a> {
    /// The names' common beginning, its separator included; empty for the ordinary personal namespace.
    pub prefix: &'a str,
    /// The hierarchy separator, `None` for a flat namespace.
    pub separator: Option<char>,
}

/// Appends `* NAMESPACE …`; no namespace of a kind is `NIL`.
pub fn encode_namespace(
    out: &mut Vec<u8>,
    personal: &[Namespace<'_>],
    other_users: &[Namespace<'_>],
    shared: &[Namespace<'_>],
    encoding: NameEncoding,
) {
    out.extend_from_slice(b"* NAMESPACE");
    for namespaces in [personal, other_users, shared] {
        out.push(b' ');
        encode_namespaces(out, namespaces, encoding);
    }
    out.extend_from_slice(b"\r\n");
}

fn encode_namespaces(out: &mut Vec<u8>, namespaces: &[Namespace<'_>], encoding: NameEncoding) {
    if namespaces.is_empty() {
        out.extend_from_slice(b"NIL");
        return;
    }
    out.push(b'(');
    for namespace in namespaces {
        out.push(b'(');
        encode_mailbox_string(out, namespace.prefix, encoding);
        out.push(b' ');
        encode_separator(out, namespace.separator);
        out.push(b')');
    }
    out.push(b')');
}
