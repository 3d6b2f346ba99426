//! The content of DATA: the same for every partition of the stream, and never longer than what was sent.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postrider_smtp_proto::DataReader;

const BYTES_MAX: u64 = 200;

/// What was kept, the whole size, where the content ended, and whether line ends stood alone.
fn read(stream: &[u8], piece_bytes: usize) -> (Vec<u8>, u64, Option<usize>, bool) {
    let mut reader = DataReader::new(BYTES_MAX);
    let mut content = Vec::new();
    let mut used = 0;
    for piece in stream.chunks(piece_bytes) {
        used += reader.push(piece, &mut content);
        if reader.is_done() {
            break;
        }
    }
    (content, reader.bytes(), reader.is_done().then_some(used), reader.has_bare_line_ends())
}

fuzz_target!(|stream: &[u8]| {
    let whole = read(stream, stream.len().max(1));
    assert_eq!(whole, read(stream, 1));
    assert_eq!(whole, read(stream, 3));
    let (content, _, end, _) = whole;
    assert!(content.len() as u64 <= BYTES_MAX);
    if let Some(end) = end {
        assert!(stream[..end].ends_with(b".\r\n"));
    }
});
