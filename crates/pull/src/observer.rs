//! Whom a run tells how far it is.

/// Is told of a run while it goes on. Calls come often and must not take long.
pub trait Observer: Send + Sync {
    /// So many messages are done, of so many (where that is known), with so many bytes received.
    fn progress(&self, messages: u64, messages_total: Option<u64>, bytes: u64);

    /// Something that people should know, in one line.
    fn note(&self, note: String);
}

/// An observer that does not care.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn progress(&self, _: u64, _: Option<u64>, _: u64) {}

    fn note(&self, _: String) {}
}
