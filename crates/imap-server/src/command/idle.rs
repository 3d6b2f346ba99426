//! IDLE (RFC 9051 §6.3.13, RFC 2177).

use postrider_imap_proto::encode::{self, Status};
use postrider_wire::Line;
use tokio::time::Instant;

use crate::{
    answer::{Answer, Failure},
    facts::Tells,
    session::{Session, Stream},
};

/// What wakes an idling session.
enum Woken {
    Input(usize),
    News,
    Keepalive,
    Shutdown,
}

impl<S: Stream> Session<S> {
    /// Tells news as they happen, until the client says DONE.
    pub(crate) async fn idle(&mut self) -> Result<Answer, Failure> {
        let mut changes = self.account()?.subscribe_changes();
        let mut shutdown = self.service.shutdown.clone();
        let ends = Instant::now() + self.service.options.idle_timeout;
        encode::encode_continuation(&mut self.out, "idling");
        loop {
            // Marked as seen before looking, so that what comes in between wakes us again.
            changes.mark_unchanged();
            self.report_news(Tells::Everything).await?;
            self.flush().await?;
            match self.framer.next_line(self.transport.input()) {
                Line::Complete(line) if line.eq_ignore_ascii_case(b"DONE") => return Ok(Answer::ok("No longer idle")),
                Line::Complete(_) | Line::TooLong => return Err(Failure::bad("Only DONE ends IDLE")),
                Line::Incomplete => {}
            }
            self.transport.free_buffers();
            if Instant::now() >= ends {
                return Err(Failure::Bye("Autologout; idle for too long".to_owned()));
            }
            let keepalive = self.service.options.keepalive;
            let woken = tokio::select! {
                read = self.transport.fill(keepalive) => match read {
                    Ok(read) => Woken::Input(read),
                    Err(error) if error.kind() == std::io::ErrorKind::TimedOut => Woken::Keepalive,
                    Err(error) => return Err(error.into()),
                },
                changed = changes.changed() => match changed {
                    Ok(()) => Woken::News,
                    Err(_) => return Err(Failure::Bye("This account is not available any more".to_owned())),
                },
                () = shutdown.requested() => Woken::Shutdown,
            };
            match woken {
                Woken::Input(0) => return Err(Failure::Connection(std::io::ErrorKind::UnexpectedEof.into())),
                Woken::Input(_) | Woken::News => {}
                Woken::Keepalive => self.status(None, Status::Ok, None, "Still here"),
                Woken::Shutdown => return Err(Failure::Bye("The server is shutting down".to_owned())),
            }
        }
    }
}
