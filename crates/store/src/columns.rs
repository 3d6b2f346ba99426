//! Numbers of many messages side by side: small on the device and quick to read.
//!
//! Numbers that belong together are alike: UIDs and ids count up, dates lie in one year, flags are the same for most. A
//! column stores the smallest of them once and of each the distance from it, in as few bytes as the
//! largest distance needs, none at all where all are equal. Numbers that count up are stored as what is left when
//! each is made smaller by its row: mostly nothing. Reading is an addition for each number, without a branch.
//!
//! | bytes | content |
//! |---|---|
//! | 8 | the smallest number |
//! | 1 | bytes for each distance: 0, 1, 2, 4 or 8; and [`COUNTING`], if each number is larger by its row |
//! | | the distances |

use crate::error::StoreError;

/// A bit beside the width: each number is larger by its row than what is stored.
const COUNTING: u8 = 0x10;

/// Appends a column. All columns of a record have the same number of rows, which the record tells.
pub(crate) fn encode_column<I: Iterator<Item = u64> + Clone>(numbers: I, out: &mut Vec<u8>) {
    let plain = Measure::of(numbers.clone());
    // Only where it may be worth it, and no number is smaller than its row.
    let less_row = (0..).zip(numbers.clone()).map(|(row, number): (u64, u64)| number.wrapping_sub(row));
    if plain.width() > 0 && (0..).zip(numbers.clone()).all(|(row, number): (u64, u64)| row <= number) {
        let counting = Measure::of(less_row.clone());
        if counting.width() < plain.width() {
            return counting.encode(COUNTING, less_row, out);
        }
    }
    plain.encode(0, numbers, out);
}

/// The least and the greatest of a column's numbers.
#[derive(Clone, Copy)]
struct Measure {
    least: u64,
    greatest: u64,
}

impl Measure {
    fn of(numbers: impl Iterator<Item = u64> + Clone) -> Self {
        let least = numbers.clone().min().unwrap_or(0);
        Self { least, greatest: numbers.max().unwrap_or(0) }
    }

    fn width(self) -> u8 {
        match self.greatest - self.least {
            0 => 0,
            1..=0xff => 1,
            0x100..=0xffff => 2,
            0x1_0000..=0xffff_ffff => 4,
            _ => 8,
        }
    }

    fn encode(self, form: u8, numbers: impl Iterator<Item = u64>, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.least.to_be_bytes());
        let width = self.width();
        out.push(width | form);
        let distances = numbers.map(|number| number - self.least);
        match width {
            0 => {}
            1 => out.extend(distances.map(|distance| distance as u8)),
            2 => distances.for_each(|distance| out.extend_from_slice(&(distance as u16).to_be_bytes())),
            4 => distances.for_each(|distance| out.extend_from_slice(&(distance as u32).to_be_bytes())),
            _ => distances.for_each(|distance| out.extend_from_slice(&distance.to_be_bytes())),
        }
    }
}

/// What stands before the distances of a column.
struct Head {
    least: u64,
    is_counting: bool,
    width: u8,
}

/// Reads columns one after the other.
pub(crate) struct Columns<'a> {
    rest: &'a [u8],
    rows: usize,
    what: &'static str,
}

impl<'a> Columns<'a> {
    /// Columns of `rows` numbers each.
    pub(crate) fn new(bytes: &'a [u8], rows: usize, what: &'static str) -> Self {
        Self { rest: bytes, rows, what }
    }

    /// The next column; `set` gets each number with its row.
    pub(crate) fn next(&mut self, mut set: impl FnMut(usize, u64)) -> Result<(), StoreError> {
        match self.next_head()? {
            Head { least, is_counting: false, width } => self.distances(width, |row, distance| {
                set(row, least.wrapping_add(distance));
            }),
            Head { least, is_counting: true, width } => self.distances(width, |row, distance| {
                set(row, least.wrapping_add(distance).wrapping_add(row as u64));
            }),
        }
    }

    fn next_head(&mut self) -> Result<Head, StoreError> {
        let least = u64::from_be_bytes(*self.take_head::<8>()?);
        let [form] = *self.take_head::<1>()?;
        let width = form & !COUNTING;
        let is_known = matches!(width, 0 | 1 | 2 | 4 | 8);
        if is_known { Ok(Head { least, is_counting: form & COUNTING != 0, width }) } else { Err(self.damaged()) }
    }

    fn distances(&mut self, width: u8, mut set: impl FnMut(usize, u64)) -> Result<(), StoreError> {
        let rows = self.rows;
        let bytes = self.take(usize::from(width) * rows)?;
        match width {
            0 => (0..rows).for_each(|row| set(row, 0)),
            1 => each::<1>(bytes, |row, [byte]| set(row, byte.into())),
            2 => each::<2>(bytes, |row, bytes| set(row, u16::from_be_bytes(bytes).into())),
            4 => each::<4>(bytes, |row, bytes| set(row, u32::from_be_bytes(bytes).into())),
            _ => each::<8>(bytes, |row, bytes| set(row, u64::from_be_bytes(bytes))),
        }
        Ok(())
    }

    /// Passes over a column.
    pub(crate) fn skip(&mut self) -> Result<(), StoreError> {
        let Head { width, .. } = self.next_head()?;
        self.take(usize::from(width) * self.rows).map(drop)
    }

    /// The first and the last number of the next column, of which each number must be larger than the one before it.
    pub(crate) fn next_ascending(&mut self) -> Result<(u64, u64), StoreError> {
        let mut copy = Columns { rest: self.rest, rows: self.rows, what: self.what };
        let Head { least, is_counting, width } = self.next_head()?;
        let rows = self.rows as u64;
        if rows > 0 && (rows == 1 || is_counting) && width == 0 {
            let last = least.checked_add(rows - 1).ok_or_else(|| self.damaged())?;
            return Ok((least, last));
        }
        self.take(usize::from(width) * self.rows)?;
        let (mut first, mut last, mut ascends) = (None, 0, true);
        copy.next(|_, number| {
            ascends &= first.is_none() || number > last;
            first = first.or(Some(number));
            last = number;
        })?;
        first.filter(|_| ascends).map(|first| (first, last)).ok_or_else(|| self.damaged())
    }

    /// What is behind the columns that were read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Fails if anything is left.
    pub(crate) fn finish(self) -> Result<(), StoreError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.damaged()) }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], StoreError> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or_else(|| self.damaged())?;
        self.rest = rest;
        Ok(head)
    }

    fn take_head<const N: usize>(&mut self) -> Result<&'a [u8; N], StoreError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| self.damaged())?;
        self.rest = rest;
        Ok(head)
    }

    fn damaged(&self) -> StoreError {
        StoreError::Damaged(format!("a record ({}) is cut short or malformed", self.what))
    }
}

fn each<const N: usize>(bytes: &[u8], mut set: impl FnMut(usize, [u8; N])) {
    let (chunks, _) = bytes.as_chunks::<N>();
    chunks.iter().enumerate().for_each(|(row, bytes)| set(row, *bytes));
}

/// A signed number so that the order stays.
pub(crate) fn from_signed(number: i64) -> u64 {
    number.cast_unsigned() ^ (1 << 63)
}

/// The signed number again.
pub(crate) fn to_signed(number: u64) -> i64 {
    (number ^ (1 << 63)).cast_signed()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn columns_give_back_what_was_put_in(
            (base, shift) in (any::<u64>(), 0_u32..64),
            numbers in prop::collection::vec((any::<u64>(), any::<i64>()), 0..300),
        ) {
            let near: Vec<u64> = numbers.iter().map(|(number, _)| base.saturating_add(number >> shift)).collect();
            let dates: Vec<i64> = numbers.iter().map(|(_, date)| date >> shift).collect();
            let mut bytes = Vec::new();
            encode_column(near.iter().copied(), &mut bytes);
            encode_column(dates.iter().copied().map(from_signed), &mut bytes);
            let counting: Vec<u64> = (base >> 1..).zip(&near).map(|(count, odd)| count + (odd >> 40)).collect();
            encode_column(counting.iter().copied(), &mut bytes);
            let (mut found, mut found_dates) = (vec![0; near.len()], vec![0; near.len()]);
            let mut columns = Columns::new(&bytes, near.len(), "test");
            columns.next(|row, number| found[row] = number).unwrap();
            columns.next(|row, number| found_dates[row] = to_signed(number)).unwrap();
            let mut found_counting = Vec::new();
            columns.next(|_, number| found_counting.push(number)).unwrap();
            columns.finish().unwrap();
            prop_assert_eq!(found_counting, counting);
            prop_assert_eq!(found, near);
            prop_assert_eq!(found_dates, dates);
        }

        #[test]
        fn no_bytes_make_reading_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), rows in 0_usize..40) {
            let mut columns = Columns::new(&bytes, rows, "test");
            while columns.next(|_, _| ()).is_ok() && !columns.rest.is_empty() {}
        }
    }

    #[test]
    fn numbers_that_count_up_take_nine_bytes_however_many() {
        let mut bytes = Vec::new();
        encode_column(900..1156, &mut bytes);
        assert_eq!(bytes.len(), 9);
        let mut columns = Columns::new(&bytes, 256, "test");
        assert_eq!(columns.next_ascending().unwrap(), (900, 1155));
        columns.finish().unwrap();
    }

    #[test]
    fn equal_numbers_take_nine_bytes_however_many() {
        let mut bytes = Vec::new();
        encode_column(std::iter::repeat_n(77, 256), &mut bytes);
        assert_eq!(bytes.len(), 9);
    }
}
