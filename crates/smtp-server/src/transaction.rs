//! A mail transaction: from MAIL to the end of the content.

use postrider_accounts::Delivery;
use postrider_smtp_proto::{Dialect, ForwardPath, Host, Mail, Mailbox};

use crate::content::Content;

/// What a client called itself.
#[derive(Debug, Clone)]
pub(crate) struct Greeting {
    pub(crate) host: Host,
    pub(crate) dialect: Dialect,
}

/// A recipient that was accepted.
#[derive(Debug)]
pub(crate) struct AcceptedRecipient {
    pub(crate) path: ForwardPath,
    /// The accounts that it stands for.
    pub(crate) deliveries: Vec<Delivery>,
}

/// A transaction on its way.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub(crate) mail: Mail,
    pub(crate) recipients: Vec<AcceptedRecipient>,
    /// Content that comes in chunks.
    pub(crate) chunks: Chunks,
}

/// How far BDAT has come.
#[derive(Debug)]
pub(crate) enum Chunks {
    /// There was none yet.
    None,
    /// Some came, more follow.
    Some(Box<Content>),
    /// One was refused, and with it the transaction (RFC 3030 §2).
    Refused,
}

impl Transaction {
    pub(crate) fn new(mail: Mail) -> Self {
        Self { mail, recipients: Vec::new(), chunks: Chunks::None }
    }

    /// The recipient, if there is exactly one.
    pub(crate) fn only_recipient(&self) -> Option<&Mailbox> {
        match self.recipients.as_slice() {
            [AcceptedRecipient { path: ForwardPath::Mailbox(mailbox), .. }] => Some(mailbox),
            _ => None,
        }
    }
}
