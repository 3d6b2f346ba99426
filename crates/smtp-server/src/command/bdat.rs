//! BDAT (RFC 3030).
//!
//! A chunk follows its command at once, wanted or not. So whatever is wrong, its octets are read before the reply,
//! or else they would be taken for commands.

use bytes::Buf;
use postrider_smtp_proto::{Chunk, Position};

use crate::{
    content::Content,
    reply::Reply,
    session::{End, Session, Stream, one},
    transaction::Chunks,
};

impl<S: Stream> Session<S> {
    /// BDAT (RFC 3030 §2).
    pub(crate) async fn bdat(&mut self, chunk: Chunk) -> Result<Vec<Reply>, End> {
        let mut content = match self.take_chunks() {
            Ok(content) => content,
            Err(refusal) => return self.discard_chunk(chunk, refusal).await.map(one),
        };
        self.read_chunk(chunk.bytes, Some(&mut content)).await?;
        if chunk.position == Position::Last {
            let bare_line_ends = content.has_bare_line_ends();
            return Ok(self.finish(*content, bare_line_ends).await);
        }
        let (chunks, reply) = match content.refusal() {
            Some(refusal) => (Chunks::Refused, refusal),
            None => (Chunks::Some(content), Reply::new(250, (2, 0, 0), format!("{} octets received", chunk.bytes))),
        };
        if let Some(transaction) = &mut self.transaction {
            transaction.chunks = chunks;
        }
        Ok(one(reply))
    }

    /// What came before this chunk.
    fn take_chunks(&mut self) -> Result<Box<Content>, Reply> {
        let fresh = match &self.ready_for_content()?.chunks {
            Chunks::None => true,
            Chunks::Some(_) => false,
            Chunks::Refused => return Err(Reply::out_of_order("A chunk was refused, start again with RSET")),
        };
        if fresh {
            return self.begin_content(self.ready_for_content()?).map(Box::new);
        }
        match self.transaction.as_mut().map(|transaction| std::mem::replace(&mut transaction.chunks, Chunks::Refused)) {
            Some(Chunks::Some(content)) => Ok(content),
            _ => Err(Reply::local_error()),
        }
    }

    /// Reads a chunk that is not wanted, and answers why.
    pub(crate) async fn discard_chunk(&mut self, chunk: Chunk, refusal: Reply) -> Result<Reply, End> {
        self.read_chunk(chunk.bytes, None).await?;
        Ok(refusal)
    }

    async fn read_chunk(&mut self, bytes: u64, mut content: Option<&mut Content>) -> Result<(), End> {
        if bytes > self.service.message_bytes_max().saturating_add(self.service.options.discarded_bytes_max) {
            return Err(self.dismiss(Reply::new(552, (5, 3, 4), "The chunk is too large")));
        }
        let mut left = bytes;
        while left > 0 {
            let input = self.transport.input();
            let here = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
            if let (Some(content), Some(part)) = (content.as_deref_mut(), input.get(..here)) {
                content.push(part);
            }
            input.advance(here);
            left -= here as u64;
            if left > 0 {
                self.read_more(self.service.options.content_timeout).await?;
            }
        }
        Ok(())
    }
}
