//! ID (RFC 2971).

use postrider_imap_proto::encode;

use crate::{
    answer::{Answer, Failure},
    session::{Session, Stream},
};

type Fields = Option<Vec<(Vec<u8>, Option<Vec<u8>>)>>;

impl<S: Stream> Session<S> {
    pub(crate) fn id(&mut self, fields: Fields) -> Result<Answer, Failure> {
        // Who the client says it is helps to find out what goes wrong with it; nothing depends on it (RFC 2971 §3.3).
        for (field, value) in fields.iter().flatten() {
            let value = value.as_deref().unwrap_or_default();
            tracing::debug!(field = %field.escape_ascii(), value = %value.escape_ascii(), "the client identifies itself");
        }
        encode::encode_id(&mut self.out, &[("name", Some("postrider")), ("version", Some(env!("CARGO_PKG_VERSION")))]);
        Ok(Answer::ok("Pleased to meet you"))
    }
}
