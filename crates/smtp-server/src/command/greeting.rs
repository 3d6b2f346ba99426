//! HELO, EHLO, LHLO and RSET.

use postrider_net::Security;
use postrider_smtp_proto::{Dialect, Extensions, Host, encode_reply};

use crate::{
    reply::Reply,
    service::SmtpRole,
    session::{Session, Stream, one},
    transaction::Greeting,
};

impl<S: Stream> Session<S> {
    /// HELO (RFC 5321 §4.1.1.1).
    pub(crate) fn helo(&mut self, host: Host) -> Vec<Reply> {
        if self.role == SmtpRole::Lmtp {
            return one(lmtp_only());
        }
        self.greet(host, Dialect::Smtp);
        encode_reply(&mut self.out, 250, None, &[&self.service.options.host_name]);
        Vec::new()
    }

    /// EHLO (RFC 5321 §4.1.1.1).
    pub(crate) fn ehlo(&mut self, host: Host) -> Vec<Reply> {
        if self.role == SmtpRole::Lmtp {
            return one(lmtp_only());
        }
        self.greet(host, Dialect::Esmtp);
        self.announce();
        Vec::new()
    }

    /// LHLO (RFC 2033 §4.1).
    pub(crate) fn lhlo(&mut self, host: Host) -> Vec<Reply> {
        if self.role != SmtpRole::Lmtp {
            return one(Reply::new(500, (5, 5, 1), "This is SMTP: say EHLO"));
        }
        self.greet(host, Dialect::Lmtp);
        self.announce();
        Vec::new()
    }

    /// A greeting ends a transaction as RSET does (RFC 5321 §4.1.4).
    fn greet(&mut self, host: Host, dialect: Dialect) {
        self.transaction = None;
        self.greeting = Some(Greeting { host, dialect });
    }

    fn announce(&mut self) {
        let mechanisms = match (self.role, &self.login) {
            (SmtpRole::Submission, None) => self.service.accounts.mechanisms(&self.login_connection()),
            _ => Vec::new(),
        };
        let extensions = Extensions {
            size: Some(self.service.message_bytes_max()),
            starttls: self.service.tls.is_some() && *self.transport.security() == Security::Plain,
            auth: mechanisms.iter().map(|mechanism| mechanism.name().to_owned()).collect(),
            chunking: true,
            binarymime: self.service.options.binarymime,
            // To announce DSN is to promise reports of success (RFC 3461 §5), and nobody here sends any. The
            // parameters are read and obeyed as far as silence obeys them.
            dsn: false,
            smtputf8: true,
        };
        extensions.encode(&mut self.out, &self.service.options.host_name, "at your service");
    }

    /// RSET (RFC 5321 §4.1.1.5).
    pub(crate) fn rset(&mut self) -> Reply {
        self.transaction = None;
        Reply::new(250, (2, 0, 0), "Ok")
    }
}

/// RFC 2033 §4.1: HELO and EHLO are not part of LMTP.
fn lmtp_only() -> Reply {
    Reply::new(500, (5, 5, 1), "This is LMTP: say LHLO")
}
