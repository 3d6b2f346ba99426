//! LIST, basic and extended (RFC 9051 §6.3.9, RFC 5258, RFC 5819, RFC 6154).

use std::collections::{BTreeMap, BTreeSet};

use postrider_imap_proto::{
    command::{List, ListReturn},
    encode::{self, ListAttribute, ListResponse},
    list_pattern::Pattern,
};
use postrider_store::{AccountState, Mailbox, SEPARATOR, SpecialUse};

use crate::{
    answer::{Answer, Failure},
    session::{Session, Stream},
};

/// A name that LIST may tell of.
#[derive(Debug, Default)]
struct Name {
    /// It matches a pattern itself and the selection options.
    selected: bool,
    /// A name below it meets the selection options (RFC 5258 §3.5).
    child_info: bool,
    /// One of those matches no pattern, so that only this name can tell of it.
    tells_of_child: bool,
}

impl<S: Stream> Session<S> {
    pub(crate) async fn list(&mut self, list: List) -> Result<Answer, Failure> {
        // RFC 9051 §6.3.9: an empty pattern asks for the separator.
        if !list.extended && list.patterns.iter().all(Vec::is_empty) {
            let response = ListResponse {
                attributes: &[ListAttribute::NoSelect],
                separator: Some(SEPARATOR),
                name: "",
                child_info: &[],
                old_name: None,
            };
            let encoding = self.name_encoding();
            encode::encode_list(&mut self.out, &response, encoding);
            return Ok(Answer::ok("The separator"));
        }
        let patterns = self.patterns(&list)?;
        let state = self.account()?.state();
        if list
            .returns
            .status
            .as_ref()
            .is_some_and(|items| items.contains(&postrider_imap_proto::command::StatusItem::HighestModseq))
        {
            self.enable_condstore().await?;
        }
        for (name, found) in names(&state, &list, &patterns) {
            self.tell_name(&state, &name, &found, &list.returns, list.selection.subscribed || list.returns.subscribed);
            self.flush_if_large().await?;
        }
        Ok(Answer::ok("That is all"))
    }

    fn patterns(&self, list: &List) -> Result<Vec<Pattern>, Failure> {
        let decode = |raw: &[u8]| self.decode_name(raw).map_err(|error| Failure::bad(error.to_string()));
        let reference = decode(&list.reference)?;
        list.patterns.iter().map(|pattern| Ok(Pattern::new(&reference, &decode(pattern)?, SEPARATOR))).collect()
    }

    fn tell_name(&mut self, state: &AccountState, name: &str, found: &Name, returns: &ListReturn, subscribed: bool) {
        let mailbox = state.find(name);
        let mut attributes = match mailbox {
            Some(mailbox) => attributes_of(state, mailbox),
            None => {
                let children =
                    if state.has_children(name) { ListAttribute::HasChildren } else { ListAttribute::HasNoChildren };
                // \NonExistent implies \Noselect, but older clients know only the latter (RFC 5258 §4).
                vec![ListAttribute::NonExistent, ListAttribute::NoSelect, children]
            }
        };
        if subscribed && state.is_subscribed(name) {
            attributes.push(ListAttribute::Subscribed);
        }
        let child_info: &[&str] = if found.child_info { &["SUBSCRIBED"] } else { &[] };
        let response =
            ListResponse { attributes: &attributes, separator: Some(SEPARATOR), name, child_info, old_name: None };
        let encoding = self.name_encoding();
        encode::encode_list(&mut self.out, &response, encoding);
        // RFC 5819 §2 and §3: a name that cannot be selected has no STATUS, nor one that is here for its children.
        if let (Some(items), Some(mailbox), true) = (&returns.status, mailbox, found.selected) {
            self.encode_status_of(mailbox, items);
        }
    }
}

/// What LIST says of a mailbox that exists: children and special uses, always, as most clients use them unasked.
pub(crate) fn attributes_of(state: &AccountState, mailbox: &Mailbox) -> Vec<ListAttribute> {
    let children = match state.has_children(&mailbox.record.name) {
        true => ListAttribute::HasChildren,
        false => ListAttribute::HasNoChildren,
    };
    let uses = mailbox.record.special_use.iter().map(|kind| match kind {
        SpecialUse::Archive => ListAttribute::Archive,
        SpecialUse::Drafts => ListAttribute::Drafts,
        SpecialUse::Junk => ListAttribute::Junk,
        SpecialUse::Sent => ListAttribute::Sent,
        SpecialUse::Trash => ListAttribute::Trash,
    });
    std::iter::once(children).chain(uses).collect()
}

/// The names to tell of, INBOX first, then in order.
fn names(state: &AccountState, list: &List, patterns: &[Pattern]) -> Vec<(String, Name)> {
    let matches = |name: &str| patterns.iter().any(|pattern| pattern.matches(name));
    let selection = &list.selection;
    let mut found: BTreeMap<String, Name> = BTreeMap::new();
    let mut candidates: BTreeSet<&str> = state.mailboxes().map(|mailbox| mailbox.record.name.as_str()).collect();
    if selection.subscribed {
        candidates = state.subscriptions().collect();
    }
    let wanted = |name: &str| {
        !selection.special_use || state.find(name).is_some_and(|mailbox| !mailbox.record.special_use.is_empty())
    };
    for name in candidates.into_iter().filter(|name| wanted(name)) {
        let is_told = matches(name);
        if is_told {
            found.entry(name.to_owned()).or_default().selected = true;
        }
        for superior in superiors(name) {
            if !matches(superior) {
                continue;
            }
            if selection.recursive_match && selection.subscribed {
                let superior = found.entry(superior.to_owned()).or_default();
                superior.child_info = true;
                superior.tells_of_child |= !is_told;
            } else if !selection.subscribed && !selection.special_use && state.find(superior).is_none() {
                // A level without a mailbox of its own, seen because one lies below it (RFC 9051 §6.3.9).
                found.entry(superior.to_owned()).or_default().selected = true;
            }
        }
    }
    // RFC 5258 §3.5: a name that does not meet the options itself is superfluous where all its children are told of.
    found.retain(|_, name| name.selected || name.tells_of_child);
    let mut ordered: Vec<(String, Name)> = found.into_iter().collect();
    ordered.sort_by_key(|(name, _)| name != postrider_store::INBOX);
    ordered
}

/// The names above `name`.
pub(crate) fn superiors(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices(SEPARATOR).filter_map(move |(end, _)| name.get(..end))
}
