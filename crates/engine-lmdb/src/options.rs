//! What an operator may set, with defaults that suit a server of any size.

/// Bounds and choices of an [`LmdbEngine`](crate::LmdbEngine). Any of them may differ from one opening to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LmdbOptions {
    /// Address space reserved for the map of LMDB's file, in bytes, and so the most that the file can grow to.
    /// It costs no memory and no disk until used. Default 1 TiB.
    pub map_bytes_max: u64,
    /// Read transactions that may be open at one time: snapshots, and reads under way on all threads. Default 4,096.
    pub readers_max: u32,
    /// Bodies up to this many bytes are kept in LMDB, larger ones in segment files. Default 16 KiB.
    pub inline_body_bytes_max: usize,
    /// A segment file that has reached this many bytes gets no more bodies. Default 128 MiB.
    pub segment_bytes: u64,
    /// Segment files kept open for reading. Default 256.
    pub segment_files_max: usize,
    /// Batches that wait are written in one transaction up to this many bytes of keys, values and bodies; a larger
    /// batch gets a transaction of its own. Default 64 MiB.
    pub transaction_bytes_max: usize,
    /// Batches that wait are written in one transaction up to this many changes. Default 100,000.
    pub transaction_operations_max: usize,
    /// Compaction rewrites a segment of whose bytes fewer than this percentage are live. Default 50.
    pub compact_live_percent: u8,
    /// Compaction moves bodies in transactions of about this many bytes. Default 8 MiB.
    pub compact_transaction_bytes: usize,
    /// Records and bodies that verification reads in one read transaction before it begins another, so that it
    /// does not keep space from being reused. Default 10,000.
    pub verify_transaction_records: usize,
    /// Faults that verification lists before it gives up. Default 1,000.
    pub verify_faults_max: usize,
}

impl Default for LmdbOptions {
    fn default() -> Self {
        Self {
            map_bytes_max: 1 << 40,
            readers_max: 4_096,
            inline_body_bytes_max: 16 << 10,
            segment_bytes: 128 << 20,
            segment_files_max: 256,
            transaction_bytes_max: 64 << 20,
            transaction_operations_max: 100_000,
            compact_live_percent: 50,
            compact_transaction_bytes: 8 << 20,
            verify_transaction_records: 10_000,
            verify_faults_max: 1_000,
        }
    }
}
