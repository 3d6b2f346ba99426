//! CREATE (RFC 9051 §6.3.4, RFC 6154 §3, RFC 8474 §4.1).

use postrider_imap_proto::{
    command::RawMailbox,
    encode::{self, Code, ListResponse},
    mailbox_name,
};
use postrider_store::{SEPARATOR, SpecialUse, SpecialUses};

use crate::{
    answer::{Answer, Failure},
    command::list::attributes_of,
    session::{Session, Stream},
};

impl<S: Stream> Session<S> {
    pub(crate) async fn create(&mut self, mailbox: &RawMailbox, uses: &[String]) -> Result<Answer, Failure> {
        let name = self.mailbox_name(&mailbox.0)?;
        // A trailing separator announces mailboxes below; it is not part of the name (RFC 9051 §6.3.4).
        let name = name.strip_suffix(SEPARATOR).unwrap_or(&name);
        let mut special_use = SpecialUses::NONE;
        for kind in uses {
            let known = kind.strip_prefix('\\').and_then(SpecialUse::parse);
            special_use =
                special_use.with(known.ok_or_else(|| Failure::no(Code::UseAttr, "This special use is not supported"))?);
        }
        let id = self.account()?.create_mailbox(name, special_use).await?;
        self.report_other_spelling(mailbox, name)?;
        Ok(Answer::ok_with(Code::MailboxId(mailbox_id(id)), "Created"))
    }

    /// A client that names a new mailbox in a form that is not normalized is told what became of the name
    /// (RFC 9051 §6.3.4 and §6.3.9.7).
    fn report_other_spelling(&mut self, supplied: &RawMailbox, name: &str) -> Result<(), Failure> {
        let encoding = self.name_encoding();
        let supplied = mailbox_name::decode(&supplied.0, encoding).unwrap_or_default();
        let supplied = supplied.strip_suffix(SEPARATOR).unwrap_or(&supplied);
        if !self.enabled.rev2 || supplied.is_ascii() || supplied == name {
            return Ok(());
        }
        let state = self.account()?.state();
        let Some(mailbox) = state.find(name) else { return Ok(()) };
        let response = ListResponse {
            attributes: &attributes_of(&state, mailbox),
            separator: Some(SEPARATOR),
            name,
            child_info: &[],
            old_name: Some(supplied),
        };
        encode::encode_list(&mut self.out, &response, encoding);
        Ok(())
    }
}

/// A mailbox's object id (RFC 8474 §7: letters, digits, `-` and `_`).
pub(crate) fn mailbox_id(id: postrider_store::MailboxId) -> String {
    format!("F{id}")
}
