//! CAPA and UTF8.

use postrider_net::Security;
use postrider_pop3_proto::{Capabilities, LoginDelay, Scope};

use crate::{
    session::{Answer, Session, State, Stream},
    text::Text,
};

impl<S: Stream> Session<S> {
    /// CAPA (RFC 2449 §5). What belongs to the state before login is announced after it, too, as the RFC asks.
    pub(crate) async fn capa(&mut self) -> Answer {
        let mechanisms = self.service.accounts.mechanisms(&self.login_connection());
        let capabilities = Capabilities {
            user: mechanisms.iter().any(|mechanism| mechanism.reveals_password()),
            stls: self.service.tls.is_some() && *self.transport.security() == Security::Plain,
            sasl: mechanisms.iter().map(|mechanism| mechanism.name().to_owned()).collect(),
            expire: Some(self.service.options.expire),
            login_delay: self.login_delay().await,
            utf8: true,
            lang: true,
            implementation: self.service.options.implementation.clone(),
        };
        capabilities.encode(&mut self.out);
        Ok(())
    }

    async fn login_delay(&self) -> Option<LoginDelay> {
        let (seconds, scope) = match &self.state {
            State::Transaction(maildrop) => (self.service.login_delay(&maildrop.login.settings), Scope::Exact),
            State::Authorization { .. } => (self.service.login_delay_max().await, Scope::PerUser),
        };
        // Before login `USER` says that this account's own value may be less, even none (RFC 2449 §6.5).
        (seconds > 0).then_some(LoginDelay { seconds, scope })
    }

    /// UTF8 (RFC 6856 §2.1).
    pub(crate) fn utf8(&mut self) -> Answer {
        self.utf8 = true;
        self.ok(Text::Utf8Enabled);
        Ok(())
    }
}
