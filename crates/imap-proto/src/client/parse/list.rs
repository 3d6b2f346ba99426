//! LIST and LSUB (RFC 9051 §7.3.1, RFC 5258 §3.5).

use super::cursor::Cursor;
use crate::client::mailbox::ReceivedMailbox;
use crate::client::response::Listing;
use crate::encode::ListAttribute;

const ATTRIBUTES: [ListAttribute; 17] = [
    ListAttribute::NoInferiors,
    ListAttribute::NoSelect,
    ListAttribute::NonExistent,
    ListAttribute::HasChildren,
    ListAttribute::HasNoChildren,
    ListAttribute::Marked,
    ListAttribute::Unmarked,
    ListAttribute::Subscribed,
    ListAttribute::Remote,
    ListAttribute::All,
    ListAttribute::Archive,
    ListAttribute::Drafts,
    ListAttribute::Flagged,
    ListAttribute::Junk,
    ListAttribute::Sent,
    ListAttribute::Trash,
    ListAttribute::Important,
];

/// Words of XLIST for what RFC 6154 has other words for (Gmail before it).
const XLIST: [(&str, ListAttribute); 3] =
    [("\\AllMail", ListAttribute::All), ("\\Spam", ListAttribute::Junk), ("\\Starred", ListAttribute::Flagged)];

impl Cursor<'_> {
    /// `mailbox-list = "(" [mbx-list-flags] ")" SP (DQUOTE QUOTED-CHAR DQUOTE / nil) SP mailbox [SP mbox-list-extended]`
    pub(super) fn listing(&mut self) -> Option<Listing> {
        let attributes = if self.nil() { Vec::new() } else { self.list(Self::attribute)? };
        self.spaces();
        let separator = self.separator()?;
        self.spaces();
        let mailbox = self.mailbox_before_extensions()?;
        let mut listing = Listing { attributes, separator, mailbox, child_info: Vec::new(), old_name: None };
        self.spaces();
        if self.peek() == Some(b'(') {
            self.list(|cursor| cursor.extended_item(&mut listing));
        }
        Some(listing)
    }

    /// An attribute in any case of letters; a missing backslash is let pass.
    fn attribute(&mut self) -> Option<ListAttribute> {
        let word = match self.bare() {
            [] => return None,
            word => String::from_utf8_lossy(word).into_owned(),
        };
        let with_backslash = if word.starts_with('\\') { word } else { format!("\\{word}") };
        let known = ATTRIBUTES.iter().find(|known| known.as_str().eq_ignore_ascii_case(&with_backslash));
        let xlist =
            || XLIST.iter().find(|(name, _)| name.eq_ignore_ascii_case(&with_backslash)).map(|(_, known)| known);
        Some(known.or_else(xlist).cloned().unwrap_or(ListAttribute::Other(with_backslash)))
    }

    /// A character in quotes, or `NIL`. A backslash that is not escaped and a character without quotes are let
    /// pass. A separator of several characters cannot be used, and counts as none.
    pub(super) fn separator(&mut self) -> Option<Option<char>> {
        if self.nil() {
            return Some(None);
        }
        if matches!(self.rest(), [b'"', b'\\', b'"', b' ', ..]) {
            self.take(3)?;
            return Some(Some('\\'));
        }
        let text = self.text()?;
        let mut characters = text.chars();
        Some(characters.next().filter(|_| characters.next().is_none()))
    }

    /// A name that should be an astring. Exchange writes names with tabs and spaces without quotes, and GreenMail has not
    /// escaped quotes in names: where more follows than the grammar allows, the name is all up to the end.
    fn mailbox_before_extensions(&mut self) -> Option<ReceivedMailbox> {
        let start = self.position();
        if let Some(name) = self.astring() {
            let after = self.position();
            let has_space = matches!(self.peek(), None | Some(b' '));
            self.spaces();
            if has_space && (self.at_end() || self.peek() == Some(b'(') && self.rest().trim_ascii().ends_with(b")")) {
                self.set_position(after);
                return Some(ReceivedMailbox(name));
            }
        }
        self.set_position(start);
        let rest = self.take_rest();
        let trimmed = rest.strip_suffix(b" ").unwrap_or(&rest);
        let trimmed = trimmed.strip_prefix(b"\"").and_then(|name| name.strip_suffix(b"\"")).unwrap_or(trimmed);
        (!trimmed.is_empty()).then(|| ReceivedMailbox(rest.slice_ref(trimmed)))
    }

    /// `mbox-list-extended-item = mbox-list-extended-item-tag SP tagged-ext-val`
    fn extended_item(&mut self, listing: &mut Listing) -> Option<()> {
        let name = self.text()?;
        self.spaces();
        match name.to_ascii_uppercase().as_str() {
            "CHILDINFO" => listing.child_info = self.list(Self::text)?,
            "OLDNAME" => listing.old_name = self.list(Self::astring)?.pop().map(ReceivedMailbox),
            _ => drop(self.value()?),
        }
        Some(())
    }
}
