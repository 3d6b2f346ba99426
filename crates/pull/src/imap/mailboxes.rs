//! Which mailboxes there are, and what they are called here.
//!
//! Pure but for the two commands that ask. A name is worked out from what the server tells of all mailboxes; once a
//! mailbox has been fetched its place here is remembered, and a rename here is followed by id.

use std::collections::BTreeSet;

use postrider_imap_proto::client::{Listing, ReceivedMailbox, ReceivedNamespace, Response};
use postrider_imap_proto::command::{CommandBody, List, ListReturn, ListSelection, RawMailbox};
use postrider_imap_proto::encode::ListAttribute;
use postrider_imap_proto::list_pattern::Pattern;
use postrider_imap_proto::mailbox_name::{NameEncoding, is_inbox};
use postrider_store::{INBOX, SEPARATOR, SpecialUse};
use tokio::io::{AsyncRead, AsyncWrite};
use unicode_normalization::UnicodeNormalization as _;

use super::connection::ImapConnection;
use super::error::ImapError;
use super::labels::Labels;
use super::options::{ImapPullOptions, Namespaces};

/// The longest name that is made here, in bytes: a little less than the store takes, so that a number fits behind it.
const NAME_BYTES_MAX: usize = 390;

/// The most levels of a name that is made here.
const LEVELS_MAX: usize = 32;

/// A mailbox there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RemoteMailbox {
    /// The name as the server spells it.
    pub(crate) raw: ReceivedMailbox,
    /// The name as text.
    pub(crate) name: String,
    /// The name that it is to have here.
    pub(crate) local: String,
    /// What it is for.
    pub(crate) special_use: Option<SpecialUse>,
}

/// All mailboxes there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Directory {
    /// Those that are to be fetched, INBOX first.
    pub(crate) mailboxes: Vec<RemoteMailbox>,
    /// The names of all that exist there, wanted or not.
    pub(crate) existing: BTreeSet<String>,
    /// Those of them that can hold no messages, but only other mailboxes.
    pub(crate) without_messages: BTreeSet<String>,
    /// Names of those that are passed over, and why.
    pub(crate) passed_over: Vec<(String, &'static str)>,
    /// Their names here.
    pub(crate) passed_over_local: BTreeSet<String>,
    /// What the user's own mailboxes but INBOX begin with.
    pub(crate) prefix: Option<String>,
    /// What stands between levels; `None` if there are no levels.
    pub(crate) separator: Option<char>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ImapConnection<S> {
    /// Asks for all mailboxes and works out their names here.
    pub(crate) async fn directory(&mut self, options: &ImapPullOptions) -> Result<Directory, ImapError> {
        let namespaces = self.namespaces().await?;
        let has_uses = self.capabilities.has("SPECIAL-USE") && self.capabilities.has("LIST-EXTENDED");
        let list = List {
            patterns: vec![b"*".to_vec()],
            returns: ListReturn { special_use: has_uses, ..ListReturn::default() },
            extended: has_uses,
            ..List::default()
        };
        let mut listings = Vec::new();
        self.command("LIST", CommandBody::List(list), |response| {
            if let Response::List(listing) = response {
                listings.push(listing);
            }
        })
        .await?;
        let names = self.dialect.names;
        let mut directory = Directory::of(&listings, &namespaces, names, options);
        self.labels = match self.capabilities.has("X-GM-EXT-1") {
            true => Labels::arrange(&mut directory, &listings, names, options),
            false => Labels::default(),
        };
        Ok(directory)
    }

    async fn namespaces(&mut self) -> Result<postrider_imap_proto::client::Namespaces, ImapError> {
        let mut found = postrider_imap_proto::client::Namespaces::default();
        if self.capabilities.has("NAMESPACE") {
            let asked = self
                .command("NAMESPACE", CommandBody::Namespace, |response| {
                    if let Response::Namespace(namespaces) = response {
                        found = namespaces;
                    }
                })
                .await;
            match asked {
                Err(error) if !error.is_of_one_command() => return Err(error),
                _ => {}
            }
        }
        Ok(found)
    }
}

/// The names to which the user is subscribed; `None` if the server does not say.
pub(crate) async fn subscriptions<S: AsyncRead + AsyncWrite + Unpin + Send>(
    connection: &mut ImapConnection<S>,
) -> Result<Option<BTreeSet<String>>, ImapError> {
    // IMAP4rev2 has no LSUB.
    let command = match connection.capabilities.has("LIST-EXTENDED") {
        true => CommandBody::List(List {
            selection: ListSelection { subscribed: true, ..ListSelection::default() },
            patterns: vec![b"*".to_vec()],
            extended: true,
            ..List::default()
        }),
        false => CommandBody::Lsub { reference: RawMailbox(Vec::new()), pattern: RawMailbox(b"*".to_vec()) },
    };
    let encoding = connection.dialect.names;
    let mut found = BTreeSet::new();
    let asked = connection
        .command("LSUB", command, |response| {
            if let Response::List(listing) | Response::Lsub(listing) = response
                && listing.is_selectable()
            {
                found.insert(canonical(listing.mailbox.name(encoding)));
            }
        })
        .await;
    match asked {
        Ok(_) => Ok(Some(found)),
        Err(error) if error.is_of_one_command() => Ok(None),
        Err(error) => Err(error),
    }
}

impl Directory {
    /// What is told, put in order.
    pub(crate) fn of(
        listings: &[Listing],
        namespaces: &postrider_imap_proto::client::Namespaces,
        encoding: NameEncoding,
        options: &ImapPullOptions,
    ) -> Self {
        let mut directory = Self::default();
        let prefix = personal_prefix(listings, namespaces, encoding);
        directory.prefix.clone_from(&prefix);
        directory.separator = match namespaces.personal.first() {
            Some(personal) => personal.separator,
            None => listings.iter().find_map(|listing| listing.separator),
        };
        let mut seen = BTreeSet::new();
        let mut listings: Vec<(String, &Listing)> = listings
            .iter()
            .map(|listing| (canonical(listing.mailbox.name(encoding)), listing))
            .filter(|(name, _)| !name.is_empty() && seen.insert(name.clone()))
            .collect();
        listings.sort_by(|(a, _), (b, _)| (a != INBOX, a).cmp(&(b != INBOX, b)));
        let mut taken = BTreeSet::new();
        let mut uses_taken = BTreeSet::new();
        for (name, listing) in listings {
            if listing.has(&ListAttribute::NonExistent) {
                continue;
            }
            directory.existing.insert(name.clone());
            if !listing.is_selectable() {
                directory.without_messages.insert(name);
                continue;
            }
            let special_use = special_use(listing).filter(|kind| name != INBOX && !uses_taken.contains(kind));
            let mut local = local_name(&name, listing.separator, prefix.as_deref());
            if let Some(reason) = passed_over(&name, &local, listing, namespaces, encoding, options) {
                directory.passed_over.push((name, reason));
                directory.passed_over_local.insert(local);
                continue;
            }
            uses_taken.extend(special_use);
            let plain = local.clone();
            let mut number = 2;
            while !taken.insert(local.clone()) {
                local = format!("{plain} ({number})");
                number += 1;
            }
            directory.mailboxes.push(RemoteMailbox { raw: listing.mailbox.clone(), name, local, special_use });
        }
        directory
    }

    /// The name there of a mailbox that is called `local` here: behind the prefix, with the server's separator.
    pub(crate) fn name_there(&self, local: &str) -> String {
        if local == INBOX {
            return INBOX.to_owned();
        }
        let name = match self.separator {
            Some(SEPARATOR) => local.to_owned(),
            // What stands between levels there cannot stand within one.
            Some(separator) => {
                let levels: Vec<String> = local.split(SEPARATOR).map(|level| level.replace(separator, "_")).collect();
                levels.join(&separator.to_string())
            }
            None => local.replace(SEPARATOR, "_"),
        };
        match &self.prefix {
            Some(prefix) => format!("{prefix}{name}"),
            None => name,
        }
    }
}

/// Whether a mailbox of this name here is wanted.
pub(crate) fn is_wanted(local: &str, options: &ImapPullOptions) -> bool {
    let matches = |patterns: &[String]| patterns.iter().any(|text| Pattern::new("", text, SEPARATOR).matches(local));
    (options.include.is_empty() || matches(&options.include)) && !matches(&options.exclude)
}

/// INBOX has one spelling (RFC 9051 §5.1).
pub(crate) fn canonical(name: String) -> String {
    if is_inbox(&name) { INBOX.to_owned() } else { name }
}

/// What all of the user's own mailboxes but INBOX begin with, if that is nothing but the server's habit: the first personal
/// namespace's prefix, as `INBOX.` of Courier and Cyrus. A server without NAMESPACE has one, too, if all names are below
/// INBOX.
fn personal_prefix(
    listings: &[Listing],
    namespaces: &postrider_imap_proto::client::Namespaces,
    encoding: NameEncoding,
) -> Option<String> {
    if let Some(personal) = namespaces.personal.first() {
        return Some(personal.prefix.name(encoding)).filter(|prefix| !prefix.is_empty());
    }
    let others: Vec<(String, Option<char>)> = listings
        .iter()
        .map(|listing| (canonical(listing.mailbox.name(encoding)), listing.separator))
        .filter(|(name, _)| name != INBOX)
        .collect();
    let separator = others.first()?.1?;
    let prefix = format!("{INBOX}{separator}");
    others.iter().all(|(name, _)| starts_with_prefix(name, &prefix)).then_some(prefix)
}

/// Whether a name lies below a prefix; INBOX has no letter case.
fn starts_with_prefix(name: &str, prefix: &str) -> bool {
    let Some(start) = name.get(..prefix.len()) else { return false };
    let starts_with_inbox = prefix.get(..INBOX.len()).is_some_and(is_inbox);
    name.len() > prefix.len() && if starts_with_inbox { start.eq_ignore_ascii_case(prefix) } else { start == prefix }
}

fn special_use(listing: &Listing) -> Option<SpecialUse> {
    let uses = [
        (ListAttribute::Archive, SpecialUse::Archive),
        (ListAttribute::Drafts, SpecialUse::Drafts),
        (ListAttribute::Junk, SpecialUse::Junk),
        (ListAttribute::Sent, SpecialUse::Sent),
        (ListAttribute::Trash, SpecialUse::Trash),
    ];
    uses.into_iter().find(|(attribute, _)| listing.has(attribute)).map(|(_, kind)| kind)
}

/// Why a mailbox is not fetched, if it is not.
fn passed_over(
    name: &str,
    local: &str,
    listing: &Listing,
    namespaces: &postrider_imap_proto::client::Namespaces,
    encoding: NameEncoding,
    options: &ImapPullOptions,
) -> Option<&'static str> {
    let lies_in = |spaces: &[ReceivedNamespace]| {
        spaces
            .iter()
            .map(|space| space.prefix.name(encoding))
            .any(|prefix| !prefix.is_empty() && name.starts_with(&prefix))
    };
    let is_virtual = [ListAttribute::All, ListAttribute::Flagged, ListAttribute::Important];
    if options.namespaces == Namespaces::Personal && (lies_in(&namespaces.other_users) || lies_in(&namespaces.shared)) {
        Some("it is another user's or shared")
    } else if !options.virtual_mailboxes && is_virtual.iter().any(|attribute| listing.has(attribute)) {
        Some("it only shows messages of other mailboxes")
    } else if !is_wanted(local, options) {
        Some("it is excluded")
    } else {
        None
    }
}

/// The name here: without the prefix, `/` between levels, each level made legal.
pub(crate) fn local_name(name: &str, separator: Option<char>, prefix: Option<&str>) -> String {
    if name == INBOX {
        return INBOX.to_owned();
    }
    let name = match prefix {
        Some(prefix) if starts_with_prefix(name, prefix) => name.get(prefix.len()..).unwrap_or(name),
        _ => name,
    };
    let mut levels: Vec<String> = match separator {
        Some(separator) => name.trim_end_matches(separator).split(separator).map(clean).collect(),
        None => vec![clean(name)],
    };
    if levels.len() > LEVELS_MAX {
        let rest = levels.split_off(LEVELS_MAX - 1).join("_");
        levels.push(rest);
    }
    if let Some(first) = levels.first_mut().filter(|first| is_inbox(first)) {
        INBOX.clone_into(first);
    }
    let mut local = levels.join("/");
    // `INBOX.INBOX` is not INBOX.
    if local == INBOX {
        local.push_str(" (2)");
    }
    let end = (0..=NAME_BYTES_MAX.min(local.len())).rev().find(|&end| local.is_char_boundary(end)).unwrap_or(0);
    local.truncate(end);
    local.truncate(local.trim_end_matches('/').len());
    local
}

/// A level's name: what cannot stand in one becomes `_`.
fn clean(level: &str) -> String {
    // Our server's clients name mailboxes in NFC (RFC 9051 §5.1).
    let cleaned: String = level
        .nfc()
        .map(|c| if c == SEPARATOR || c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { '_' } else { c })
        .collect();
    match cleaned.as_str() {
        "" | "." | ".." => "_".repeat(cleaned.len().max(1)),
        _ => cleaned,
    }
}

#[cfg(test)]
#[path = "tests/mailboxes.rs"]
mod tests;
