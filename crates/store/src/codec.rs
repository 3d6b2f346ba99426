//! Bytes of values: fixed big-endian numbers, lengths before strings, a version byte first.

use crate::{error::StoreError, uid_set::UidSet};

/// Writes a value.
pub(crate) struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    pub(crate) fn new(version: u8) -> Self {
        Self { bytes: vec![version] }
    }

    pub(crate) fn u8(mut self, value: u8) -> Self {
        self.bytes.push(value);
        self
    }

    pub(crate) fn u32(mut self, value: u32) -> Self {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(crate) fn u64(mut self, value: u64) -> Self {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(crate) fn i64(mut self, value: i64) -> Self {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(crate) fn raw(mut self, value: &[u8]) -> Self {
        self.bytes.extend_from_slice(value);
        self
    }

    pub(crate) fn text(self, value: &str) -> Self {
        self.u32(value.len() as u32).raw(value.as_bytes())
    }

    pub(crate) fn uids(self, value: &UidSet) -> Self {
        let counted = self.u32(value.ranges().len() as u32);
        value.ranges().iter().fold(counted, |encoder, &(low, high)| encoder.u32(low).u32(high))
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads a value; a value that ends early or holds something else is reported as damaged.
pub(crate) struct Decoder<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Decoder<'a> {
    /// Begins to read `bytes`, which must be of `version`.
    pub(crate) fn new(bytes: &'a [u8], version: u8, what: &'static str) -> Result<Self, StoreError> {
        let mut decoder = Self { rest: bytes, what };
        match decoder.u8()? {
            found if found == version => Ok(decoder),
            found => {
                Err(StoreError::Damaged(format!("a record ({what}) has format {found}, this program reads {version}")))
            }
        }
    }

    fn damaged(&self) -> StoreError {
        StoreError::Damaged(format!("a record ({}) is cut short or malformed", self.what))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| self.damaged())?;
        self.rest = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, StoreError> {
        self.take::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, StoreError> {
        self.take().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, StoreError> {
        self.take().map(u64::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, StoreError> {
        self.take().map(i64::from_be_bytes)
    }

    pub(crate) fn hash(&mut self) -> Result<[u8; 32], StoreError> {
        self.take()
    }

    pub(crate) fn text(&mut self) -> Result<String, StoreError> {
        let text = self.bytes()?;
        String::from_utf8(text.to_vec()).map_err(|_| self.damaged())
    }

    /// Reads bytes with their length before them.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], StoreError> {
        let length = self.u32()? as usize;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or_else(|| self.damaged())?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(crate) fn uids(&mut self) -> Result<UidSet, StoreError> {
        let count = self.u32()?;
        let ranges = (0..count).map(|_| Ok((self.u32()?, self.u32()?))).collect::<Result<Vec<_>, StoreError>>()?;
        Ok(UidSet::from_ranges(ranges))
    }

    /// Reads a counted list.
    pub(crate) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let count = self.u32()?;
        (0..count).map(|_| item(self)).collect()
    }

    /// All that is left.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// Nothing may be left.
    pub(crate) fn finish(self) -> Result<(), StoreError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.damaged()) }
    }
}
