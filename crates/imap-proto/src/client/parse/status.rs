//! Status responses and their codes (RFC 9051 §7.1).

use bytes::Bytes;
use memchr::memchr;

use super::cursor::Cursor;
use crate::client::code::ResponseCode;
use crate::client::response::StatusResponse;
use crate::command::Flag;
use crate::encode::{Code, NewKeywords, Status};

/// Codes that stand alone. What a server puts behind one nevertheless is left out.
static BARE: [Code; 31] = [
    Code::Alert,
    Code::AlreadyExists,
    Code::AuthenticationFailed,
    Code::AuthorizationFailed,
    Code::Cannot,
    Code::ClientBug,
    Code::Closed,
    Code::ContactAdmin,
    Code::Corruption,
    Code::Expired,
    Code::ExpungeIssued,
    Code::HasChildren,
    Code::InUse,
    Code::Limit,
    Code::NoModseq,
    Code::NonExistent,
    Code::NoPerm,
    Code::NotSaved,
    Code::OverQuota,
    Code::Parse,
    Code::PrivacyRequired,
    Code::ReadOnly,
    Code::ReadWrite,
    Code::ServerBug,
    Code::TooBig,
    Code::TryCreate,
    Code::UidNotSticky,
    Code::Unavailable,
    Code::UnknownCte,
    Code::UseAttr,
    Code::BadCharset(Vec::new()),
];

impl<'a> Cursor<'a> {
    /// `resp-cond-state` and its kin. The text may be missing: AOL ends `* OK [HIGHESTMODSEQ 127]` behind the code.
    pub(super) fn status_response(&mut self) -> Option<StatusResponse> {
        let word = self.bare();
        let status = [Status::Ok, Status::No, Status::Bad, Status::Bye, Status::PreAuth]
            .into_iter()
            .find(|status| word.eq_ignore_ascii_case(status.as_str().as_bytes()))?;
        // One space and no more: a text that begins with `[` is told from a code by a second one.
        self.eat(b' ');
        let start = self.position();
        let mut code = self.code();
        if code.is_none() {
            self.set_position(start);
        }
        let text = String::from_utf8_lossy(self.rest().trim_ascii()).into_owned();
        if code.is_none() && quirk_throttled_at_the_end(&text) {
            code = Some(ResponseCode::Throttled);
        }
        Some(StatusResponse { status, code, text })
    }

    /// `"[" resp-text-code "]"`
    fn code(&mut self) -> Option<ResponseCode> {
        self.expect(b'[')?;
        self.spaces();
        let name = self.take_while(|octet| !matches!(octet, b' ' | b']' | b'(' | b'\r' | b'\n'));
        let name = String::from_utf8_lossy(name).to_ascii_uppercase();
        if name.is_empty() {
            return None;
        }
        self.spaces();
        let start = self.position();
        if let Some(code) = self.known_code(&name) {
            self.spaces();
            if self.eat(b']') {
                return Some(code);
            }
        }
        self.set_position(start);
        let arguments = self.up_to_bracket()?;
        let bare = BARE.iter().find(|code| code.name() == name);
        Some(match bare {
            Some(code) => ResponseCode::Known(code.clone()),
            None => ResponseCode::Other { name, arguments },
        })
    }

    fn known_code(&mut self, name: &str) -> Option<ResponseCode> {
        Some(ResponseCode::Known(match name {
            "APPENDUID" => {
                let uid_validity = self.number()?;
                self.spaces();
                Code::AppendUid { uid_validity, uids: self.uid_set()? }
            }
            "COPYUID" => {
                let uid_validity = self.number()?;
                self.spaces();
                let source = self.uid_set()?;
                self.spaces();
                Code::CopyUid { uid_validity, source, target: self.uid_set()? }
            }
            "BADCHARSET" if self.peek() == Some(b'(') => Code::BadCharset(self.list(Self::text)?),
            "CAPABILITY" => Code::Capability(self.words_in_brackets()?),
            "HIGHESTMODSEQ" => Code::HighestModseq(self.number64()?),
            "MAILBOXID" => Code::MailboxId(self.object_id_in_brackets()?),
            "MODIFIED" => Code::Modified(self.uid_set()?),
            "PERMANENTFLAGS" => self.permanent_flags()?,
            "UIDNEXT" => Code::UidNext(self.number()?),
            "UIDVALIDITY" => Code::UidValidity(self.number()?),
            "UNSEEN" => Code::Unseen(self.number()?),
            "COMPRESSIONACTIVE" => return Some(ResponseCode::CompressionActive),
            "NOTIFICATIONOVERFLOW" => return Some(ResponseCode::NotificationOverflow),
            "THROTTLED" => {
                self.up_to(b']')?;
                return Some(ResponseCode::Throttled);
            }
            "REFERRAL" => return Some(ResponseCode::Referral(self.up_to(b']')?.to_vec())),
            "WEBALERT" => return Some(ResponseCode::WebAlert(self.up_to(b']')?.to_vec())),
            "MESSAGELIMIT" => {
                let messages = self.number()?;
                self.spaces();
                let first_done = if self.peek() == Some(b']') { None } else { Some(self.number()?) };
                return Some(ResponseCode::MessageLimit { messages, first_done });
            }
            _ => return None,
        }))
    }

    /// `"PERMANENTFLAGS" SP "(" [flag-perm *(SP flag-perm)] ")"`; `*` without its backslash is let pass.
    fn permanent_flags(&mut self) -> Option<Code> {
        let mut flags = self.list(Self::flag)?;
        let told = flags.len();
        flags.retain(|flag| !matches!(flag, Flag::Extension(name) | Flag::Keyword(name) if name == "*"));
        let new_keywords = if flags.len() < told { NewKeywords::Allowed } else { NewKeywords::Refused };
        Some(Code::PermanentFlags { flags, new_keywords })
    }

    fn words_in_brackets(&mut self) -> Option<Vec<String>> {
        let text = self.up_to(b']')?;
        let words = text.split(|&octet| octet == b' ').filter(|word| !word.is_empty());
        Some(words.take(self.limits.elements_max).map(|word| String::from_utf8_lossy(word).into_owned()).collect())
    }

    fn object_id_in_brackets(&mut self) -> Option<String> {
        if self.peek() == Some(b'(') {
            return self.object_id();
        }
        Some(String::from_utf8_lossy(self.up_to(b']')?.trim_ascii()).into_owned())
    }

    /// Octets before the next one of a kind.
    fn up_to(&mut self, end: u8) -> Option<&'a [u8]> {
        let length = memchr(end, self.rest())?;
        self.take(length)
    }

    /// Arguments that are not read, and the bracket that closes them: the first outside quotes, or the first at all.
    fn up_to_bracket(&mut self) -> Option<Bytes> {
        let start = self.position();
        let mut quoted = false;
        let mut escaped = false;
        let outside_quotes = self.rest().iter().position(|&octet| {
            match octet {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                _ => {}
            }
            octet == b']' && !quoted
        });
        let length = outside_quotes.or_else(|| memchr(b']', self.rest()))?;
        self.take(length)?;
        let arguments = self.since(start);
        self.eat(b']');
        Some(arguments)
    }
}

/// Gmail says `OK Success [THROTTLED]`, with the code behind the text.
fn quirk_throttled_at_the_end(text: &str) -> bool {
    text.ends_with("[THROTTLED]")
}
