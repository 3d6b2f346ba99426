//! Mail fetched from other servers, by POP3 and IMAP, into an account of this one.
