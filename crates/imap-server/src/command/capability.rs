//! CAPABILITY (RFC 9051 §6.1.1).

use postrider_imap_proto::encode;

use crate::{
    answer::{Answer, Failure},
    session::{Session, Stream},
};

impl<S: Stream> Session<S> {
    pub(crate) fn capability(&mut self) -> Result<Answer, Failure> {
        let list = self.capabilities();
        encode::encode_capability(&mut self.out, list);
        Ok(Answer::ok("That is all"))
    }
}
