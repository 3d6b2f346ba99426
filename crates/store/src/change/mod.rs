//! The changes an account can undergo, one file each.

pub(crate) mod append;
pub(crate) mod copy;
pub(crate) mod digest;
pub(crate) mod expunge;
pub(crate) mod load;
pub(crate) mod mailbox;
pub(crate) mod note;
pub(crate) mod origin;
pub(crate) mod raise;
pub(crate) mod rebuild;
pub(crate) mod store_flags;
pub(crate) mod subscribe;
pub(crate) mod sweep;
pub(crate) mod undelete;

use std::future::Future;

use crate::{draft::Draft, error::StoreError};

/// Something that an account's writer does.
///
/// A change may run more than once before it is answered, each time on a fresh draft: if another node wrote first, the
/// group begins again. It validates first and alters the draft only when nothing of its own can fail any more.
pub(crate) trait Change: Send + Sync + 'static {
    /// What the caller learns.
    type Outcome: Send + 'static;

    /// Brings the draft to the state after the change.
    fn apply(&self, draft: &mut Draft) -> impl Future<Output = Result<Self::Outcome, StoreError>> + Send;
}
