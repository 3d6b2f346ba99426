//! IMAP sessions
