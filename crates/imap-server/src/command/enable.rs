//! ENABLE (RFC 9051 §6.3.1, RFC 5161).

use postrider_imap_proto::encode::{self, Code, Status};

use crate::{
    answer::{Answer, Failure},
    session::{Session, Stream},
};

impl<S: Stream> Session<S> {
    pub(crate) async fn enable(&mut self, names: &[String]) -> Result<Answer, Failure> {
        let mut done = Vec::new();
        for name in names {
            let known = match name.as_str() {
                "IMAP4REV2" => {
                    self.enabled.rev2 = true;
                    "IMAP4rev2"
                }
                "CONDSTORE" => {
                    self.enable_condstore().await?;
                    "CONDSTORE"
                }
                // RFC 7162 §3.2.3: enabling QRESYNC enables CONDSTORE too.
                "QRESYNC" => {
                    self.enable_condstore().await?;
                    self.enabled.qresync = true;
                    "QRESYNC"
                }
                // RFC 9755 §3
                "UTF8=ACCEPT" => {
                    self.enabled.utf8 = true;
                    "UTF8=ACCEPT"
                }
                // RFC 5161 §3.1: what is unknown, or needs no enabling, is passed over.
                _ => continue,
            };
            if !done.contains(&known) {
                done.push(known);
            }
        }
        encode::encode_enabled(&mut self.out, done);
        Ok(Answer::ok("Enabled"))
    }

    /// From now on the client is told mod-sequences. Where it has a mailbox selected it needs to know from where they
    /// count (RFC 7162 §3.1).
    pub(crate) async fn enable_condstore(&mut self) -> Result<(), Failure> {
        if self.enabled.condstore {
            return Ok(());
        }
        self.enabled.condstore = true;
        if let Some(selected) = &self.selected {
            let id = selected.id;
            let mailbox = crate::selected::newest(&*self.account()?, id).await?;
            let code = Code::HighestModseq(mailbox.record.highest_modseq.0);
            self.status(None, Status::Ok, Some(&code), "Mod-sequences are told from here on");
        }
        Ok(())
    }
}
