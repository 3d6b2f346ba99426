//! Bounds on what a peer may send.

/// Bounds on what a peer may send, checked before anything is copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The longest message, in bytes after base64 decoding.
    pub message_bytes_max: usize,
    /// The longest user name or authorization identity, in bytes. RFC 4616 §2 wants at least 255.
    pub name_bytes_max: usize,
    /// The longest password, in bytes. RFC 4616 §2 wants at least 255.
    pub password_bytes_max: usize,
    /// The fewest iterations that a SCRAM client accepts; fewer would hand a guesser an easy target (RFC 7677 §4).
    pub iterations_min: u32,
    /// The most iterations that a SCRAM client computes at a server's word.
    pub iterations_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes_max: 4096,
            name_bytes_max: 512,
            password_bytes_max: 1024,
            iterations_min: 4096,
            iterations_max: 1_000_000,
        }
    }
}
