//! `[store]` and `[message]`: how mail is kept and how far it is taken apart.

use postrider_engine_lmdb::LmdbOptions;
use postrider_message::MimeLimits;
use postrider_store::StoreOptions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A segment that is rewritten has some dead bytes from the start; above this it would be rewritten again.
const COMPACT_LIVE_PERCENT_MAX: u8 = 90;
/// Below these the engine would be at work for itself alone.
const MAP_BYTES_MIN: u64 = 1 << 20;
const SEGMENT_BYTES_MIN: u64 = 64 << 10;
const OVERLAY_BYTES_MIN: u64 = 64 << 10;

/// How mail is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// The largest message that is kept, in bytes, whichever way it comes.
    pub message_bytes_max: u64,
    /// Bytes an account's mail may take, where the account has no setting of its own. Left out, there is no such bound.
    pub quota_bytes: Option<u64>,
    /// Mailboxes (folders) of one account.
    pub mailboxes_max: usize,
    /// The longest mailbox name with all its levels, in bytes of UTF-8.
    pub mailbox_name_bytes_max: usize,
    /// Levels of a mailbox name.
    pub mailbox_levels_max: usize,
    /// Changes an account remembers. A mail program that was away for longer is told more than it strictly needs.
    pub changes_kept_max: u64,
    /// Seconds for which expunged messages, and those of deleted mailboxes, are kept out of sight so that `postrider undelete`
    /// can bring them back; they do not count against a quota. 0 lets them go at once, those that are kept already too.
    pub expunged_kept_seconds: u64,
    /// Accounts that stay in memory after their last session ended.
    pub accounts_resident_max: usize,
    /// Bytes of memory for what was gathered of messages to sort, thread and search them, all accounts together. Where it
    /// is not enough the same answers take longer.
    pub digest_bytes_max: usize,
    /// The most that the database file may grow to, in bytes. It reserves address space only, neither memory nor disk.
    pub map_bytes_max: u64,
    /// Reads of the database at one time.
    pub readers_max: u32,
    /// Messages up to this many bytes lie in the database itself, larger ones in segment files beside it.
    pub inline_body_bytes_max: usize,
    /// A segment file that has reached this many bytes is full.
    pub segment_bytes: u64,
    /// Segment files kept open for reading.
    pub segment_files_max: usize,
    /// Compaction rewrites a segment file of which less than this percentage is still in use; at most 90. Of a new one that
    /// is full of small messages it is about half.
    pub compact_live_percent: u8,
    /// Segment files are rewritten in the background only if that wins at least this many bytes.
    pub compact_dead_bytes_min: u64,
    /// Zeros are written ahead of the mail in steps of at most this many bytes, which makes waiting for the disk shorter. 0
    /// turns that off, as suits a file system that never overwrites (ZFS, Btrfs).
    pub growth_bytes_max: u64,
    /// Room that is kept for when the disk is full, so that flags can be changed and mail deleted then: a sixty-fourth of the
    /// store, 256 KiB at least, but not more than this many bytes. 0 keeps none.
    pub reserve_bytes_max: u64,
    /// Bytes of memory for changes that are safe in a segment file and not in the database yet. It is filled only while the
    /// database cannot be written as fast as mail comes, or not at all on a full disk; then nothing more is taken.
    pub overlay_bytes_max: usize,
}

impl Default for Store {
    fn default() -> Self {
        let (store, engine) = (StoreOptions::default(), LmdbOptions::default());
        Self {
            message_bytes_max: store.message_bytes_max,
            quota_bytes: store.quota_bytes,
            mailboxes_max: store.mailboxes_max,
            mailbox_name_bytes_max: store.mailbox_name_bytes_max,
            mailbox_levels_max: store.mailbox_levels_max,
            changes_kept_max: store.changes_kept_max,
            expunged_kept_seconds: store.expunged_kept_seconds,
            accounts_resident_max: store.accounts_resident_max,
            digest_bytes_max: store.digest_bytes_max,
            map_bytes_max: engine.map_bytes_max,
            readers_max: engine.readers_max,
            inline_body_bytes_max: engine.inline_body_bytes_max,
            segment_bytes: engine.segment_bytes,
            segment_files_max: engine.segment_files_max,
            compact_live_percent: engine.compact_live_percent,
            compact_dead_bytes_min: engine.compact_dead_bytes_min,
            growth_bytes_max: engine.growth_bytes_max,
            reserve_bytes_max: engine.reserve_bytes_max,
            overlay_bytes_max: engine.overlay_bytes_max,
        }
    }
}

impl Store {
    /// What makes no sense, one line each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.compact_live_percent > COMPACT_LIVE_PERCENT_MAX {
            let most = COMPACT_LIVE_PERCENT_MAX;
            problems.push(format!("store.compact_live_percent: more than {most} would rewrite the same mail for ever"));
        }
        for (key, value, least) in [
            ("map_bytes_max", self.map_bytes_max, MAP_BYTES_MIN),
            ("segment_bytes", self.segment_bytes, SEGMENT_BYTES_MIN),
            ("overlay_bytes_max", self.overlay_bytes_max as u64, OVERLAY_BYTES_MIN),
        ] {
            if value < least {
                problems.push(format!("store.{key}: {value} is too little to work with; at least {least}"));
            }
        }
        problems
    }

    /// The store's own options.
    pub fn options(&self, message: &Message) -> StoreOptions {
        StoreOptions {
            message_bytes_max: self.message_bytes_max,
            quota_bytes: self.quota_bytes,
            mailboxes_max: self.mailboxes_max,
            mailbox_name_bytes_max: self.mailbox_name_bytes_max,
            mailbox_levels_max: self.mailbox_levels_max,
            changes_kept_max: self.changes_kept_max,
            expunged_kept_seconds: self.expunged_kept_seconds,
            accounts_resident_max: self.accounts_resident_max,
            digest_bytes_max: self.digest_bytes_max,
            mime: message.limits(),
        }
    }

    /// The engine's options.
    pub fn engine(&self) -> LmdbOptions {
        LmdbOptions {
            map_bytes_max: self.map_bytes_max,
            readers_max: self.readers_max,
            inline_body_bytes_max: self.inline_body_bytes_max,
            segment_bytes: self.segment_bytes,
            segment_files_max: self.segment_files_max,
            compact_live_percent: self.compact_live_percent,
            compact_dead_bytes_min: self.compact_dead_bytes_min,
            growth_bytes_max: self.growth_bytes_max,
            reserve_bytes_max: self.reserve_bytes_max,
            overlay_bytes_max: self.overlay_bytes_max,
            ..LmdbOptions::default()
        }
    }
}

/// How far messages are taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Message {
    /// Levels of parts within parts; at most 100.
    pub nesting_depth_max: usize,
    /// Parts of the whole message.
    pub parts_max: usize,
    /// Bytes of one header that are searched for fields.
    pub header_bytes_max: usize,
    /// Parameters that are read in one field.
    pub parameters_max: usize,
    /// The longest boundary between parts, in bytes.
    pub boundary_bytes_max: usize,
    /// Message ids that are read in a `References` field, the newest ones.
    pub references_max: usize,
    /// Bytes of a message's header that are kept beside the message for quick reading; at most 65535. A longer header is read
    /// from the message. Holds for messages that arrive from now on; `check --rebuild` brings the others up to date.
    pub header_copy_bytes_max: usize,
    /// Bytes of decoded subject and addresses that are kept beside the message for searches. Where they are longer, a search
    /// reads the message. Takes effect as `header_copy_bytes_max` does.
    pub search_text_bytes_max: usize,
}

impl Default for Message {
    fn default() -> Self {
        let limits = MimeLimits::default();
        Self {
            nesting_depth_max: limits.nesting_depth_max,
            parts_max: limits.parts_max,
            header_bytes_max: limits.header_bytes_max,
            parameters_max: limits.parameters_max,
            boundary_bytes_max: limits.boundary_bytes_max,
            references_max: limits.references_max,
            header_copy_bytes_max: limits.header_copy_bytes_max,
            search_text_bytes_max: limits.search_text_bytes_max,
        }
    }
}

impl Message {
    /// The parser's own limits.
    pub fn limits(&self) -> MimeLimits {
        MimeLimits {
            nesting_depth_max: self.nesting_depth_max,
            parts_max: self.parts_max,
            header_bytes_max: self.header_bytes_max,
            parameters_max: self.parameters_max,
            boundary_bytes_max: self.boundary_bytes_max,
            references_max: self.references_max,
            header_copy_bytes_max: self.header_copy_bytes_max,
            search_text_bytes_max: self.search_text_bytes_max,
        }
    }
}
