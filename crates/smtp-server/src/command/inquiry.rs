//! VRFY, EXPN and HELP: questions that get little of an answer.

use crate::{
    reply::Reply,
    session::{Session, Stream},
};

impl<S: Stream> Session<S> {
    /// VRFY (RFC 5321 §3.5.3): who has mail here is nobody's business, and 252 is the answer that says so.
    pub(crate) fn vrfy(&self) -> Reply {
        Reply::new(252, (2, 0, 0), "Send mail, and see whether it is accepted")
    }

    /// EXPN (RFC 5321 §3.5.2).
    pub(crate) fn expn(&self) -> Reply {
        Reply::new(502, (5, 5, 1), "Lists are not shown")
    }

    /// HELP (RFC 5321 §4.1.1.8).
    pub(crate) fn help(&self) -> Reply {
        Reply::new(214, (2, 0, 0), "See RFC 5321")
    }
}
