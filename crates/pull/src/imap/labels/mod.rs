//! Gmail's labels (`X-GM-EXT-1`, <https://developers.google.com/workspace/gmail/imap/imap-extensions>).
//!
//! Gmail shows a message once for each of its labels, and once more in All Mail. What is fetched is arranged so that each message
//! comes once: a mailbox leaves out those that a mailbox before it has, which their labels tell. With labels as mailboxes a
//! message stands here wherever it stands there but in All Mail, and comes over the wire once ([`KnownMessages`]). With
//! labels as keywords it stands in one mailbox, and its labels are its keywords.
//!
//! Gmail does not name a label in the mailbox of that label, so nothing here asks for the selected mailbox's own. And it
//! is not documented that a change of labels changes a message's mod-sequence: where labels matter, they are asked for anew each
//! time.

mod keyword;
mod known;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use postrider_imap_proto::client::command::GmailAttribute;
use postrider_imap_proto::client::{ClientCommand, Fetch, FetchItem, Listing, ReceivedMailbox};
use postrider_imap_proto::command::{CommandBody, Fetch as FetchCommand};
use postrider_imap_proto::encode::ListAttribute;
use postrider_imap_proto::mailbox_name::NameEncoding;
use postrider_store::{INBOX, SpecialUse};

use super::flags::FlagSet;
use super::mailboxes::{Directory, RemoteMailbox, canonical, is_wanted, local_name};
use super::options::{GmailLabels, ImapMode, ImapPullOptions};

pub(crate) use known::{KnownMessages, Location};

/// A label of a message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Label {
    /// One of Gmail's own, without the backslash, in small letters.
    System(String),
    /// One of the user's.
    User(String),
}

/// What is made of labels in one mailbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct View {
    /// Whether labels become keywords.
    has_keywords: bool,
    /// Messages with one of these come with another mailbox.
    left_out: BTreeSet<Label>,
}

/// What is made of labels on one connection.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    /// `None` where there are no labels, or nothing is to be made of them.
    choice: Option<GmailLabels>,
    names: Option<NameEncoding>,
    views: BTreeMap<String, View>,
    /// That of the selected mailbox.
    view: View,
    /// Messages of the selected mailbox that come with another one.
    left_out: BTreeSet<u32>,
    /// The name of All Mail, where it is fetched.
    all: Option<String>,
    /// `X-GM-MSGID` of messages of the selected mailbox, as far as they were told.
    ids: BTreeMap<u32, u64>,
}

impl Label {
    fn parse(raw: &Bytes, names: Option<NameEncoding>) -> Self {
        if let Some(own) = raw.strip_prefix(b"\\") {
            return Self::System(String::from_utf8_lossy(own).to_ascii_lowercase());
        }
        Self::User(ReceivedMailbox(raw.clone()).name(names.unwrap_or(NameEncoding::ModifiedUtf7)))
    }

    fn own(name: &str) -> Self {
        Self::System(name.to_owned())
    }
}

impl Labels {
    /// Whether anything is made of labels.
    pub(crate) fn is_active(&self) -> bool {
        self.choice.is_some()
    }

    /// Whether the selected mailbox's messages have to be asked for their labels.
    pub(crate) fn are_read(&self) -> bool {
        self.view.has_keywords || !self.view.left_out.is_empty()
    }

    /// How many messages of the selected mailbox come with another one, as far as they were told.
    pub(crate) fn left_out_count(&self) -> u64 {
        self.left_out.len() as u64
    }

    /// The mailbox that shows all mail, of which those messages are fetched that stand in no other.
    pub(crate) fn all_mail(&self) -> Option<&str> {
        self.all.as_deref()
    }

    /// A mailbox is being selected.
    pub(crate) fn select(&mut self, mailbox: &RemoteMailbox) {
        self.view = self.views.get(&mailbox.name).cloned().unwrap_or_default();
        self.left_out.clear();
        self.ids.clear();
    }

    /// A FETCH that asks for flags, and for labels where they matter.
    pub(crate) fn asking_flags(&self, fetch: FetchCommand) -> ClientCommand {
        match self.are_read() {
            true => ClientCommand::GmailFetch { fetch, attributes: vec![GmailAttribute::Labels] },
            false => ClientCommand::Plain(CommandBody::Fetch(fetch)),
        }
    }

    /// A FETCH that describes messages.
    pub(crate) fn asking_description(&self, fetch: FetchCommand) -> ClientCommand {
        let labels = self.are_read().then_some(GmailAttribute::Labels);
        let id = self.is_active().then_some(GmailAttribute::MessageId);
        let attributes: Vec<GmailAttribute> = labels.into_iter().chain(id).collect();
        match attributes.is_empty() {
            true => ClientCommand::Plain(CommandBody::Fetch(fetch)),
            false => ClientCommand::GmailFetch { fetch, attributes },
        }
    }

    /// The flags that a response tells, labels among them; `None` if it does not tell them whole, or the message comes with another
    /// mailbox.
    pub(crate) fn flags(&mut self, fetch: &Fetch) -> Option<FlagSet> {
        let (uid, told) = (fetch.uid()?, fetch.flags()?);
        let flags = FlagSet::from_wire(told);
        if let Some(id) = message_id(fetch).filter(|_| self.is_active()) {
            self.ids.insert(uid, id);
        }
        if !self.are_read() {
            return Some(flags);
        }
        let labels: Vec<Label> = labels(fetch)?.iter().map(|raw| Label::parse(raw, self.names)).collect();
        if labels.iter().any(|label| self.view.left_out.contains(label)) {
            self.left_out.insert(uid);
            return None;
        }
        self.left_out.remove(&uid);
        Some(match self.view.has_keywords {
            true => labels.iter().fold(flags, |flags, label| flags.union(&keyword::flags_of(label))),
            false => flags,
        })
    }

    /// Decides which mailboxes are fetched, and what of them. To be called where the server has labels.
    pub(crate) fn arrange(
        directory: &mut Directory,
        listings: &[Listing],
        names: NameEncoding,
        options: &ImapPullOptions,
    ) -> Self {
        // Both sides of a sync would have to agree where a message belongs; there, mailboxes are what IMAP shows.
        let choice = options.gmail_labels.filter(|_| options.mode != ImapMode::Sync && !options.virtual_mailboxes);
        let Some(choice) = choice else { return Self::default() };
        let mut labels = Self { names: Some(names), ..Self::default() };
        let all = listings.iter().find(|listing| listing.has(&ListAttribute::All) && listing.is_selectable());
        let Some(all) = all else {
            directory.passed_over.push((
                "All Mail".to_owned(),
                "Gmail does not show it by IMAP: messages without labels are missing, and labels come as mailboxes (Gmail's \
                 settings, Labels, Show in IMAP)",
            ));
            labels.choice = Some(GmailLabels::Mailboxes);
            return labels;
        };
        labels.choice = Some(choice);
        if choice == GmailLabels::Keywords {
            leave_label_mailboxes(directory);
        }
        let all = adopt(directory, all, names, options);
        labels.views = views(directory, choice, all.as_deref());
        labels.all = all;
        labels
    }
}

/// Mailboxes of the user's labels come with All Mail.
fn leave_label_mailboxes(directory: &mut Directory) {
    let mailboxes = std::mem::take(&mut directory.mailboxes);
    let (kept, left): (Vec<_>, Vec<_>) =
        mailboxes.into_iter().partition(|mailbox| mailbox.name == INBOX || mailbox.special_use.is_some());
    directory.mailboxes = kept;
    for mailbox in left {
        directory.passed_over_local.insert(mailbox.local);
        directory.passed_over.push((mailbox.name, "its messages come with All Mail, where the label is a keyword"));
    }
}

/// Takes All Mail in, behind all others. Answers its name, unless it is not wanted.
fn adopt(directory: &mut Directory, all: &Listing, names: NameEncoding, options: &ImapPullOptions) -> Option<String> {
    let name = canonical(all.mailbox.name(names));
    let local = local_name(&name, all.separator, directory.prefix.as_deref());
    if !is_wanted(&local, options) {
        return None;
    }
    directory.passed_over.retain(|(other, _)| *other != name);
    directory.passed_over_local.remove(&local);
    let is_free = directory.mailboxes.iter().all(|mailbox| mailbox.special_use != Some(SpecialUse::Archive));
    let special_use = is_free.then_some(SpecialUse::Archive);
    directory.mailboxes.push(RemoteMailbox { raw: all.mailbox.clone(), name: name.clone(), local, special_use });
    Some(name)
}

fn views(directory: &Directory, choice: GmailLabels, all: Option<&str>) -> BTreeMap<String, View> {
    let has_keywords = choice == GmailLabels::Keywords;
    let mut views = BTreeMap::new();
    // Messages that stand in a mailbox before.
    let mut before: BTreeSet<Label> = BTreeSet::new();
    let rank = |mailbox: &&RemoteMailbox| match mailbox.special_use {
        _ if mailbox.name == INBOX => 0,
        _ if Some(mailbox.name.as_str()) == all => 4,
        Some(SpecialUse::Drafts) => 1,
        Some(SpecialUse::Sent) => 2,
        _ => 3,
    };
    let mut mailboxes: Vec<&RemoteMailbox> = directory.mailboxes.iter().collect();
    mailboxes.sort_by_key(rank);
    for mailbox in mailboxes {
        let is_all = Some(mailbox.name.as_str()) == all;
        // Trash and spam stand nowhere else.
        let stands_alone = matches!(mailbox.special_use, Some(SpecialUse::Trash | SpecialUse::Junk));
        let left_out = if is_all || (has_keywords && !stands_alone) { before.clone() } else { BTreeSet::new() };
        views.insert(mailbox.name.clone(), View { has_keywords, left_out });
        match mailbox.special_use {
            _ if mailbox.name == INBOX => drop(before.insert(Label::own("inbox"))),
            Some(SpecialUse::Drafts) => before.extend([Label::own("draft"), Label::own("drafts")]),
            Some(SpecialUse::Sent) => drop(before.insert(Label::own("sent"))),
            _ if stands_alone => {}
            _ => drop(before.insert(Label::User(mailbox.name.clone()))),
        }
    }
    views
}

fn labels(fetch: &Fetch) -> Option<&[Bytes]> {
    fetch.items.iter().find_map(|item| match item {
        FetchItem::GmailLabels(labels) => Some(labels.as_slice()),
        _ => None,
    })
}

fn message_id(fetch: &Fetch) -> Option<u64> {
    fetch.items.iter().find_map(|item| match item {
        FetchItem::GmailMessageId(id) => Some(*id),
        _ => None,
    })
}
