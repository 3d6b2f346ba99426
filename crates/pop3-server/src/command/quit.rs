//! QUIT: the only command that deletes.

use postrider_pop3_proto::ResponseCode;

use crate::{
    session::{End, Refusal, Session, State, Stream},
    text::Text,
};

impl<S: Stream> Session<S> {
    /// QUIT (RFC 1939 §4 and §6). The answer tells what is durable; before it is sent the maildrop is free, so that a client
    /// that has read it can come again at once.
    pub(crate) async fn quit(&mut self) -> End {
        let state = std::mem::replace(&mut self.state, State::Authorization { user: None });
        let State::Transaction(maildrop) = state else {
            self.ok(Text::Goodbye);
            return End;
        };
        let result = maildrop.commit().await;
        drop(maildrop);
        match result {
            Ok(0) => self.ok(Text::Goodbye),
            Ok(count) => self.ok_with(Text::GoodbyeDeleted, &[count]),
            Err(error) => {
                tracing::error!(%error, "the deletions of a POP3 session failed");
                self.refuse(Refusal { code: Some(ResponseCode::SysTemp), text: Text::NotDeleted });
            }
        }
        End
    }
}
