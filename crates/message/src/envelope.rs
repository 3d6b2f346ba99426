//! ENVELOPE, rendered once at delivery.
//!
//! The text suits IMAP4rev1 and rev2 alike: encoded words stay encoded, 8-bit octets go into literals.

use std::borrow::Cow;
use std::ops::Range;

use crate::address::{Address, Addresses};
use crate::header::{Fields, slice, unfold};
use crate::imap_text::{write_nstring, write_string};

/// The unfolded values of the fields an envelope is made of. Of the text fields the first one counts; address fields
/// that are repeated, against RFC 5322 §3.6, are read as one list.
#[derive(Default)]
struct EnvelopeFields<'a> {
    date: Option<Cow<'a, [u8]>>,
    subject: Option<Cow<'a, [u8]>>,
    from: Vec<Cow<'a, [u8]>>,
    sender: Vec<Cow<'a, [u8]>>,
    reply_to: Vec<Cow<'a, [u8]>>,
    to: Vec<Cow<'a, [u8]>>,
    cc: Vec<Cow<'a, [u8]>>,
    bcc: Vec<Cow<'a, [u8]>>,
    in_reply_to: Option<Cow<'a, [u8]>>,
    message_id: Option<Cow<'a, [u8]>>,
}

impl<'a> EnvelopeFields<'a> {
    fn read(block: &'a [u8]) -> Self {
        let mut fields = Self::default();
        for field in Fields::new(block) {
            match field.name.to_ascii_lowercase().as_slice() {
                b"date" => keep_first(&mut fields.date, field.value),
                b"subject" => keep_first(&mut fields.subject, field.value),
                b"in-reply-to" => keep_first(&mut fields.in_reply_to, field.value),
                b"message-id" => keep_first(&mut fields.message_id, field.value),
                b"from" => fields.from.push(unfold(field.value)),
                b"sender" => fields.sender.push(unfold(field.value)),
                b"reply-to" => fields.reply_to.push(unfold(field.value)),
                b"to" => fields.to.push(unfold(field.value)),
                b"cc" => fields.cc.push(unfold(field.value)),
                b"bcc" => fields.bcc.push(unfold(field.value)),
                _ => {}
            }
        }
        fields
    }
}

fn keep_first<'a>(kept: &mut Option<Cow<'a, [u8]>>, value: &'a [u8]) {
    if kept.is_none() {
        *kept = Some(unfold(value));
    }
}

/// The `envelope` (RFC 9051 §7.5.2) of the message whose header block is `header` of `raw`.
pub fn render_envelope(raw: &[u8], header: Range<usize>) -> Vec<u8> {
    let fields = EnvelopeFields::read(slice(raw, header));
    let mut text = Vec::with_capacity(256);
    text.push(b'(');
    write_nstring(fields.date.as_deref(), &mut text);
    text.push(b' ');
    write_nstring(fields.subject.as_deref(), &mut text);
    let from = render_addresses(&fields.from).unwrap_or_else(|| b"NIL".to_vec());
    text.push(b' ');
    text.extend_from_slice(&from);
    // RFC 9051 §7.5.2: Sender and Reply-To default to From, the other lists to NIL.
    for list in [&fields.sender, &fields.reply_to] {
        text.push(b' ');
        text.extend_from_slice(render_addresses(list).as_deref().unwrap_or(&from));
    }
    for list in [&fields.to, &fields.cc, &fields.bcc] {
        text.push(b' ');
        text.extend_from_slice(render_addresses(list).as_deref().unwrap_or(b"NIL"));
    }
    text.push(b' ');
    write_nstring(fields.in_reply_to.as_deref(), &mut text);
    text.push(b' ');
    write_nstring(fields.message_id.as_deref(), &mut text);
    text.push(b')');
    text
}

/// `"(" 1*address ")"`, or nothing where there is no address.
fn render_addresses(values: &[Cow<'_, [u8]>]) -> Option<Vec<u8>> {
    let mut addresses = values.iter().flat_map(|value| Addresses::new(value)).peekable();
    addresses.peek()?;
    let mut text = vec![b'('];
    for address in addresses {
        write_address(&address, &mut text);
    }
    text.push(b')');
    Some(text)
}

fn write_address(address: &Address, text: &mut Vec<u8>) {
    match address {
        Address::Mailbox { name, route, mailbox, host } => {
            text.push(b'(');
            write_nstring(name.as_deref(), text);
            text.push(b' ');
            write_nstring(route.as_deref(), text);
            text.push(b' ');
            write_string(mailbox, text);
            text.push(b' ');
            write_string(host, text);
            text.push(b')');
        }
        Address::GroupStart(name) => {
            text.extend_from_slice(b"(NIL NIL ");
            write_string(name, text);
            text.extend_from_slice(b" NIL)");
        }
        Address::GroupEnd => text.extend_from_slice(b"(NIL NIL NIL NIL)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(header: &str) -> String {
        String::from_utf8(render_envelope(header.as_bytes(), 0..header.len())).unwrap()
    }

    #[test]
    fn envelope_of_the_example_in_rfc_9051() {
        // RFC 9051 §8
        let header = "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\nFrom: Terry Gray <gray@cac.washington.edu>\r\n\
            Subject: IMAP4rev2 WG mtg summary and minutes\r\nTo: imap@cac.washington.edu\r\n\
            cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n\
            Message-Id: <B27397-0100000@cac.washington.edu>\r\nMIME-Version: 1.0\r\n\r\n";
        assert_eq!(
            envelope(header),
            "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev2 WG mtg summary and minutes\" \
             ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) \
             ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) \
             ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) \
             ((NIL NIL \"imap\" \"cac.washington.edu\")) \
             ((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL \
             \"<B27397-0100000@cac.washington.edu>\")"
        );
    }

    #[test]
    fn missing_fields_are_nil_and_empty_ones_are_empty() {
        assert_eq!(envelope(""), "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
        assert_eq!(
            envelope("Date:\r\nSubject: \r\nFrom: a@b\r\nSender:\r\nReply-To: ,\r\nTo: \r\nIn-Reply-To:\r\n"),
            "(\"\" \"\" ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) NIL NIL NIL \"\" NIL)"
        );
    }

    #[test]
    fn groups_folds_and_repeated_lists_are_rendered() {
        assert_eq!(
            envelope(
                "Subject: a\r\n\tb \"c\"\r\nSubject: no\r\nTo: g: x@y;\r\nTo: z@w\r\nBcc: =?utf-8?q?=C3=A9?= <e@f>\r\n"
            ),
            "(NIL \"a\tb \\\"c\\\"\" NIL NIL NIL \
             ((NIL NIL \"g\" NIL)(NIL NIL \"x\" \"y\")(NIL NIL NIL NIL)(NIL NIL \"z\" \"w\")) NIL \
             ((\"=?utf-8?q?=C3=A9?=\" NIL \"e\" \"f\")) NIL NIL)"
        );
    }

    #[test]
    fn eight_bit_text_is_a_literal() {
        assert_eq!(envelope("Subject: é\r\n"), "(NIL {2}\r\né NIL NIL NIL NIL NIL NIL NIL NIL)");
    }
}
