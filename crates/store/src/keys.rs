//! Where everything lies: the one place that knows the layout of keys.
//!
//! Keys are binary and big-endian and begin with the account, so that an account is one contiguous range: it can be
//! counted, exported, moved or removed as such. The second part is the table.
//!
//! | table | key after account and table | value |
//! |---|---|---|
//! | `0x01` account | | counters of the account ([`crate::record::AccountRecord`]) |
//! | `0x02` mailbox | mailbox id | name, counters, keywords ([`crate::record::MailboxRecord`]) |
//! | `0x03` subscription | name | empty |
//! | `0x04` gone mailbox | its UIDVALIDITY | what must never be given out again of it ([`crate::record::GoneMailbox`]) |
//! | `0x10` row | mailbox id, `0`, UID | what never changes of the messages of a chunk ([`crate::rows`]) |
//! | `0x10` row | mailbox id, `1`, UID | their flags |
//! | `0x10` row | mailbox id, `2`, UID | a message that is in no sealed chunk yet ([`crate::snapshot::Entry`]) |
//! | `0x10` row | mailbox id, `3`, UID | what is asked most of the sealed chunks of some UIDs ([`crate::directory`]) |
//! | `0x11` unique id | mailbox id, `0`, UID | the unique-id that a message brought from another POP3 server |
//! | `0x11` unique id | mailbox id, `1`, unique-id | the UID of the message that has it |
//! | `0x20` email | email id | blob, received date, thread, where it is ([`crate::record::EmailRecord`]) |
//! | `0x21` blob | blob id | hash, size, number of emails ([`crate::record::BlobRecord`]) |
//! | `0x22` blob by hash | BLAKE3 hash | blob id |
//! | `0x23` derived | blob id | answers computed at delivery ([`postrider_message::DerivedView`]) |
//! | `0x24` thread | hash of message id and base subject | thread id |
//! | `0x25` header | blob id | its header with a table of fields ([`postrider_message::IndexedHeader`]) |
//! | `0x26` digest | kind, number of the page | what is gathered of 256 blobs ([`crate::digest_page`]) |
//! | `0x30` change | mod-sequence | what changed ([`crate::record::ChangeRecord`]) |
//! | `0x31` expunged | when, mod-sequence, mailbox id, first UID | messages that can be brought back ([`crate::expunged`]) |
//! | `0x40` note | whatever its writer chose | the same ([`crate::Note`]) |
//!
//! Bodies, which the engine keeps apart from records, lie under account, `0x21` and blob id.
//!
//! Blobs are named by hash in `0x22` and numbered in the order they came: so the derived answers and bodies of one
//! mailbox lie side by side, and reading them in order is a walk and not a thousand jumps.
//!
//! Account 0 is the system's: what it holds under tables below `0xf0` belongs to the directory of accounts.

use postrider_engine::KeyRange;

use crate::{
    columns::{from_signed, to_signed},
    expunged::ExpungedKey,
    identifier::{AccountId, BlobHash, BlobId, EmailId, MailboxId, ModSeq, Uid, UidValidity},
};

const ACCOUNT: u8 = 0x01;
const MAILBOX: u8 = 0x02;
const SUBSCRIPTION: u8 = 0x03;
const GONE: u8 = 0x04;
const ROW: u8 = 0x10;
const UNIQUE_ID: u8 = 0x11;
const EMAIL: u8 = 0x20;
const BLOB: u8 = 0x21;
const BLOB_BY_HASH: u8 = 0x22;
const DERIVED: u8 = 0x23;
const THREAD: u8 = 0x24;
const HEADER: u8 = 0x25;
const DIGEST: u8 = 0x26;
const CHANGE: u8 = 0x30;
const EXPUNGED: u8 = 0x31;
const NOTE: u8 = 0x40;
const FORMAT: u8 = 0xf0;

fn table(account: AccountId, table: u8) -> Vec<u8> {
    let mut key = Vec::with_capacity(4 + 1 + 32);
    key.extend_from_slice(&account.0.to_be_bytes());
    key.push(table);
    key
}

fn with(mut key: Vec<u8>, rest: &[u8]) -> Vec<u8> {
    key.extend_from_slice(rest);
    key
}

/// The record that says which format the store has.
pub(crate) fn format() -> Vec<u8> {
    table(AccountId(0), FORMAT)
}

/// Everything of an account.
pub(crate) fn account_range(account: AccountId) -> KeyRange {
    KeyRange::prefix(account.0.to_be_bytes())
}

pub(crate) fn account(account: AccountId) -> Vec<u8> {
    table(account, ACCOUNT)
}

/// Whether `key` is an account's own record, and whose.
pub(crate) fn is_account(key: &[u8]) -> Option<AccountId> {
    let (id, rest) = key.split_first_chunk::<4>()?;
    (rest == [ACCOUNT]).then_some(AccountId(u32::from_be_bytes(*id)))
}

pub(crate) fn mailbox(account: AccountId, mailbox: MailboxId) -> Vec<u8> {
    with(table(account, MAILBOX), &mailbox.0.to_be_bytes())
}

pub(crate) fn mailboxes(account: AccountId) -> KeyRange {
    KeyRange::prefix(table(account, MAILBOX))
}

pub(crate) fn subscription(account: AccountId, name: &str) -> Vec<u8> {
    with(table(account, SUBSCRIPTION), name.as_bytes())
}

pub(crate) fn subscriptions(account: AccountId) -> KeyRange {
    KeyRange::prefix(table(account, SUBSCRIPTION))
}

pub(crate) fn gone_mailbox(account: AccountId, uid_validity: UidValidity) -> Vec<u8> {
    with(table(account, GONE), &uid_validity.0.to_be_bytes())
}

pub(crate) fn gone_mailboxes(account: AccountId) -> KeyRange {
    KeyRange::prefix(table(account, GONE))
}

/// The UIDVALIDITY at the end of the key of a mailbox that is gone.
pub(crate) fn split_gone(key: &[u8]) -> Option<UidValidity> {
    Some(UidValidity(u32::from_be_bytes(tail(key).try_into().ok()?)))
}

/// What of a key comes after account and table.
pub(crate) fn tail(key: &[u8]) -> &[u8] {
    key.get(5..).unwrap_or_default()
}

/// What a record of a mailbox's rows holds. The order is that of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowKind {
    /// What never changes of the messages of a sealed chunk.
    Fixed,
    /// Their flags.
    Flags,
    /// One message that is in no sealed chunk.
    Open,
    /// A page of the directory of sealed chunks.
    Directory,
}

pub(crate) fn row(account: AccountId, mailbox: MailboxId, kind: RowKind, uid: Uid) -> Vec<u8> {
    with(rows_of_kind(account, mailbox, kind), &uid.0.to_be_bytes())
}

fn rows_of_kind(account: AccountId, mailbox: MailboxId, kind: RowKind) -> Vec<u8> {
    with(with(table(account, ROW), &mailbox.0.to_be_bytes()), &[kind as u8])
}

/// All rows of a mailbox.
pub(crate) fn rows(account: AccountId, mailbox: MailboxId) -> KeyRange {
    KeyRange::prefix(with(table(account, ROW), &mailbox.0.to_be_bytes()))
}

/// The sealed chunks of a mailbox, in both of their kinds.
pub(crate) fn chunks(account: AccountId, mailbox: MailboxId) -> KeyRange {
    let start = rows_of_kind(account, mailbox, RowKind::Fixed);
    KeyRange::new(start, rows_of_kind(account, mailbox, RowKind::Open))
}

/// The open rows of a mailbox, and the directory behind them.
pub(crate) fn outline(account: AccountId, mailbox: MailboxId) -> KeyRange {
    let end = with(rows_of_kind(account, mailbox, RowKind::Directory), &[u8::MAX; 5]);
    KeyRange::new(rows_of_kind(account, mailbox, RowKind::Open), end)
}

/// The directory of a mailbox.
pub(crate) fn directory(account: AccountId, mailbox: MailboxId) -> KeyRange {
    KeyRange::prefix(rows_of_kind(account, mailbox, RowKind::Directory))
}

/// All mailboxes' rows.
pub(crate) fn all_rows(account: AccountId) -> KeyRange {
    KeyRange::prefix(table(account, ROW))
}

/// The mailbox, kind and UID of a row's key.
pub(crate) fn split_row(key: &[u8]) -> Option<(MailboxId, RowKind, Uid)> {
    let (mailbox, rest) = tail(key).split_first_chunk::<4>()?;
    let (kind, rest) = rest.split_first()?;
    let kind = match kind {
        0 => RowKind::Fixed,
        1 => RowKind::Flags,
        2 => RowKind::Open,
        3 => RowKind::Directory,
        _ => return None,
    };
    let uid: &[u8; 4] = rest.try_into().ok()?;
    Some((MailboxId(u32::from_be_bytes(*mailbox)), kind, Uid(u32::from_be_bytes(*uid))))
}

/// The unique-id of a message.
pub(crate) fn unique_id(account: AccountId, mailbox: MailboxId, uid: Uid) -> Vec<u8> {
    with(with(with(table(account, UNIQUE_ID), &mailbox.0.to_be_bytes()), &[0]), &uid.0.to_be_bytes())
}

/// The message of a unique-id.
pub(crate) fn message_by_unique_id(account: AccountId, mailbox: MailboxId, unique_id: &str) -> Vec<u8> {
    with(with(with(table(account, UNIQUE_ID), &mailbox.0.to_be_bytes()), &[1]), unique_id.as_bytes())
}

/// The unique-ids of a mailbox's messages, in the order of UIDs.
pub(crate) fn unique_ids(account: AccountId, mailbox: MailboxId) -> KeyRange {
    KeyRange::prefix(with(with(table(account, UNIQUE_ID), &mailbox.0.to_be_bytes()), &[0]))
}

/// Both sides of all mailboxes' unique-ids.
pub(crate) fn all_unique_ids(account: AccountId) -> KeyRange {
    KeyRange::prefix(table(account, UNIQUE_ID))
}

/// The mailbox of a key of a unique-id, and its side: the UID that it is of, or the unique-id itself.
pub(crate) fn split_unique_id(key: &[u8]) -> Option<(MailboxId, Result<Uid, &[u8]>)> {
    let (mailbox, rest) = tail(key).split_first_chunk::<4>()?;
    let side = match rest.split_first()? {
        (0, uid) => Ok(Uid(u32::from_be_bytes(uid.try_into().ok()?))),
        (1, unique_id) => Err(unique_id),
        _ => return None,
    };
    Some((MailboxId(u32::from_be_bytes(*mailbox)), side))
}

pub(crate) fn email(account: AccountId, email: EmailId) -> Vec<u8> {
    with(table(account, EMAIL), &email.0.to_be_bytes())
}

pub(crate) fn emails(account: AccountId) -> KeyRange {
    KeyRange::prefix(table(account, EMAIL))
}

pub(crate) fn blob(account: AccountId, blob: BlobId) -> Vec<u8> {
    with(table(account, BLOB), &blob.0.to_be_bytes())
}

pub(crate) fn blobs(account: AccountId) -> KeyRange {
    KeyRange::prefix(table(account, BLOB))
}

pub(crate) fn blob_by_hash(account: AccountId, hash: &BlobHash) -> Vec<u8> {
    with(table(account, BLOB_BY_HASH), &hash.0)
}

pub(crate) fn blobs_by_hash(account: AccountId) -> KeyRange {
    KeyRange::prefix(table(account, BLOB_BY_HASH))
}

pub(crate) fn derived(account: AccountId, blob: BlobId) -> Vec<u8> {
    with(table(account, DERIVED), &blob.0.to_be_bytes())
}

/// Derived answers from one blob up to, not including, another.
pub(crate) fn derived_between(account: AccountId, first: BlobId, end: BlobId) -> KeyRange {
    KeyRange::new(derived(account, first), derived(account, end))
}

/// A page of digests.
pub(crate) fn digest(account: AccountId, kind: u8, page: u64) -> Vec<u8> {
    with(with(table(account, DIGEST), &[kind]), &page.to_be_bytes())
}

/// All pages of all kinds.
pub(crate) fn all_digests(account: AccountId) -> KeyRange {
    KeyRange::prefix(table(account, DIGEST))
}

/// The number of a page's key.
pub(crate) fn split_digest(key: &[u8]) -> Option<u64> {
    let (_, page) = tail(key).split_first()?;
    Some(u64::from_be_bytes(page.try_into().ok()?))
}

pub(crate) fn header(account: AccountId, blob: BlobId) -> Vec<u8> {
    with(table(account, HEADER), &blob.0.to_be_bytes())
}

pub(crate) fn all_headers(account: AccountId) -> KeyRange {
    KeyRange::prefix(table(account, HEADER))
}

pub(crate) fn all_derived(account: AccountId) -> KeyRange {
    KeyRange::prefix(table(account, DERIVED))
}

/// The number at the end of keys that have one: email, blob, derived, header, change.
pub(crate) fn split_number(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(tail(key).try_into().ok()?))
}

pub(crate) fn thread(account: AccountId, digest: [u8; 16]) -> Vec<u8> {
    with(table(account, THREAD), &digest)
}

pub(crate) fn threads(account: AccountId) -> KeyRange {
    KeyRange::prefix(table(account, THREAD))
}

pub(crate) fn change(account: AccountId, modseq: ModSeq) -> Vec<u8> {
    with(table(account, CHANGE), &modseq.0.to_be_bytes())
}

/// Changes after `modseq`.
pub(crate) fn changes_after(account: AccountId, modseq: ModSeq) -> KeyRange {
    KeyRange { start: change(account, ModSeq(modseq.0.saturating_add(1))), end: Some(table(account, CHANGE + 1)) }
}

/// Changes up to and with `modseq`.
pub(crate) fn changes_through(account: AccountId, modseq: ModSeq) -> KeyRange {
    KeyRange::new(change(account, ModSeq(0)), change(account, ModSeq(modseq.0.saturating_add(1))))
}

pub(crate) fn expunged(account: AccountId, key: &ExpungedKey) -> Vec<u8> {
    let mut bytes = table(account, EXPUNGED);
    bytes.extend_from_slice(&from_signed(key.when).to_be_bytes());
    bytes.extend_from_slice(&key.modseq.0.to_be_bytes());
    bytes.extend_from_slice(&key.mailbox.0.to_be_bytes());
    bytes.extend_from_slice(&key.first.0.to_be_bytes());
    bytes
}

/// All that can be brought back, in the order in which it was expunged.
pub(crate) fn all_expunged(account: AccountId) -> KeyRange {
    KeyRange::prefix(table(account, EXPUNGED))
}

/// What was expunged after `key`.
pub(crate) fn expunged_after(account: AccountId, key: &ExpungedKey) -> KeyRange {
    // A key's successor is the key with one more byte: there is none in between.
    KeyRange { start: with(expunged(account, key), &[0]), end: Some(table(account, EXPUNGED + 1)) }
}

/// What was expunged up to and with the time `when`.
pub(crate) fn expunged_through(account: AccountId, when: i64) -> KeyRange {
    let end = from_signed(when).saturating_add(1);
    KeyRange::new(table(account, EXPUNGED), with(table(account, EXPUNGED), &end.to_be_bytes()))
}

pub(crate) fn split_expunged(key: &[u8]) -> Option<ExpungedKey> {
    let (when, rest) = tail(key).split_first_chunk::<8>()?;
    let (modseq, rest) = rest.split_first_chunk::<8>()?;
    let (mailbox, rest) = rest.split_first_chunk::<4>()?;
    let first: &[u8; 4] = rest.try_into().ok()?;
    Some(ExpungedKey {
        when: to_signed(u64::from_be_bytes(*when)),
        modseq: ModSeq(u64::from_be_bytes(*modseq)),
        mailbox: MailboxId(u32::from_be_bytes(*mailbox)),
        first: Uid(u32::from_be_bytes(*first)),
    })
}

pub(crate) fn note(account: AccountId, key: &[u8]) -> Vec<u8> {
    with(table(account, NOTE), key)
}

/// Notes whose keys begin with `prefix`.
pub(crate) fn notes(account: AccountId, prefix: &[u8]) -> KeyRange {
    KeyRange::prefix(note(account, prefix))
}
