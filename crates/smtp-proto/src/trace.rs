//! Trace fields that a server adds to a message (RFC 5321 §4.4), as pure functions of what is known about its arrival.

use std::net::IpAddr;

use memchr::memchr;

use crate::address::{AddressLiteral, Host, Mailbox, ReversePath};

/// How the client greeted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// With HELO.
    Smtp,
    /// With EHLO.
    Esmtp,
    /// With LHLO.
    Lmtp,
}

/// How a message came in: what the `with` clause says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocol {
    /// How the client greeted.
    pub dialect: Dialect,
    /// Whether the connection was encrypted.
    pub tls: bool,
    /// Whether the client had logged in.
    pub authenticated: bool,
    /// Whether SMTPUTF8 was used in the transaction.
    pub utf8: bool,
}

impl Protocol {
    /// The registered keyword (RFC 3848 §1; RFC 6531 §3.7.3 and §4.3).
    pub fn keyword(self) -> &'static str {
        match (self.dialect, self.utf8, self.tls, self.authenticated) {
            (Dialect::Smtp, ..) => "SMTP",
            (Dialect::Esmtp, false, false, false) => "ESMTP",
            (Dialect::Esmtp, false, false, true) => "ESMTPA",
            (Dialect::Esmtp, false, true, false) => "ESMTPS",
            (Dialect::Esmtp, false, true, true) => "ESMTPSA",
            (Dialect::Esmtp, true, false, false) => "UTF8SMTP",
            (Dialect::Esmtp, true, false, true) => "UTF8SMTPA",
            (Dialect::Esmtp, true, true, false) => "UTF8SMTPS",
            (Dialect::Esmtp, true, true, true) => "UTF8SMTPSA",
            (Dialect::Lmtp, false, false, false) => "LMTP",
            (Dialect::Lmtp, false, false, true) => "LMTPA",
            (Dialect::Lmtp, false, true, false) => "LMTPS",
            (Dialect::Lmtp, false, true, true) => "LMTPSA",
            (Dialect::Lmtp, true, false, false) => "UTF8LMTP",
            (Dialect::Lmtp, true, false, true) => "UTF8LMTPA",
            (Dialect::Lmtp, true, true, false) => "UTF8LMTPS",
            (Dialect::Lmtp, true, true, true) => "UTF8LMTPSA",
        }
    }
}

/// What a Received field tells.
#[derive(Debug, Clone, Copy)]
pub struct ReceivedBy<'a> {
    /// What the client called itself.
    pub greeting: &'a Host,
    /// Where the connection came from, if it came over a network.
    pub peer: Option<IpAddr>,
    /// The receiving server's name.
    pub by: &'a str,
    /// How it came in.
    pub protocol: Protocol,
    /// The server's own name for the transaction, of letters, digits and hyphens.
    pub id: &'a str,
    /// The recipient, if there is only one: with several, it would tell each about the others (RFC 5321 §7.6).
    pub recipient: Option<&'a Mailbox>,
    /// When it was received, in seconds since 1970.
    pub unix_seconds: i64,
}

/// Writes a Received field, folded, with its line end.
pub fn received_field(received: &ReceivedBy<'_>) -> Vec<u8> {
    let mut text = format!("Received: from {}", received.greeting);
    if let Some(peer) = received.peer {
        // What the server knows itself, beside what the client says (RFC 5321 §4.4).
        let literal = match peer.to_canonical() {
            IpAddr::V4(address) => AddressLiteral::V4(address),
            IpAddr::V6(address) => AddressLiteral::V6(address),
        };
        text.push_str(&format!(" ({literal})"));
    }
    text.push_str(&format!("\r\n\tby {} with {} id {}", received.by, received.protocol.keyword(), received.id));
    if let Some(recipient) = received.recipient.filter(|recipient| received.protocol.utf8 || recipient.is_ascii()) {
        text.push_str(&format!("\r\n\tfor <{recipient}>"));
    }
    text.push_str(&format!(";\r\n\t{}\r\n", date_time(received.unix_seconds)));
    text.into_bytes()
}

/// Writes a Return-Path field with its line end; only the server that makes final delivery does so.
pub fn return_path_field(path: &ReversePath) -> Vec<u8> {
    format!("Return-Path: {path}\r\n").into_bytes()
}

/// Writes a moment as `date-time` of RFC 5322 §3.3, in UTC.
pub fn date_time(unix_seconds: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    // Four digits of a year are all that the format has.
    let seconds = unix_seconds.clamp(-62_135_596_800, 253_402_300_799);
    let (days, second_of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil_date(days);
    let name_of = |names: &[&'static str], index: i64| {
        usize::try_from(index).ok().and_then(|index| names.get(index).copied()).unwrap_or_default()
    };
    format!(
        "{}, {day} {} {year:04} {:02}:{:02}:{:02} +0000",
        name_of(&DAYS, days.rem_euclid(7)),
        name_of(&MONTHS, month - 1),
        second_of_day / 3600,
        second_of_day / 60 % 60,
        second_of_day % 60,
    )
}

/// The Gregorian year, month and day of a day counted from 1 January 1970.
///
/// Years are counted from March, so that the leap day is a year's last and the months' lengths follow a straight line.
fn civil_date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468; // from 1 March of year 0
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// The number of Received fields in a message's header: a message that has too many goes in circles (RFC 5321 §6.3).
pub fn count_received_fields(message: &[u8]) -> usize {
    let mut rest = message;
    let mut count = 0;
    while let Some(end) = memchr(b'\n', rest) {
        let (line, tail) = rest.split_at_checked(end + 1).unwrap_or((rest, &[]));
        if line == b"\r\n" || line == b"\n" {
            break;
        }
        let name = line.get(.."Received:".len()).unwrap_or_default();
        count += usize::from(name.eq_ignore_ascii_case(b"Received:"));
        rest = tail;
    }
    count
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_are_written_as_header_fields_have_them() {
        for (unix_seconds, expected) in [
            (0, "Thu, 1 Jan 1970 00:00:00 +0000"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"),
            (1_709_210_096, "Thu, 29 Feb 2024 12:34:56 +0000"),
            (4_102_444_799, "Thu, 31 Dec 2099 23:59:59 +0000"),
            (-1, "Wed, 31 Dec 1969 23:59:59 +0000"),
            (i64::MAX, "Fri, 31 Dec 9999 23:59:59 +0000"),
            (i64::MIN, "Mon, 1 Jan 0001 00:00:00 +0000"),
        ] {
            assert_eq!(date_time(unix_seconds), expected);
        }
    }

    fn protocol(dialect: Dialect, tls: bool, authenticated: bool, utf8: bool) -> Protocol {
        Protocol { dialect, tls, authenticated, utf8 }
    }

    #[test]
    fn keywords_are_the_registered_ones() {
        for (protocol, keyword) in [
            (protocol(Dialect::Smtp, true, false, false), "SMTP"),
            (protocol(Dialect::Esmtp, false, false, false), "ESMTP"),
            (protocol(Dialect::Esmtp, true, true, false), "ESMTPSA"),
            (protocol(Dialect::Esmtp, true, true, true), "UTF8SMTPSA"),
            (protocol(Dialect::Lmtp, false, false, false), "LMTP"),
            (protocol(Dialect::Lmtp, true, false, false), "LMTPS"),
            (protocol(Dialect::Lmtp, false, true, true), "UTF8LMTPA"),
        ] {
            assert_eq!(protocol.keyword(), keyword);
        }
    }

    #[test]
    fn received_fields_tell_how_the_message_came() {
        let greeting = Host::Domain("client.example.com".into());
        let recipient = Mailbox::parse("bob@example.net").expect("an address");
        let mut received = ReceivedBy {
            greeting: &greeting,
            peer: Some([192, 0, 2, 1].into()),
            by: "mx.example.net",
            protocol: protocol(Dialect::Esmtp, true, true, false),
            id: "abc123",
            recipient: Some(&recipient),
            unix_seconds: 0,
        };
        let expected = "Received: from client.example.com ([192.0.2.1])\r\n\tby mx.example.net with ESMTPSA id abc123\r\n\
                        \tfor <bob@example.net>;\r\n\tThu, 1 Jan 1970 00:00:00 +0000\r\n";
        assert_eq!(String::from_utf8_lossy(&received_field(&received)), expected);

        let literal = Host::parse("[IPv6:2001:db8::1]").expect("a literal");
        let international = Mailbox::parse("ü@example.net").expect("an address");
        received.greeting = &literal;
        received.peer = "2001:db8::1".parse().ok();
        received.recipient = Some(&international);
        let text = String::from_utf8(received_field(&received)).expect("text");
        assert!(text.starts_with("Received: from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])\r\n"), "{text}");
        assert!(!text.contains("for"), "a UTF-8 address has no place in an ASCII header: {text}");
    }

    #[test]
    fn return_paths_are_written_in_brackets() {
        assert_eq!(return_path_field(&ReversePath::Null), b"Return-Path: <>\r\n");
        let mailbox = ReversePath::Mailbox(Mailbox::parse(r#""a b"@c.example"#).expect("an address"));
        assert_eq!(return_path_field(&mailbox), b"Return-Path: <\"a b\"@c.example>\r\n");
    }

    #[test]
    fn received_fields_are_counted_in_the_header_only() {
        for (message, expected) in [
            ("", 0),
            ("Received: a\r\nreceived: b\r\n\tReceived: folded\r\nX-Received: c\r\n\r\nReceived: body\r\n", 2),
            ("Subject: a\n\nReceived: body\n", 0),
            ("Received: a\n", 1),
        ] {
            assert_eq!(count_received_fields(message.as_bytes()), expected, "{message:?}");
        }
    }

    proptest! {
        #[test]
        fn no_moment_and_no_message_makes_them_panic(moment in any::<i64>(), message in proptest::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(date_time(moment).ends_with(" +0000"));
            let _ = count_received_fields(&message);
        }
    }
}
