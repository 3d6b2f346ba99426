//! RETR and TOP: messages go from the store to the client in pieces.

use postrider_pop3_proto::{DotStuffer, MessageNumber, ResponseCode, TopCutter};

use crate::{
    maildrop::Message,
    options::Utf8ForAscii,
    session::{Answer, End, Refusal, Session, Stream},
    text::Text,
};

/// What TOP reads first, in bytes: most headers fit.
const TOP_PIECE_BYTES: u64 = 16 * 1024;

impl<S: Stream> Session<S> {
    /// RETR (RFC 1939 §5).
    pub(crate) async fn retr(&mut self, number: MessageNumber) -> Result<Answer, End> {
        self.send_message(number, None).await
    }

    /// TOP (RFC 1939 §7).
    pub(crate) async fn top(&mut self, number: MessageNumber, lines: u64) -> Result<Answer, End> {
        self.send_message(number, Some(TopCutter::new(lines))).await
    }

    async fn send_message(&mut self, number: MessageNumber, mut cutter: Option<TopCutter>) -> Result<Answer, End> {
        let piece_bytes = self.service.options.piece_bytes.max(1);
        let first_bytes = if cutter.is_some() { piece_bytes.min(TOP_PIECE_BYTES) } else { piece_bytes };
        // Whatever can be found out before the first octet is: afterwards the only way to say no is to hang up.
        let (message, mut piece) = match self.open_message(number, first_bytes).await {
            Ok(opened) => opened,
            Err(refusal) => return Ok(Err(refusal)),
        };
        match cutter {
            None => self.ok_with(Text::MessageFollows, &[message.octets]),
            Some(_) => self.ok(Text::TopFollows),
        }
        let size = u64::from(message.entry.size);
        let mut stuffer = DotStuffer::new();
        let mut offset = 0;
        loop {
            offset += piece.len() as u64;
            let wanted = cutter.as_mut().map_or(piece.as_slice(), |cutter| cutter.push(&piece));
            stuffer.push(&mut self.out, wanted);
            self.flush_if_large().await?;
            if offset >= size || cutter.as_ref().is_some_and(TopCutter::is_done) {
                break;
            }
            piece = self.next_piece(&message, offset, piece_bytes).await?;
        }
        stuffer.finish(&mut self.out);
        Ok(Ok(()))
    }

    /// Finds a message and reads its beginning.
    async fn open_message(&self, number: MessageNumber, bytes: u64) -> Result<(Message, Vec<u8>), Refusal> {
        let maildrop = self.maildrop()?;
        let message = maildrop.message(number)?;
        let refuses = self.service.options.utf8_for_ascii == Utf8ForAscii::Refuse;
        if refuses && !self.utf8 && !maildrop.is_ascii_header(&message).await? {
            return Err(Refusal { code: Some(ResponseCode::Utf8), text: Text::MessageNeedsUtf8 });
        }
        let size = u64::from(message.entry.size);
        // Asked for as a whole where it is to come as a whole, so that the engine checks it.
        let bytes = if size <= bytes { u64::MAX } else { bytes };
        let piece = maildrop.piece(&message, 0, bytes).await?.ok_or(Text::MessageGone)?;
        if piece.is_empty() && size > 0 {
            return Err(Text::MessageGone.into());
        }
        Ok((message, piece))
    }

    /// The next piece of a message under way. If it is not to be had the session ends: an answer that stops without its
    /// end is no message, and the client knows.
    async fn next_piece(&self, message: &Message, offset: u64, bytes: u64) -> Result<Vec<u8>, End> {
        let maildrop = self.maildrop().map_err(|_| End)?;
        match maildrop.piece(message, offset, bytes).await {
            Ok(Some(piece)) if !piece.is_empty() => Ok(piece),
            Ok(_) => {
                tracing::info!("a message was removed while a POP3 client was reading it");
                Err(End)
            }
            Err(error) => {
                tracing::error!(%error, "a message cannot be read to its end");
                Err(End)
            }
        }
    }
}
