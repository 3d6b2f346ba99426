//! STLS.

use postrider_net::Security;

use crate::{
    session::{Answer, End, Session, State, Stream},
    text::Text,
};

impl<S: Stream> Session<S> {
    /// STLS (RFC 2595 §4). What the client said before in clear, anybody may have said: it is forgotten, also
    /// commands that were sent along with STLS.
    pub(crate) async fn stls(&mut self) -> Result<Answer, End> {
        let Some(acceptor) = self.service.tls.clone() else { return Ok(Err(Text::NoTls.into())) };
        if *self.transport.security() != Security::Plain {
            return Ok(Err(Text::TlsActive.into()));
        }
        // RFC 6856 §2.1: a client must not.
        if self.utf8 {
            return Ok(Err(Text::TlsAfterUtf8.into()));
        }
        self.ok(Text::BeginTls);
        self.flush().await?;
        self.transport.start_tls(&acceptor).await?;
        self.lines.reset();
        self.state = State::Authorization { user: None };
        self.language = self.service.options.language;
        Ok(Ok(()))
    }
}
