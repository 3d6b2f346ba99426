//! The grammar of SMTP, submission and LMTP
