//! The embedded engine: LMDB and segment files
