//! Answers: status lines, lines of listings and their end.
//!
//! Everything an answer is made of passes through one filter, so that no text, from wherever it came, can
//! end a line early or make one longer than RFC 2449 §4 allows.

/// The longest first line of an answer, with its line end, in octets (RFC 2449 §4).
const LINE_BYTES_MAX: usize = 512;

/// What a client's program may want to know about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseCode {
    /// Another session holds the maildrop (RFC 2449 §8.1.2).
    InUse,
    /// The last login was too short a time ago (RFC 2449 §8.1.1).
    LoginDelay,
    /// The server has a problem that passes by itself (RFC 3206 §4).
    SysTemp,
    /// The server has a problem that somebody must solve (RFC 3206 §4).
    SysPerm,
    /// The credentials are the problem (RFC 3206 §5).
    Auth,
    /// The command needs UTF-8 mode (RFC 6856 §5).
    Utf8,
}

impl ResponseCode {
    /// The code as it stands between the brackets.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InUse => "IN-USE",
            Self::LoginDelay => "LOGIN-DELAY",
            Self::SysTemp => "SYS/TEMP",
            Self::SysPerm => "SYS/PERM",
            Self::Auth => "AUTH",
            Self::Utf8 => "UTF8",
        }
    }
}

/// Writes a positive status line.
pub fn encode_ok(out: &mut Vec<u8>, code: Option<ResponseCode>, text: &str) {
    encode_status(out, "+OK", code, text);
}

/// Writes a negative status line.
pub fn encode_err(out: &mut Vec<u8>, code: Option<ResponseCode>, text: &str) {
    encode_status(out, "-ERR", code, text);
}

fn encode_status(out: &mut Vec<u8>, status: &str, code: Option<ResponseCode>, text: &str) {
    let start = out.len();
    out.extend_from_slice(status.as_bytes());
    if let Some(code) = code {
        out.extend_from_slice(b" [");
        out.extend_from_slice(code.as_str().as_bytes());
        out.push(b']');
    }
    if !text.is_empty() {
        out.push(b' ');
        // RFC 2449 §6.4: after RESP-CODES was announced, text that opens a bracket is a code.
        if code.is_none() && text.starts_with('[') {
            out.extend_from_slice(b"- ");
        }
        encode_text(out, text, (start + LINE_BYTES_MAX - 2).saturating_sub(out.len()));
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends text of at most `bytes_max` bytes, whole characters only, control characters made spaces.
fn encode_text(out: &mut Vec<u8>, text: &str, bytes_max: usize) {
    let mut room = bytes_max;
    for character in text.chars() {
        let character = if character.is_control() { ' ' } else { character };
        if character.len_utf8() > room {
            return;
        }
        room -= character.len_utf8();
        let mut buffer = [0; 4];
        out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
    }
}

/// Writes a challenge of a SASL exchange, already in Base64 (RFC 5034 §4); an empty one is `+` and a space.
pub fn encode_continuation(out: &mut Vec<u8>, base64: &str) {
    out.extend_from_slice(b"+ ");
    out.extend_from_slice(base64.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Writes one line of a multi-line answer, made transparent if it begins with a dot.
pub fn encode_line(out: &mut Vec<u8>, text: &str) {
    if text.starts_with('.') {
        out.push(b'.');
    }
    encode_text(out, text, LINE_BYTES_MAX - 3);
    out.extend_from_slice(b"\r\n");
}

/// Writes a line of LIST: a message and its size.
pub fn encode_number_line(out: &mut Vec<u8>, message: u32, octets: u64) {
    push_decimal(out, u64::from(message));
    out.push(b' ');
    push_decimal(out, octets);
    out.extend_from_slice(b"\r\n");
}

/// Writes a line of UIDL: a message and its unique id, of at most 70 printable characters (RFC 1939 §7).
pub fn encode_unique_id_line(out: &mut Vec<u8>, message: u32, unique_id: &str) {
    push_decimal(out, u64::from(message));
    out.push(b' ');
    out.extend(unique_id.bytes().filter(u8::is_ascii_graphic).take(70));
    out.extend_from_slice(b"\r\n");
}

/// Ends a multi-line answer.
pub fn encode_end(out: &mut Vec<u8>) {
    out.extend_from_slice(b".\r\n");
}

/// Listings have a line per message, so numbers are written without an allocation.
fn push_decimal(out: &mut Vec<u8>, mut value: u64) {
    let start = out.len();
    loop {
        out.push(b'0' + (value % 10) as u8);
        value /= 10;
        if value == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("answers are UTF-8")
    }

    #[test]
    fn status_lines_carry_codes_and_text() {
        assert_eq!(written(|out| encode_ok(out, None, "")), "+OK\r\n");
        assert_eq!(written(|out| encode_ok(out, None, "2 320")), "+OK 2 320\r\n");
        let text = "Do you have another POP session running?";
        assert_eq!(
            written(|out| encode_err(out, Some(ResponseCode::InUse), text)),
            format!("-ERR [IN-USE] {text}\r\n")
        );
        for (code, shown) in [
            (ResponseCode::LoginDelay, "LOGIN-DELAY"),
            (ResponseCode::SysTemp, "SYS/TEMP"),
            (ResponseCode::SysPerm, "SYS/PERM"),
            (ResponseCode::Auth, "AUTH"),
            (ResponseCode::Utf8, "UTF8"),
        ] {
            assert_eq!(written(|out| encode_err(out, Some(code), "no")), format!("-ERR [{shown}] no\r\n"));
        }
    }

    #[test]
    fn text_cannot_break_out_of_its_line() {
        assert_eq!(written(|out| encode_err(out, None, "a\r\n+OK b\0")), "-ERR a  +OK b \r\n");
        assert_eq!(written(|out| encode_ok(out, None, "[AUTH] not a code")), "+OK - [AUTH] not a code\r\n");
        assert_eq!(written(|out| encode_line(out, ".\r\n.")), "..  .\r\n");
    }

    #[test]
    fn listings_end_with_a_dot() {
        let shown = written(|out| {
            encode_number_line(out, 1, 0);
            encode_number_line(out, 20, u64::MAX);
            encode_unique_id_line(out, 3, "whqtswO00WBw418f9t5JxYwZ");
            encode_end(out);
        });
        assert_eq!(shown, "1 0\r\n20 18446744073709551615\r\n3 whqtswO00WBw418f9t5JxYwZ\r\n.\r\n");
    }

    #[test]
    fn unique_ids_stay_inside_their_grammar() {
        let shown = written(|out| encode_unique_id_line(out, 1, &format!("a b\r\nü{}", "x".repeat(100))));
        assert_eq!(shown, format!("1 ab{}\r\n", "x".repeat(68)));
    }

    #[test]
    fn continuations_keep_the_space_before_nothing() {
        assert_eq!(written(|out| encode_continuation(out, "")), "+ \r\n");
        assert_eq!(written(|out| encode_continuation(out, "Zm9v")), "+ Zm9v\r\n");
    }

    proptest! {
        #[test]
        fn a_status_is_always_one_line_of_legal_length(text in any::<String>(), long in 0usize..4) {
            let text = text.repeat(1 + long * 50);
            let shown = written(|out| encode_err(out, Some(ResponseCode::SysTemp), &text));
            prop_assert!(shown.len() <= 512 && shown.ends_with("\r\n"));
            prop_assert_eq!(shown.matches(['\r', '\n']).count(), 2);
        }
    }
}
