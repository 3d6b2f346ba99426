//! A reply as sessions pass it around.

use std::borrow::Cow;

use postrider_smtp_proto::{EnhancedCode, ParseError, encode_reply};

/// A reply of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    enhanced: EnhancedCode,
    text: Cow<'static, str>,
}

impl Reply {
    /// A reply with its enhanced status code, as `(class, subject, detail)`.
    pub(crate) fn new(code: u16, enhanced: (u8, u16, u16), text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, enhanced: EnhancedCode(enhanced.0, enhanced.1, enhanced.2), text: text.into() }
    }

    /// A command that does not fit the moment.
    pub(crate) fn out_of_order(text: &'static str) -> Self {
        Self::new(503, (5, 5, 1), text)
    }

    /// Something on our side failed; the client may come again.
    pub(crate) fn local_error() -> Self {
        Self::new(451, (4, 3, 0), "The server has a problem, try again later")
    }

    /// Whether the client was refused for good.
    pub(crate) fn is_permanent(&self) -> bool {
        self.code >= 500
    }

    /// The same reply about one recipient.
    pub(crate) fn about(&self, recipient: &str) -> Self {
        Self { text: format!("{recipient} {}", self.text).into(), ..self.clone() }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        encode_reply(out, self.code, Some(self.enhanced), &[&self.text]);
    }
}

impl From<&ParseError> for Reply {
    fn from(error: &ParseError) -> Self {
        let (code, enhanced) = error.reply();
        Self { code, enhanced, text: error.to_string().into() }
    }
}
