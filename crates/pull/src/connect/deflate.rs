//! COMPRESS=DEFLATE (RFC 4978): the stream within TLS, compressed both ways.
//!
//! Both halves are codecs over buffers of fixed size, so what a server compressed to almost nothing is unpacked no faster than
//! it is read. What is written is flushed to a byte's end whenever the caller flushes, which is after each
//! command: else the server would wait for the rest of it, and we for the server.

use std::io;

use bytes::{Buf, BytesMut};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// How much of what was read or is to be written is held, in bytes.
const BUFFER_BYTES: usize = 16 * 1024;

/// The state of both directions.
pub(super) struct Deflate {
    inflater: Decompress,
    /// Read, and not unpacked yet.
    packed: BytesMut,
    deflater: Compress,
    /// Packed, and not written yet.
    outgoing: BytesMut,
    /// Whether something was packed since the last flush.
    is_unflushed: bool,
}

impl Deflate {
    /// Begins; `read_ahead` is what came behind the line with which the server agreed.
    pub(super) fn new(read_ahead: BytesMut) -> Self {
        // RFC 4978 §3: raw deflate, without zlib's header.
        Self {
            inflater: Decompress::new(false),
            packed: read_ahead,
            deflater: Compress::new(Compression::default(), false),
            outgoing: BytesMut::with_capacity(BUFFER_BYTES),
            is_unflushed: false,
        }
    }

    /// Unpacks into `into`; answers how many bytes. Nothing means that more has to be read first.
    pub(super) fn unpack(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let (before_in, before_out) = (self.inflater.total_in(), self.inflater.total_out());
        let status = self.inflater.decompress(&self.packed, into, FlushDecompress::None);
        let status = status.map_err(|_| damaged("what the server compressed cannot be read"))?;
        let taken = usize::try_from(self.inflater.total_in() - before_in).unwrap_or(usize::MAX);
        let made = usize::try_from(self.inflater.total_out() - before_out).unwrap_or(usize::MAX);
        self.packed.advance(taken.min(self.packed.len()));
        if made == 0 && matches!(status, Status::StreamEnd) {
            return Err(damaged("the server ended compression, which it may not"));
        }
        Ok(made)
    }

    /// Room for what is read next.
    pub(super) fn room(&mut self) -> &mut BytesMut {
        self.packed.reserve(BUFFER_BYTES);
        &mut self.packed
    }

    /// Packs from `octets`; answers how many were taken. To be called only when nothing waits to be written.
    pub(super) fn pack(&mut self, octets: &[u8]) -> io::Result<usize> {
        let part = octets.get(..BUFFER_BYTES).unwrap_or(octets);
        let taken = self.deflate(part, FlushCompress::None)?;
        self.is_unflushed |= taken > 0;
        Ok(taken)
    }

    /// Packs so that all that was taken can be unpacked there.
    pub(super) fn finish_command(&mut self) -> io::Result<()> {
        if self.is_unflushed {
            self.deflate(&[], FlushCompress::Sync)?;
            self.is_unflushed = false;
        }
        Ok(())
    }

    /// What is to be written.
    pub(super) fn outgoing(&mut self) -> &mut BytesMut {
        &mut self.outgoing
    }

    fn deflate(&mut self, octets: &[u8], flush: FlushCompress) -> io::Result<usize> {
        let before = self.deflater.total_in();
        let mut buffer = [0; 4096];
        loop {
            let taken = usize::try_from(self.deflater.total_in() - before).unwrap_or(usize::MAX);
            let before_out = self.deflater.total_out();
            let rest = octets.get(taken..).unwrap_or_default();
            let packed = self.deflater.compress(rest, &mut buffer, flush);
            packed.map_err(|_| damaged("a command cannot be compressed"))?;
            let made = usize::try_from(self.deflater.total_out() - before_out).unwrap_or(usize::MAX);
            self.outgoing.extend_from_slice(buffer.get(..made).unwrap_or_default());
            // A buffer that is not full holds all there is.
            if made < buffer.len() {
                return Ok(usize::try_from(self.deflater.total_in() - before).unwrap_or(usize::MAX));
            }
        }
    }
}

fn damaged(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unpack_all(reader: &mut Deflate, packed: &[u8], step: usize, room: usize) -> Vec<u8> {
        let mut all = Vec::new();
        let mut buffer = vec![0; room];
        for piece in packed.chunks(step) {
            reader.room().extend_from_slice(piece);
            loop {
                match reader.unpack(&mut buffer).unwrap() {
                    0 => break,
                    made => all.extend_from_slice(&buffer[..made]),
                }
            }
        }
        all
    }

    proptest! {
        #[test]
        fn each_command_arrives_when_it_was_finished_however_it_is_cut(
            commands in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..3000), 1..6),
            step in 1usize..500,
            room in 1usize..500,
        ) {
            let (mut writer, mut reader) = (Deflate::new(BytesMut::new()), Deflate::new(BytesMut::new()));
            for command in commands {
                let mut rest = command.as_slice();
                while !rest.is_empty() {
                    let taken = writer.pack(rest).unwrap();
                    rest = &rest[taken..];
                }
                writer.finish_command().unwrap();
                let packed = writer.outgoing().split();
                prop_assert_eq!(unpack_all(&mut reader, &packed, step, room), command);
            }
        }

        #[test]
        fn any_octets_are_unpacked_or_refused(octets in prop::collection::vec(any::<u8>(), 0..2000)) {
            let mut reader = Deflate::new(BytesMut::from(octets.as_slice()));
            let mut buffer = [0; 100];
            for _ in 0..100_000 {
                match reader.unpack(&mut buffer) {
                    Ok(0) | Err(_) => break,
                    Ok(_) => {}
                }
            }
        }
    }

    #[test]
    fn what_was_compressed_to_almost_nothing_is_unpacked_piece_by_piece() {
        let mut writer = Deflate::new(BytesMut::new());
        let zeros = vec![0; 4 << 20];
        let mut rest = zeros.as_slice();
        while !rest.is_empty() {
            let taken = writer.pack(rest).unwrap();
            rest = &rest[taken..];
        }
        writer.finish_command().unwrap();
        let packed = writer.outgoing().split();
        assert!(packed.len() < 16 * 1024, "{}", packed.len());
        let mut reader = Deflate::new(packed);
        let mut buffer = [1; 64];
        assert_eq!(reader.unpack(&mut buffer).unwrap(), 64);
        assert!(buffer.iter().all(|octet| *octet == 0));
    }
}
