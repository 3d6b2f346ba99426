//! BODYSTRUCTURE and BODY, rendered once at delivery.

use crate::envelope::render_envelope;
use crate::imap_text::{write_nstring, write_number, write_string};
use crate::parameter::Parameter;
use crate::structure::{Disposition, Part, PartKind, Structure};

/// Whether the extension data of RFC 9051 §7.5.2 is written.
#[derive(Clone, Copy, PartialEq)]
enum Extension {
    /// BODYSTRUCTURE
    Written,
    /// BODY
    Omitted,
}

/// The `body` of BODYSTRUCTURE, with extension data.
pub fn render_bodystructure(structure: &Structure, raw: &[u8]) -> Vec<u8> {
    render(structure, raw, Extension::Written)
}

/// The `body` of BODY, without extension data.
pub fn render_body(structure: &Structure, raw: &[u8]) -> Vec<u8> {
    render(structure, raw, Extension::Omitted)
}

fn render(structure: &Structure, raw: &[u8], extension: Extension) -> Vec<u8> {
    let mut text = Vec::with_capacity(256);
    Renderer { raw, extension }.part(&structure.root, &mut text);
    text
}

struct Renderer<'a> {
    raw: &'a [u8],
    extension: Extension,
}

impl Renderer<'_> {
    fn part(&self, part: &Part, text: &mut Vec<u8>) {
        text.push(b'(');
        match &part.kind {
            PartKind::Multipart(children) => self.multipart(part, children, text),
            PartKind::Message(message) => self.message(part, message, text),
            PartKind::Leaf => self.leaf(part, text),
        }
        text.push(b')');
    }

    fn multipart(&self, part: &Part, children: &[Part], text: &mut Vec<u8>) {
        for child in children {
            self.part(child, text);
        }
        // The grammar wants at least one body, so a multipart without parts shows an empty text.
        if children.is_empty() {
            self.part(&Part::plain(0..0, 0..0), text);
        }
        text.push(b' ');
        write_string(part.subtype.as_bytes(), text);
        if self.extension == Extension::Written {
            text.push(b' ');
            write_parameters(&part.parameters, text);
            write_common_extension(part, text);
        }
    }

    fn message(&self, part: &Part, message: &Part, text: &mut Vec<u8>) {
        write_basic_fields(part, text);
        text.push(b' ');
        text.extend_from_slice(&render_envelope(self.raw, message.header.clone()));
        text.push(b' ');
        self.part(message, text);
        text.push(b' ');
        write_number(part.lines, text);
        self.single_extension(part, text);
    }

    fn leaf(&self, part: &Part, text: &mut Vec<u8>) {
        write_basic_fields(part, text);
        if part.media_type == "text" {
            text.push(b' ');
            write_number(part.lines, text);
        }
        self.single_extension(part, text);
    }

    fn single_extension(&self, part: &Part, text: &mut Vec<u8>) {
        if self.extension == Extension::Written {
            text.push(b' ');
            write_nstring(part.md5.as_deref().map(str::as_bytes), text);
            write_common_extension(part, text);
        }
    }
}

/// Type, subtype and `body-fields`.
fn write_basic_fields(part: &Part, text: &mut Vec<u8>) {
    write_string(part.media_type.as_bytes(), text);
    text.push(b' ');
    write_string(part.subtype.as_bytes(), text);
    text.push(b' ');
    write_parameters(&part.parameters, text);
    text.push(b' ');
    write_nstring(part.id.as_deref().map(str::as_bytes), text);
    text.push(b' ');
    write_nstring(part.description.as_deref().map(str::as_bytes), text);
    text.push(b' ');
    write_string(part.encoding.as_bytes(), text);
    text.push(b' ');
    // body-fld-octets is a 32-bit number.
    write_number((part.body_bytes() as u64).min(u64::from(u32::MAX)), text);
}

fn write_common_extension(part: &Part, text: &mut Vec<u8>) {
    text.push(b' ');
    write_disposition(part.disposition.as_ref(), text);
    text.push(b' ');
    write_languages(&part.languages, text);
    text.push(b' ');
    write_nstring(part.location.as_deref().map(str::as_bytes), text);
}

/// `body-fld-param`
fn write_parameters(parameters: &[Parameter], text: &mut Vec<u8>) {
    if parameters.is_empty() {
        text.extend_from_slice(b"NIL");
        return;
    }
    let mut before = b'(';
    for parameter in parameters {
        text.push(before);
        write_string(parameter.name.as_bytes(), text);
        text.push(b' ');
        write_string(parameter.value.as_bytes(), text);
        before = b' ';
    }
    text.push(b')');
}

/// `body-fld-dsp`
fn write_disposition(disposition: Option<&Disposition>, text: &mut Vec<u8>) {
    match disposition {
        None => text.extend_from_slice(b"NIL"),
        Some(disposition) => {
            text.push(b'(');
            write_string(disposition.kind.as_bytes(), text);
            text.push(b' ');
            write_parameters(&disposition.parameters, text);
            text.push(b')');
        }
    }
}

/// `body-fld-lang`
fn write_languages(languages: &[String], text: &mut Vec<u8>) {
    match languages {
        [] => text.extend_from_slice(b"NIL"),
        [language] => write_string(language.as_bytes(), text),
        several => {
            let mut before = b'(';
            for language in several {
                text.push(before);
                write_string(language.as_bytes(), text);
                before = b' ';
            }
            text.push(b')');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structure::MimeLimits;

    fn rendered(raw: &str) -> (String, String) {
        let structure = Structure::parse(raw.as_bytes(), &MimeLimits::default());
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(render_body(&structure, raw.as_bytes())), text(render_bodystructure(&structure, raw.as_bytes())))
    }

    #[test]
    fn a_plain_message_has_the_defaults_of_rfc_2045() {
        let (body, structure) = rendered("Subject: x\r\n\r\none\r\ntwo\r\n");
        assert_eq!(body, "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 10 2)");
        assert_eq!(structure, "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 10 2 NIL NIL NIL NIL)");
    }

    #[test]
    fn all_fields_of_a_part_are_rendered() {
        let (_, structure) = rendered(
            "Content-Type: Application/PDF; name=\"a b\"\r\nContent-Transfer-Encoding: BASE64\r\n\
             Content-ID: <1@x>\r\nContent-Description: the\r\n report\r\nContent-MD5: Q2hlY2s=\r\n\
             Content-Disposition: attachment; filename*0=\"r\"; filename*1=\".pdf\"\r\n\
             Content-Language: en, de\r\nContent-Location: http://x/\r\n\r\nAAAA\r\n",
        );
        assert_eq!(
            structure,
            "(\"application\" \"pdf\" (\"name\" \"a b\") \"<1@x>\" \"the report\" \"base64\" 6 \"Q2hlY2s=\" \
             (\"attachment\" (\"filename\" \"r.pdf\")) (\"en\" \"de\") \"http://x/\")"
        );
    }

    #[test]
    fn multiparts_and_enclosed_messages_nest() {
        let (body, structure) = rendered(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhi\r\n--b\r\n\
             Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\ntext\r\n--b--\r\n",
        );
        let text = "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\"";
        let envelope = "(NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL)";
        assert_eq!(
            body,
            format!("({text} 2 1)(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 19 {envelope} {text} 4 1) 3) \"mixed\")")
        );
        assert!(structure.ends_with("3 NIL NIL NIL NIL) \"mixed\" (\"boundary\" \"b\") NIL NIL NIL)"), "{structure}");
    }

    #[test]
    fn a_multipart_without_parts_shows_an_empty_text() {
        let (body, _) = rendered("Content-Type: multipart/mixed; boundary=b\r\n\r\nnothing\r\n");
        assert_eq!(body, "((\"text\" \"plain\" NIL NIL NIL \"7bit\" 0 0) \"mixed\")");
    }
}
