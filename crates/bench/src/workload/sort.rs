//! SORT and THREAD (RFC 5256) of the large mailbox.

use anyhow::Result;

use super::search::{first, repeated};
use crate::site::{Sample, Site};

/// The capability of SORT.
pub const SORT: Option<&str> = Some("SORT");
/// The capability of THREAD REFERENCES.
pub const THREAD: Option<&str> = Some("THREAD=REFERENCES");

const BY_SUBJECT: &str = "SORT (SUBJECT) UTF-8 ALL";
const BY_REFERENCES: &str = "THREAD REFERENCES UTF-8 ALL";

/// Newest first, as lists of messages are shown.
pub fn by_date(site: &Site<'_>) -> Result<Sample> {
    repeated(site, "SORT (REVERSE DATE) UTF-8 ALL")
}

/// By base subject.
pub fn by_subject(site: &Site<'_>) -> Result<Sample> {
    repeated(site, BY_SUBJECT)
}

/// The same, for the first time.
pub fn by_subject_first(site: &Site<'_>) -> Result<Sample> {
    first(site, BY_SUBJECT)
}

/// Conversations.
pub fn thread(site: &Site<'_>) -> Result<Sample> {
    repeated(site, BY_REFERENCES)
}

/// The same, for the first time.
pub fn thread_first(site: &Site<'_>) -> Result<Sample> {
    first(site, BY_REFERENCES)
}
