//! STARTTLS.

use postrider_net::Security;

use crate::{
    reply::Reply,
    session::{End, Session, Stream, broken, one},
};

impl<S: Stream> Session<S> {
    /// STARTTLS (RFC 3207 §4). What the client said before in clear, anybody may have said: it is forgotten (§4.2), also
    /// commands that were sent along with STARTTLS.
    pub(crate) async fn start_tls(&mut self) -> Result<Vec<Reply>, End> {
        let Some(acceptor) = self.service.tls.clone() else {
            return Ok(one(Reply::new(502, (5, 5, 1), "TLS is not available")));
        };
        if *self.transport.security() != Security::Plain {
            return Ok(one(Reply::out_of_order("TLS is active already")));
        }
        if self.transaction.is_some() {
            return Ok(one(Reply::out_of_order("Not within a transaction")));
        }
        Reply::new(220, (2, 0, 0), "Ready to start TLS").encode(&mut self.out);
        self.flush().await?;
        self.transport.start_tls(&acceptor).await.map_err(|error| broken(&error))?;
        self.lines.reset();
        self.greeting = None;
        self.login = None;
        self.transaction = None;
        Ok(Vec::new())
    }
}
