//! Content too large to be held: it passes through in pieces, and memory stays what it was.

use std::{io, ops::ControlFlow};

use postrider_imap_proto::encode::LiteralForm;
use postrider_store::{Account, BlobId};

use super::{
    GROUP_BYTES, Lost, Message,
    plan::{Wanted, mask_nul},
    render::{Rendering, end},
};
use crate::{
    answer::Failure,
    session::{Session, Stream},
};

impl<S: Stream> Session<S> {
    pub(super) async fn fetch_large(
        &mut self,
        account: &Account,
        rendering: &mut Rendering<'_>,
        message: Message<'_>,
        lost: &mut Lost,
    ) -> Result<(), Failure> {
        let blob = message.row.entry.blob;
        // Once a literal is announced there is no way back, so first see whether there is anything to announce.
        if append_piece(account, (blob, 0, 0), &mut self.out).await?.is_none() {
            lost.expunged = true;
            return Ok(());
        }
        let mut begun = rendering.begin(&mut self.out, message.row, message.view.as_ref()).suspend();
        for wanted in &message.wanted {
            if wanted.is_passed_on() {
                let mut writer = begun.resume(&mut self.out);
                writer.literal_header(wanted.name(), wanted.origin(), LiteralForm::Literal, wanted.bytes());
                begun = writer.suspend();
                self.pass_on(account, blob, wanted).await?;
            } else {
                let mut content = Vec::new();
                append_piece(account, (blob, wanted.range.start, wanted.bytes()), &mut content)
                    .await?
                    .ok_or_else(vanished)?;
                let mut writer = begun.resume(&mut self.out);
                lost.unknown_encoding |= wanted.render(&mut writer, &content).is_err();
                begun = writer.suspend();
            }
        }
        end(begun.resume(&mut self.out), message.row);
        Ok(())
    }

    async fn pass_on(&mut self, account: &Account, blob: BlobId, wanted: &Wanted<'_>) -> Result<(), Failure> {
        let mut offset = wanted.range.start;
        while offset < wanted.range.end {
            let length = (wanted.range.end - offset).min(GROUP_BYTES);
            let start = self.out.len();
            append_piece(account, (blob, offset, length), &mut self.out).await?.ok_or_else(vanished)?;
            mask_nul(self.out.get_mut(start..).unwrap_or_default());
            self.flush_if_large().await?;
            offset += length;
        }
        Ok(())
    }
}

/// Reads one piece to the end of `out`; `None` if the blob is gone.
async fn append_piece(account: &Account, piece: (BlobId, u64, u64), out: &mut Vec<u8>) -> Result<Option<()>, Failure> {
    let mut found = None;
    account
        .pieces(&[piece], &mut |_, bytes| {
            found = bytes.map(|bytes| out.extend_from_slice(bytes));
            ControlFlow::Continue(())
        })
        .await?;
    Ok(found)
}

/// A message that was expunged for good between two pieces of a literal: only closing the connection is honest.
fn vanished() -> Failure {
    Failure::Connection(io::Error::other("the message was expunged while it was being sent"))
}
