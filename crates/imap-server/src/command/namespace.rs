//! NAMESPACE (RFC 9051 §6.3.10, RFC 2342).

use postrider_imap_proto::encode;
use postrider_store::SEPARATOR;

use crate::{
    answer::{Answer, Failure},
    session::{Session, Stream},
};

impl<S: Stream> Session<S> {
    pub(crate) fn namespace(&mut self) -> Result<Answer, Failure> {
        let personal = [encode::Namespace { prefix: "", separator: Some(SEPARATOR) }];
        let encoding = self.name_encoding();
        encode::encode_namespace(&mut self.out, &personal, &[], &[], encoding);
        Ok(Answer::ok("One namespace"))
    }
}
