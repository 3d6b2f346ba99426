//! One committed state: a transaction of LMDB and the overlay's state that belongs to it.

use std::sync::Arc;

use heed::{RoTxn, WithoutTls};
use postrider_engine::EngineError;

use crate::{
    Shared,
    error::from_heed,
    layer::Found,
    layout::{self, StoredBody},
    overlay::{self, State},
    run::BodyPlace,
};

/// A read transaction with the state of the overlay over it.
pub(crate) struct View<'e> {
    /// The overlay's state; its table has every segment that the two can name.
    pub state: Arc<State>,
    /// The transaction.
    pub txn: RoTxn<'e, WithoutTls>,
}

impl<'e> View<'e> {
    /// Opens a transaction, by `begin`, and takes the state that belongs to it.
    ///
    /// Everything is published before LMDB has it, and dropped after. So if the state is the same one before and after
    /// the transaction began, LMDB has nothing that the state does not know, and all that the state does not hold.
    pub fn open(shared: &Shared, begin: impl Fn() -> heed::Result<RoTxn<'e, WithoutTls>>) -> Result<Self, EngineError> {
        loop {
            let state = shared.overlay.load();
            let txn = begin().map_err(from_heed)?;
            if shared.overlay.is_current(&state) {
                return Ok(Self { state, txn });
            }
        }
    }

    /// A view for one call.
    pub fn now(shared: &'e Shared) -> Result<Self, EngineError> {
        Self::open(shared, || shared.environment.env.read_txn())
    }

    /// The value of a record.
    pub fn record(&self, shared: &Shared, key: &[u8]) -> Result<Option<&[u8]>, EngineError> {
        match overlay::find(self.state.records(), key) {
            Found::Value(value) => Ok(Some(value)),
            Found::Deleted => Ok(None),
            Found::Below => {
                let stored = shared.environment.databases.records.get(&self.txn, key).map_err(from_heed)?;
                stored.map(|stored| layout::unseal("record", key, stored)).transpose()
            }
        }
    }

    /// Where a body is; what lies inline is not checked.
    pub fn body(&self, shared: &Shared, key: &[u8]) -> Result<Option<Named<'_>>, EngineError> {
        match overlay::find(self.state.bodies(), key) {
            Found::Value(place) => Ok(Some(Named::Fresh(place))),
            Found::Deleted => Ok(None),
            Found::Below => {
                let stored = shared.environment.databases.bodies.get(&self.txn, key).map_err(from_heed)?;
                Ok(stored.map(Named::Stored))
            }
        }
    }
}

/// A body as the overlay or LMDB names it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Named<'a> {
    /// By the overlay.
    Fresh(&'a BodyPlace),
    /// By LMDB, as stored.
    Stored(&'a [u8]),
}

impl Named<'_> {
    /// Whether the body lies at this place in a segment.
    pub fn is_at(&self, key: &[u8], place: &layout::Location) -> bool {
        match self {
            Self::Fresh(BodyPlace::Segment(location)) => location == place,
            Self::Fresh(BodyPlace::Inline(_)) => false,
            Self::Stored(stored) => {
                matches!(StoredBody::parse(key, stored), Ok(StoredBody::Segment(location)) if location == *place)
            }
        }
    }
}
