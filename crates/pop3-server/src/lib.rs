//! POP3 sessions
