//! The content of one file, wherever it lies, as a stream that knows its bounds and tells its damage.
//!
//! A disk that cannot be read is an error. A compressed file that ends early or does not decode is not: what came out
//! so far is mail, so the stream just ends and [`Content::damage`] says so.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::Path,
    sync::{Arc, Mutex},
};

use flate2::{Crc, read::DeflateDecoder, read::MultiGzDecoder};
use lzma_rust2::XzReader;
use ruzstd::decoding::StreamingDecoder;

use crate::{error::ArchiveError, finding::Finding, options::ReadLimits};

const BUFFER_BYTES: usize = 64 * 1024;

/// How a file is compressed as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
    Xz,
}

impl Compression {
    /// By the first bytes.
    pub fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            _ => Self::None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::None => "not",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
        }
    }
}

type Inner = Box<dyn Source>;

/// A stream, and whether it can go to an offset at once.
pub(crate) trait Source: Read + Send {
    fn seek_to(&mut self, _offset: u64) -> io::Result<bool> {
        Ok(false)
    }
}

impl Source for File {
    fn seek_to(&mut self, offset: u64) -> io::Result<bool> {
        self.seek(SeekFrom::Start(offset)).map(|_| true)
    }
}

impl Source for io::Empty {}
impl Source for io::Take<File> {}
impl Source for io::Cursor<bytes::Bytes> {}
impl Source for SequencePart {}
impl<R: Read + Send> Source for Bounded<R> {}

/// A file's content.
pub(crate) struct Content {
    inner: Inner,
    /// Whether an error of `inner` is damage of the file rather than of the disk.
    decoded: bool,
    checksum: Option<(u32, Crc)>,
    damage: Option<Finding>,
}

impl Content {
    pub fn plain(inner: Inner) -> Self {
        Self { inner, decoded: false, checksum: None, damage: None }
    }

    /// Goes to an offset at once, if the file lies plain on disk.
    pub fn seek(&mut self, offset: u64) -> io::Result<bool> {
        self.inner.seek_to(offset)
    }

    pub fn decoded(inner: Inner) -> Self {
        Self { decoded: true, ..Self::plain(inner) }
    }

    pub fn with_checksum(self, crc: u32) -> Self {
        Self { checksum: Some((crc, Crc::new())), ..self }
    }

    /// What was wrong with it, once it has been read to its end.
    pub fn damage(&mut self) -> Option<Finding> {
        self.damage.take()
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match self.inner.read(buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(_) if self.decoded => {
                self.damage = Some(Finding::Cut);
                self.checksum = None;
                self.inner = Box::new(io::empty());
                0
            }
            Err(error) => return Err(error),
        };
        if let Some((expected, crc)) = &mut self.checksum {
            if count > 0 {
                crc.update(buffer.get(..count).unwrap_or_default());
            } else if !buffer.is_empty() {
                if crc.sum() != *expected {
                    self.damage = Some(Finding::WrongHash);
                }
                self.checksum = None;
            }
        }
        Ok(count)
    }
}

/// Fails where more comes out than is believable for what went in.
pub(crate) struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Bounded<R> {
    pub fn new(inner: R, compressed_bytes: u64, limits: &ReadLimits) -> Self {
        let by_ratio = compressed_bytes.saturating_mul(limits.expansion_ratio_max);
        Self { inner, left: by_ratio.max(limits.expanded_bytes_free) }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let taken = u64::try_from(count).unwrap_or(u64::MAX);
        self.left = self.left.checked_sub(taken).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "it expands beyond expansion_ratio_max and expanded_bytes_free")
        })?;
        Ok(count)
    }
}

/// zstd may be several frames, one after the other.
struct ZstdFrames {
    decoder: Option<StreamingDecoder<BufReader<File>, ruzstd::decoding::FrameDecoder>>,
    window_bytes_max: u64,
}

impl ZstdFrames {
    fn begin(source: BufReader<File>, window_bytes_max: u64) -> io::Result<Self> {
        let decoder = StreamingDecoder::new_with_max_window_size(source, window_bytes_max).map_err(io::Error::other)?;
        Ok(Self { decoder: Some(decoder), window_bytes_max })
    }
}

impl Read for ZstdFrames {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(decoder) = &mut self.decoder else { return Ok(0) };
            let count = decoder.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let Some(decoder) = self.decoder.take() else { return Ok(0) };
            let mut source = decoder.into_inner();
            if io::BufRead::fill_buf(&mut source)?.is_empty() {
                return Ok(0);
            }
            *self = Self::begin(source, self.window_bytes_max)?;
        }
    }
}

/// The whole file at `path`, decompressed.
pub(crate) fn open_file(path: &Path, compression: Compression, limits: &ReadLimits) -> Result<Content, ArchiveError> {
    let file = File::open(path).map_err(ArchiveError::io(path))?;
    let compressed_bytes = file.metadata().map_err(ArchiveError::io(path))?.len();
    if compression == Compression::None {
        return Ok(Content::plain(Box::new(file)));
    }
    let source = BufReader::with_capacity(BUFFER_BYTES, file);
    let inner: Box<dyn Read + Send> = match compression {
        Compression::None | Compression::Gzip => Box::new(MultiGzDecoder::new(source)),
        Compression::Zstd => {
            let frames = ZstdFrames::begin(source, limits.decoder_bytes_max);
            Box::new(frames.map_err(|error| ArchiveError::damaged(path, error))?)
        }
        Compression::Xz => {
            let kibibytes = u32::try_from(limits.decoder_bytes_max / 1024).unwrap_or(u32::MAX);
            Box::new(XzReader::new_mem_limit(source, true, kibibytes))
        }
    };
    Ok(Content::decoded(Box::new(Bounded::new(inner, compressed_bytes, limits))))
}

/// A part of a plain file.
pub(crate) fn open_span(path: &Path, begin: u64, bytes: u64) -> Result<io::Take<File>, ArchiveError> {
    let mut file = File::open(path).map_err(ArchiveError::io(path))?;
    file.seek(SeekFrom::Start(begin)).map_err(ArchiveError::io(path))?;
    Ok(file.take(bytes))
}

/// A file inside a zip.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ZipSpan {
    pub begin: u64,
    pub compressed_bytes: u64,
    pub deflated: bool,
    pub crc: u32,
}

pub(crate) fn open_zipped(path: &Path, span: &ZipSpan, limits: &ReadLimits) -> Result<Content, ArchiveError> {
    let stored = open_span(path, span.begin, span.compressed_bytes)?;
    let content = if span.deflated {
        let source = BufReader::with_capacity(BUFFER_BYTES, stored);
        let decoder = Bounded::new(DeflateDecoder::new(source), span.compressed_bytes, limits);
        Content::decoded(Box::new(decoder))
    } else {
        Content::plain(Box::new(stored))
    };
    Ok(content.with_checksum(span.crc))
}

/// A compressed stream that is read at rising offsets; going back means beginning anew.
pub(crate) struct Sequence {
    path: std::path::PathBuf,
    compression: Compression,
    limits: ReadLimits,
    content: Option<Content>,
    at: u64,
}

impl Sequence {
    pub fn new(path: &Path, compression: Compression, limits: &ReadLimits) -> Self {
        Self { path: path.to_owned(), compression, limits: limits.clone(), content: None, at: 0 }
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if self.content.is_none() || offset < self.at {
            let content = open_file(&self.path, self.compression, &self.limits).map_err(io::Error::other)?;
            (self.content, self.at) = (Some(content), 0);
        }
        let Some(content) = &mut self.content else { return Ok(0) };
        if offset > self.at {
            self.at += io::copy(&mut content.take(offset - self.at), &mut io::sink())?;
            if self.at < offset {
                return Ok(0);
            }
        }
        let count = content.read(buffer)?;
        self.at += u64::try_from(count).unwrap_or(0);
        Ok(count)
    }
}

/// A part of a [`Sequence`].
pub(crate) struct SequencePart {
    pub sequence: Arc<Mutex<Sequence>>,
    pub at: u64,
    pub end: u64,
}

impl Read for SequencePart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        let Some(buffer) = buffer.get_mut(..wanted).filter(|buffer| !buffer.is_empty()) else { return Ok(0) };
        let mut sequence = self.sequence.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let count = sequence.read_at(self.at, buffer)?;
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is cut off"));
        }
        self.at += u64::try_from(count).unwrap_or(0);
        Ok(count)
    }
}
