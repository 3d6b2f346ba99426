//! A POP3 server's byte stream: its first line as a status line, what follows as a multi-line answer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postrider_pop3_proto::MessageNumber;
use postrider_pop3_proto::client::{
    DotUnstuffer, LineEnds, ListingLine, ListingReader, Progress, ServerCapabilities, parse_drop_listing,
    parse_greeting, parse_reply, parse_size_line, parse_unique_id_reply,
};

/// Small, so that the fuzzer reaches it.
const LINE_BYTES_MAX: usize = 32;

/// The message, its lines as a listing has them, and where the answer ends, for a stream in pieces of this many bytes.
fn answer(stream: &[u8], piece_bytes: usize, line_ends: LineEnds) -> (Vec<u8>, Vec<Option<Vec<u8>>>, Option<usize>) {
    let mut unstuffer = DotUnstuffer::new(line_ends);
    let mut reader = ListingReader::new(LINE_BYTES_MAX);
    let (mut message, mut lines, mut end, mut listing_ended) = (Vec::new(), Vec::new(), None, false);
    for (index, piece) in stream.chunks(piece_bytes).enumerate() {
        if !listing_ended {
            let progress = reader.push(piece, |line| match line {
                ListingLine::Line(line) => lines.push(Some(line.to_vec())),
                ListingLine::TooLong => lines.push(None),
            });
            listing_ended = progress != Progress::More;
        }
        if end.is_none()
            && let Progress::Ended { consumed } = unstuffer.push(piece, &mut message)
        {
            end = Some(index * piece_bytes + consumed);
        }
    }
    (message, lines, end)
}

fuzz_target!(|stream: &[u8]| {
    let end = stream.iter().position(|&octet| octet == b'\n').unwrap_or(stream.len());
    let (line, rest) = stream.split_at(end);
    let _ = (parse_reply(line), parse_greeting(line), parse_drop_listing(line));
    for line_ends in [LineEnds::CrlfOrLf, LineEnds::Crlf] {
        let whole = answer(rest, rest.len().max(1), line_ends);
        assert_eq!(whole, answer(rest, 1, line_ends));
        assert_eq!(whole, answer(rest, 7, line_ends));
        let mut capabilities = ServerCapabilities::new();
        for line in whole.1.iter().flatten() {
            let _ = (parse_size_line(line), parse_unique_id_reply(line, MessageNumber(1)));
            capabilities.push_line(line);
        }
        let _ = (capabilities.expire(), capabilities.login_delay());
    }
});
