//! Numbers of many messages side by side: small on the device and quick to read.
//!
//! Numbers that belong together are alike: UIDs and ids count up, dates lie in one year, flags are the same for most. A
//! column stores the smallest of them once and of each the distance from it, in as few bytes as the
//! largest distance needs, none at all where all are equal. Reading is an addition for each number, without a branch.
//!
//! | bytes | content |
//! |---|---|
//! | 8 | the smallest number |
//! | 1 | bytes for each distance: 0, 1, 2, 4 or 8 |
//! | | the distances |

use crate::error::StoreError;

/// Appends a column. All columns of a record have the same number of rows, which the record tells.
pub(crate) fn encode_column<I: Iterator<Item = u64> + Clone>(numbers: I, out: &mut Vec<u8>) {
    let least = numbers.clone().min().unwrap_or(0);
    let spread = numbers.clone().max().unwrap_or(0) - least;
    out.extend_from_slice(&least.to_be_bytes());
    let distances = numbers.map(|number| number - least);
    match spread {
        0 => out.push(0),
        1..=0xff => {
            out.push(1);
            out.extend(distances.map(|distance| distance as u8));
        }
        0x100..=0xffff => {
            out.push(2);
            distances.for_each(|distance| out.extend_from_slice(&(distance as u16).to_be_bytes()));
        }
        0x1_0000..=0xffff_ffff => {
            out.push(4);
            distances.for_each(|distance| out.extend_from_slice(&(distance as u32).to_be_bytes()));
        }
        _ => {
            out.push(8);
            distances.for_each(|distance| out.extend_from_slice(&distance.to_be_bytes()));
        }
    }
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
        let least = u64::from_be_bytes(*self.take_head::<8>()?);
        let [width] = *self.take_head::<1>()?;
        let rows = self.rows;
        match width {
            0 => (0..rows).for_each(|row| set(row, least)),
            1 => each::<1>(self.take(rows)?, |row, [byte]| set(row, least.wrapping_add(byte.into()))),
            2 => each::<2>(self.take(2 * rows)?, |row, bytes| {
                set(row, least.wrapping_add(u16::from_be_bytes(bytes).into()));
            }),
            4 => each::<4>(self.take(4 * rows)?, |row, bytes| {
                set(row, least.wrapping_add(u32::from_be_bytes(bytes).into()));
            }),
            8 => each::<8>(self.take(8 * rows)?, |row, bytes| set(row, least.wrapping_add(u64::from_be_bytes(bytes)))),
            _ => return Err(self.damaged()),
        }
        Ok(())
    }

    /// Passes over a column.
    pub(crate) fn skip(&mut self) -> Result<(), StoreError> {
        self.take_head::<8>()?;
        let [width] = *self.take_head::<1>()?;
        match width {
            0 | 1 | 2 | 4 | 8 => self.take(usize::from(width) * self.rows).map(drop),
            _ => Err(self.damaged()),
        }
    }

    /// The first and the last number of the next column, of which each number must be larger than the one before it.
    pub(crate) fn next_ascending(&mut self) -> Result<(u64, u64), StoreError> {
        let least = u64::from_be_bytes(*self.take_head::<8>()?);
        let [width] = *self.take_head::<1>()?;
        let rows = self.rows;
        let last = match width {
            0 if rows == 1 => Some(0),
            1 => last_of_ascending(self.take(rows)?, |[byte]: [u8; 1]| byte),
            2 => last_of_ascending(self.take(2 * rows)?, u16::from_be_bytes),
            4 => last_of_ascending(self.take(4 * rows)?, u32::from_be_bytes),
            8 => last_of_ascending(self.take(8 * rows)?, u64::from_be_bytes),
            _ => None,
        };
        let last = last.and_then(|last| least.checked_add(last));
        last.map(|last| (least, last)).ok_or_else(|| self.damaged())
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

/// The last of distances that begin with none and ascend.
fn last_of_ascending<const N: usize, T: Copy + PartialOrd + Into<u64>>(
    bytes: &[u8],
    number: impl Fn([u8; N]) -> T,
) -> Option<u64> {
    let (chunks, _) = bytes.as_chunks::<N>();
    let (first, last) = (number(*chunks.first()?).into(), number(*chunks.last()?).into());
    // Without an end in between: the processor then compares many at once.
    let pairs = chunks.iter().zip(chunks.iter().skip(1));
    let ascends = pairs.fold(true, |ascends, (a, b)| ascends & (number(*a) < number(*b)));
    (ascends && first == 0).then_some(last)
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
            let (mut found, mut found_dates) = (vec![0; near.len()], vec![0; near.len()]);
            let mut columns = Columns::new(&bytes, near.len(), "test");
            columns.next(|row, number| found[row] = number).unwrap();
            columns.next(|row, number| found_dates[row] = to_signed(number)).unwrap();
            columns.finish().unwrap();
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
    fn equal_numbers_take_nine_bytes_however_many() {
        let mut bytes = Vec::new();
        encode_column(std::iter::repeat_n(77, 256), &mut bytes);
        assert_eq!(bytes.len(), 9);
    }
}
