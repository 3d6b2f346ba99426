//! STARTTLS (RFC 9051 §6.2.1).

use postrider_imap_proto::encode::Status;

use crate::{
    capability::StartTls,
    session::{End, Session, Stream},
};

impl<S: Stream> Session<S> {
    pub(crate) async fn start_tls(&mut self, tag: &str) -> Result<(), End> {
        let (StartTls::Possible, Some(acceptor)) = (self.start_tls_possible(), self.service.tls.clone()) else {
            self.status(Some(tag), Status::Bad, None, "TLS cannot begin here");
            return Ok(());
        };
        self.status(Some(tag), Status::Ok, None, "Begin TLS now");
        self.flush().await?;
        // The transport throws away what came before TLS: it may be somebody else's (RFC 9051 §6.2.1).
        self.framer.reset();
        self.transport.start_tls(&acceptor).await?;
        Ok(())
    }
}
