//! Files in a zip, deflated.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
};

use postrider_message::format_internal_date;
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

use crate::error::ArchiveError;

pub(super) struct ZipSink {
    path: PathBuf,
    writer: ZipWriter<BufWriter<File>>,
}

impl ZipSink {
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        let file = File::create(path).map_err(ArchiveError::io(path))?;
        Ok(Self { path: path.to_owned(), writer: ZipWriter::new(BufWriter::with_capacity(256 * 1024, file)) })
    }

    pub fn put(&mut self, path: &str, bytes: &[u8], modified: i64) -> Result<(), ArchiveError> {
        let large = u32::try_from(bytes.len()).is_err();
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(dos_time(modified))
            .unix_permissions(0o600)
            .large_file(large);
        self.writer.start_file(path, options).map_err(|error| ArchiveError::io(&self.path)(error.into()))?;
        self.writer.write_all(bytes).map_err(ArchiveError::io(&self.path))
    }

    pub fn make_directory(&mut self, path: &str) -> Result<(), ArchiveError> {
        let options = SimpleFileOptions::default().last_modified_time(dos_time(0));
        self.writer.add_directory(path, options).map_err(|error| ArchiveError::io(&self.path)(error.into()))
    }

    pub fn finish(self) -> Result<(), ArchiveError> {
        let out = self.writer.finish().map_err(|error| ArchiveError::io(&self.path)(error.into()))?;
        let file = out.into_inner().map_err(|error| ArchiveError::io(&self.path)(error.into_error()))?;
        file.sync_all().map_err(ArchiveError::io(&self.path))
    }
}

/// The years 1980 to 2107, in steps of two seconds; what lies outside becomes the first moment.
fn dos_time(unix_seconds: i64) -> DateTime {
    // `01-Jan-1970 00:00:00 +0000`
    let text = format_internal_date(unix_seconds, 0);
    let number = |range| text.get(range).and_then(|digits: &str| digits.trim().parse::<u16>().ok()).unwrap_or(0);
    let byte = |range| u8::try_from(number(range)).unwrap_or(0);
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|name| text.get(3..6) == Some(name)).and_then(|at| u8::try_from(at + 1).ok());
    let date = (number(7..11), month.unwrap_or(1), byte(0..2));
    DateTime::from_date_and_time(date.0, date.1, date.2, byte(12..14), byte(15..17), byte(18..20)).unwrap_or_default()
}
