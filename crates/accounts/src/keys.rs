//! The layout of the records, all under account id 0, which no account has.
//!
//! | key | value |
//! |---|---|
//! | `00000000 01 01` | the next account id |
//! | `00000000 01 02` | the secret behind app passwords and SCRAM decoys |
//! | `00000000 02` + id, 4 bytes, big-endian | an account |
//! | `00000000 03` + address | the id of the account that has this address |
//! | `00000000 04` + address or `@domain` | the targets of an alias |
//!
//! Values are JSON with a version (see `record`): they are few and cold, and an operator may have to read them.

use postrider_engine::KeyRange;

use crate::AccountId;

const META: u8 = 1;
const ACCOUNT: u8 = 2;
const ADDRESS: u8 = 3;
const ALIAS: u8 = 4;

/// The key of the counter of account ids.
pub(crate) fn counter() -> Vec<u8> {
    key(META, &[1])
}

/// The key of the secret.
pub(crate) fn secret() -> Vec<u8> {
    key(META, &[2])
}

/// The key of an account.
pub(crate) fn account(id: AccountId) -> Vec<u8> {
    key(ACCOUNT, &id.0.to_be_bytes())
}

/// The key of an account's address.
pub(crate) fn address(address: &str) -> Vec<u8> {
    key(ADDRESS, address.as_bytes())
}

/// The key of an alias.
pub(crate) fn alias(alias: &str) -> Vec<u8> {
    key(ALIAS, alias.as_bytes())
}

/// All accounts, in order of their ids.
pub(crate) fn accounts() -> KeyRange {
    KeyRange::prefix(key(ACCOUNT, &[]))
}

/// All aliases.
pub(crate) fn aliases() -> KeyRange {
    KeyRange::prefix(key(ALIAS, &[]))
}

/// What follows the table's byte in a key.
pub(crate) fn suffix(key: &[u8]) -> &[u8] {
    key.get(5..).unwrap_or_default()
}

fn key(table: u8, suffix: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(5 + suffix.len());
    key.extend_from_slice(&[0, 0, 0, 0, table]);
    key.extend_from_slice(suffix);
    key
}
