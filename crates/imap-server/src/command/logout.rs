//! LOGOUT (RFC 9051 §6.1.3).

use postrider_imap_proto::encode::Status;

use crate::session::{End, Session, Stream};

impl<S: Stream> Session<S> {
    pub(crate) fn logout(&mut self, tag: &str) -> End {
        self.status(None, Status::Bye, None, "Until next time");
        self.status(Some(tag), Status::Ok, None, "Logged out");
        End::LoggedOut
    }
}
