//! What an operator may set, with defaults that suit a server of any size.

/// Bounds and choices of an [`LmdbEngine`](crate::LmdbEngine). Any of them may differ from one opening to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LmdbOptions {
    /// Bytes of records and small bodies that LMDB's file may hold; commits that could lead beyond are refused. Address
    /// space is reserved for this and some more, which costs no memory and no disk until used. Default 1 TiB.
    pub map_bytes_max: u64,
    /// Read transactions that may be open at one time: snapshots, and reads under way on all threads. Default 4,096.
    pub readers_max: u32,
    /// Bodies up to this many bytes are kept in LMDB, larger ones where the journal has them. Default 1 KiB.
    pub inline_body_bytes_max: usize,
    /// A segment file of the journal that has reached this many bytes gets no more frames. Default 128 MiB.
    pub segment_bytes: u64,
    /// Zeros are laid out ahead of the journal in steps of at most this many bytes; 0 turns that off. Default 4 MiB.
    pub growth_bytes_max: u64,
    /// Room that is kept for when the device is full, so that small changes and deletions can be written then: a
    /// sixty-fourth of the store, 256 KiB at least, but not more than this many bytes. Default 16 MiB.
    pub reserve_bytes_max: u64,
    /// On a full device it is looked whether there is room again when something comes, but not before so many milliseconds
    /// have passed since the last time. Default 100.
    pub reserve_retry_milliseconds: u64,
    /// Segment files kept open for reading. Default 256.
    pub segment_files_max: usize,
    /// Batches that wait are written in one frame up to this many bytes of keys, values and bodies; a larger batch gets
    /// a frame of its own. Default 64 MiB.
    pub frame_bytes_max: usize,
    /// Batches that wait are written in one frame up to this many changes. Default 100,000.
    pub frame_operations_max: usize,
    /// Changes are written to LMDB when those that wait take this many bytes of memory. Default 8 MiB.
    pub apply_bytes: usize,
    /// Changes are written to LMDB when the first has waited for this many milliseconds. Default 200.
    pub apply_milliseconds: u64,
    /// Commits wait while changes that are not yet in LMDB take more than this many bytes of memory. Default 32 MiB.
    pub overlay_bytes_max: usize,
    /// Bodies that lie near one another are read at one time, up to this many bytes. Default 1 MiB.
    pub body_read_bytes_max: u64,
    /// Bodies lie near one another if no more than this many bytes lie between them. Default 64 KiB.
    pub body_read_gap_bytes_max: u64,
    /// Compaction rewrites a segment of whose bytes fewer than this percentage are live. Of a segment of small mail about
    /// half are live when it is new, because records go through it, too. Default 60.
    pub compact_live_percent: u8,
    /// Compaction moves bodies in frames of about this many bytes. Default 4 MiB.
    pub compact_frame_bytes: usize,
    /// Segments are rewritten without being asked to only if that wins at least this many bytes. Default 8 MiB.
    pub compact_dead_bytes_min: u64,
    /// Rewriting a segment without being asked to waits, before each step, until there has been no commit for this many
    /// milliseconds, or for a hundred times as long. Default 20.
    pub compact_idle_milliseconds: u64,
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
            inline_body_bytes_max: 1 << 10,
            segment_bytes: 128 << 20,
            growth_bytes_max: 4 << 20,
            reserve_bytes_max: 16 << 20,
            reserve_retry_milliseconds: 100,
            segment_files_max: 256,
            frame_bytes_max: 64 << 20,
            frame_operations_max: 100_000,
            apply_bytes: 8 << 20,
            apply_milliseconds: 200,
            overlay_bytes_max: 32 << 20,
            body_read_bytes_max: 1 << 20,
            body_read_gap_bytes_max: 64 << 10,
            compact_live_percent: 60,
            compact_frame_bytes: 4 << 20,
            compact_dead_bytes_min: 8 << 20,
            compact_idle_milliseconds: 20,
            verify_transaction_records: 10_000,
            verify_faults_max: 1_000,
        }
    }
}
