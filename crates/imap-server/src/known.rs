//! A version of a mailbox's messages as a session holds it.

use std::{
    ops::Deref,
    sync::{Arc, LazyLock},
};

use postrider_store::{Mailbox, Snapshot, UidSet};

/// The messages that a client knows. However many they are it costs nothing to take or to hand on: mostly it is the
/// published mailbox itself, and only while a client is not to be told of everything a version of its own.
#[derive(Clone)]
pub(crate) struct Known(Version);

#[derive(Clone)]
enum Version {
    Published(Arc<Mailbox>),
    Own(Arc<Snapshot>),
}

impl Known {
    /// The messages of a published mailbox.
    pub(crate) fn published(mailbox: &Arc<Mailbox>) -> Self {
        Self(Version::Published(Arc::clone(mailbox)))
    }

    /// Messages that were never published as they are.
    pub(crate) fn own(messages: Snapshot) -> Self {
        Self(Version::Own(Arc::new(messages)))
    }

    /// Whether it is this very version of the mailbox, so that there can be no news.
    pub(crate) fn is(&self, mailbox: &Arc<Mailbox>) -> bool {
        matches!(&self.0, Version::Published(known) if Arc::ptr_eq(known, mailbox))
    }

    /// Takes over the newest rows of some messages.
    pub(crate) fn adopt(&mut self, newest: &Snapshot, uids: &UidSet) {
        let mut messages = Snapshot::clone(self);
        messages.adopt(newest, uids);
        *self = Self::own(messages);
    }
}

/// What a mailbox holds whose messages were not read in; sessions are not given such a one.
static NOTHING: LazyLock<Snapshot> = LazyLock::new(Snapshot::empty);

impl Deref for Known {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        match &self.0 {
            Version::Published(mailbox) => mailbox.messages().unwrap_or(&NOTHING),
            Version::Own(messages) => messages,
        }
    }
}
