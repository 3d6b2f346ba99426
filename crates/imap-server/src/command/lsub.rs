//! LSUB (RFC 3501 §6.3.9), for clients that do not know LIST (SUBSCRIBED).

use std::collections::BTreeMap;

use postrider_imap_proto::{
    command::RawMailbox,
    encode::{self, ListAttribute, ListResponse},
    list_pattern::Pattern,
};
use postrider_store::SEPARATOR;

use crate::{
    answer::{Answer, Failure},
    command::list::superiors,
    session::{Session, Stream},
};

impl<S: Stream> Session<S> {
    pub(crate) async fn lsub(&mut self, reference: &RawMailbox, pattern: &RawMailbox) -> Result<Answer, Failure> {
        let encoding = self.name_encoding();
        let decode = |raw: &[u8]| self.decode_name(raw).map_err(|error| Failure::bad(error.to_string()));
        let pattern = Pattern::new(&decode(&reference.0)?, &decode(&pattern.0)?, SEPARATOR);
        let state = self.account()?.state();
        let mut names: BTreeMap<&str, &[ListAttribute]> = BTreeMap::new();
        for name in state.subscriptions() {
            if pattern.matches(name) {
                names.insert(name, &[]);
                continue;
            }
            // RFC 3501 §6.3.9: with `%`, a name above a subscribed one is told as one that cannot be selected.
            for superior in superiors(name).filter(|superior| pattern.matches(superior)) {
                names.entry(superior).or_insert(&[ListAttribute::NoSelect]);
            }
        }
        for (name, attributes) in names {
            let response =
                ListResponse { attributes, separator: Some(SEPARATOR), name, child_info: &[], old_name: None };
            encode::encode_lsub(&mut self.out, &response, encoding);
        }
        self.flush_if_large().await?;
        Ok(Answer::ok("That is all"))
    }
}
