//! Why an exchange cannot go on.

/// Why an exchange ended without success. After any of these the exchange is over.
///
/// The variants are for logs and for the caller's decisions; a server tells its client one and the same text for
/// all that depend on credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SaslError {
    /// The peer's message does not follow the mechanism's grammar.
    #[error("malformed message: {0}")]
    Malformed(&'static str),
    /// The peer's message, or a field of it, is longer than [`crate::Limits`] allow.
    #[error("message too long")]
    TooLong,
    /// The exchange is not waiting for this: it is finished, has failed, or is waiting for keys.
    #[error("the exchange is not waiting for this")]
    OutOfOrder,
    /// The client's proof does not match the stored keys: a wrong password.
    #[error("the credentials do not match")]
    Failed,
    /// The channel binding is missing, of a kind not supported, or that of another connection; also a client that
    /// was made to believe that the server offers no channel binding.
    #[error("channel binding failed: {0}")]
    ChannelBinding(&'static str),
    /// The server did not prove that it knows the keys; it may be an impostor.
    #[error("the server did not prove its identity")]
    ServerUnproven,
    /// The server refused, with its own word for why.
    #[error("the server refused: {0}")]
    Refused(String),
    /// The mechanism is PLUS, and there is no channel binding to use it with.
    #[error("the mechanism needs channel binding data")]
    BindingMissing,
    /// The system gave no random numbers.
    #[error("no random numbers: {0}")]
    Random(String),
}
