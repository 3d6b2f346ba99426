//! NAMESPACE (RFC 9051 §7.3.3, RFC 2342 §5) and ID (RFC 2971 §3.2).

use super::cursor::Cursor;
use crate::client::mailbox::ReceivedMailbox;
use crate::client::response::{Namespaces, ReceivedNamespace};
use crate::command::IdPairs;

impl Cursor<'_> {
    /// `namespace-response = "NAMESPACE" SP namespace SP namespace SP namespace`; those that are missing are empty.
    pub(super) fn namespaces(&mut self) -> Option<Namespaces> {
        let mut namespaces = Namespaces::default();
        for kind in [&mut namespaces.personal, &mut namespaces.other_users, &mut namespaces.shared] {
            self.spaces();
            if !self.at_end() && !self.nil() {
                *kind = self.list(Self::namespace)?;
            }
        }
        Some(namespaces)
    }

    /// `namespace-descr = "(" string SP (DQUOTE QUOTED-CHAR DQUOTE / nil) [namespace-response-extensions] ")"`
    fn namespace(&mut self) -> Option<ReceivedNamespace> {
        self.expect(b'(')?;
        self.spaces();
        let prefix = if self.nil() { bytes::Bytes::new() } else { self.astring()? };
        self.spaces();
        let separator = self.separator()?;
        loop {
            self.spaces();
            if self.eat(b')') {
                return Some(ReceivedNamespace { prefix: ReceivedMailbox(prefix), separator });
            }
            self.value()?;
        }
    }

    /// `id-response = "ID" SP id-params-list`
    pub(super) fn id(&mut self) -> Option<Option<IdPairs>> {
        if self.nil() {
            return Some(None);
        }
        let pairs = self.list(|cursor| {
            let name = cursor.astring()?.to_vec();
            cursor.spaces();
            let value = if cursor.nil() { None } else { Some(cursor.astring()?.to_vec()) };
            Some((name, value))
        })?;
        Some(Some(pairs))
    }
}
