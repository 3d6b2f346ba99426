//! Replies (RFC 5321 §4.2) with enhanced status codes (RFC 2034, RFC 3463).
//!
//! Text comes from everywhere: addresses a client sent, errors of other systems. All of it passes through one
//! filter, so that nothing can end a line early, and nobody is sent characters they did not ask for.

/// The longest line of a reply, with its line end, in octets (RFC 5321 §4.5.3.1.5).
const LINE_BYTES_MAX: usize = 512;

/// An enhanced status code: class, subject, detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnhancedCode(pub u8, pub u16, pub u16);

/// Writes a reply of one or more lines; the enhanced code, if there is one, opens each (RFC 2034 §4).
pub fn encode_reply(out: &mut Vec<u8>, code: u16, enhanced: Option<EnhancedCode>, lines: &[&str]) {
    let last = lines.len().saturating_sub(1);
    let none = [""];
    let lines = if lines.is_empty() { &none } else { lines };
    let enhanced = enhanced.map(|EnhancedCode(class, subject, detail)| format!("{class}.{subject}.{detail}"));
    for (index, line) in lines.iter().enumerate() {
        let start = out.len();
        out.extend_from_slice(code.to_string().as_bytes());
        out.push(if index == last { b' ' } else { b'-' });
        if let Some(enhanced) = &enhanced {
            out.extend_from_slice(enhanced.as_bytes());
            out.push(b' ');
        }
        let room = (start + LINE_BYTES_MAX - 2).saturating_sub(out.len());
        out.extend(line.chars().take(room).map(shown));
        out.extend_from_slice(b"\r\n");
    }
}

/// Replies are ASCII, except to clients that asked for more (RFC 6531 §3.7.4.2), which gains nobody anything here.
fn shown(character: char) -> u8 {
    match u8::try_from(character) {
        Ok(byte @ b' '..=b'~') => byte,
        Ok(byte) if byte.is_ascii() => b' ',
        _ => b'?',
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(code: u16, enhanced: Option<EnhancedCode>, lines: &[&str]) -> String {
        let mut out = Vec::new();
        encode_reply(&mut out, code, enhanced, lines);
        String::from_utf8(out).expect("replies are ASCII")
    }

    #[test]
    fn replies_have_one_or_more_lines() {
        let ok = Some(EnhancedCode(2, 1, 5));
        assert_eq!(written(250, None, &["OK"]), "250 OK\r\n");
        assert_eq!(written(250, ok, &["Recipient ok"]), "250 2.1.5 Recipient ok\r\n");
        assert_eq!(
            written(250, None, &["mail.example", "SIZE 10", "HELP"]),
            "250-mail.example\r\n250-SIZE 10\r\n250 HELP\r\n"
        );
        assert_eq!(written(550, Some(EnhancedCode(5, 7, 1)), &["a", "b"]), "550-5.7.1 a\r\n550 5.7.1 b\r\n");
        assert_eq!(written(334, None, &[""]), "334 \r\n");
        assert_eq!(written(354, None, &[]), "354 \r\n");
    }

    #[test]
    fn text_cannot_break_out_of_its_line() {
        assert_eq!(written(550, None, &["no <a\r\n250 b@ü>\0"]), "550 no <a  250 b@?> \r\n");
    }

    proptest! {
        #[test]
        fn lines_are_legal_whatever_the_text(text in any::<String>(), times in 1usize..100) {
            let shown = written(550, Some(EnhancedCode(5, 1, 1)), &[&text.repeat(times)]);
            prop_assert!(shown.len() <= 512 && shown.is_ascii());
            prop_assert_eq!(shown.find(['\r', '\n']), Some(shown.len() - 2));
        }
    }
}
