//! What is said of a file that cannot be read: the line, the fault in words that need no knowledge of Rust, and what was
//! probably meant.
//!
//! The parser's errors have a span and a message, but name neither the key nor, of two, the first; both are looked up in the
//! text, line by line. That need not be right for every TOML there is, only for what people write in a configuration.

use std::{ops::Range, path::Path};

use anyhow::anyhow;

use super::load::nearest;
use crate::advice::with_hint;

/// One line that says where and what, and a hint that says what may have been meant.
pub(super) fn explain(error: &toml::de::Error, text: &str, path: &Path) -> anyhow::Error {
    let place = error.span().map_or(String::new(), |span| position(text, &span));
    let message = error.message().lines().collect::<Vec<_>>().join(" ");
    let fault = Fault::new(&message, text, error.span().unwrap_or(0..0));
    let (said, hint) = fault.explained();
    let error = anyhow!("{}{place}: {said}", path.display());
    match hint {
        Some(hint) => with_hint(error, hint),
        None => error,
    }
}

/// `:line:column` of the beginning of a span.
fn position(text: &str, span: &Range<usize>) -> String {
    let before = text.get(..span.start).unwrap_or(text);
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!(":{}:{column}", line_number(before))
}

/// The number of the line in which `before` ends.
fn line_number(before: &str) -> usize {
    before.matches('\n').count() + 1
}

/// What the parser told, with the place it means.
struct Fault<'a> {
    message: &'a str,
    /// The text that the parser points at.
    marked: &'a str,
    before: &'a str,
    /// The whole line in which it begins.
    line: &'a str,
}

impl<'a> Fault<'a> {
    fn new(message: &'a str, text: &'a str, span: Range<usize>) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let begin = before.rfind('\n').map_or(0, |end| end + 1);
        let line = text.get(begin..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        Self { message, marked: text.get(span).unwrap_or_default(), before, line }
    }

    /// The fault, and the hint.
    fn explained(&self) -> (String, Option<String>) {
        let message = self.message;
        if message.starts_with("unknown field") {
            return self.unknown_key();
        }
        if message.starts_with("duplicate key") {
            return self.twice();
        }
        let hint = self.wrong_value();
        (in_words(message), hint)
    }

    fn unknown_key(&self) -> (String, Option<String>) {
        let quoted: Vec<&str> = self.message.split('`').skip(1).step_by(2).collect();
        let (unknown, known) = quoted.split_first().map_or(("", &[][..]), |(unknown, known)| (*unknown, known));
        let hint = match nearest(unknown, known.iter().copied()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("known here are {}", known.join(", ")),
        };
        (format!("unknown key {unknown:?}"), Some(hint))
    }

    fn twice(&self) -> (String, Option<String>) {
        let key = self.marked;
        let is_section = self.line.trim_start().starts_with('[');
        let second = line_number(self.before);
        let said = match first_line(self.before, self.line, key) {
            Some(first) => format!("`{key}` is there twice: line {first} and line {second}"),
            None => format!("`{key}` is there twice"),
        };
        let hint = if is_section { "put the keys of both below one of them" } else { "take one of them away" };
        (said, Some(hint.to_owned()))
    }

    /// What the value may have been meant to be.
    fn wrong_value(&self) -> Option<String> {
        let key = self.line.split_once('=').map(|(key, _)| key.trim());
        let named = |value: &str| key.map_or_else(|| value.to_owned(), |key| format!("{key} = {value}"));
        let expected = self.message.rsplit_once("expected ").map_or("", |(_, expected)| expected);
        let is_text = self.marked.starts_with(['"', '\'']);
        let hint = match expected {
            "a sequence" if self.marked.starts_with('[') => {
                format!("there can be several: write it with double brackets, [{}]", self.marked.trim())
            }
            "a sequence" => format!("a list is wanted: {}", named(&format!("[{}]", self.marked))),
            "a boolean" => "write true or false, without quotes".to_owned(),
            "a string" => format!("text is wanted, in quotes: {}", named(&format!("\"{}\"", self.marked))),
            "socket address" => ADDRESS.to_owned(),
            "literal string" => UNQUOTED.to_owned(),
            number if is_number(number) && is_text => format!("{}, without quotes", self.number(key)),
            number if is_number(number) => self.number(key),
            section if section.starts_with("struct ") => {
                "a section is wanted: [name] on a line of its own, and its keys below".to_owned()
            }
            _ if self.message.contains("socket address") => ADDRESS.to_owned(),
            _ if self.message.starts_with("invalid float") => UNQUOTED.to_owned(),
            _ => return None,
        };
        Some(hint)
    }

    fn number(&self, key: Option<&str>) -> String {
        let key = key.unwrap_or_default();
        let unit = if key.contains("bytes") {
            " of bytes, as in 52428800 for 50 MiB"
        } else if key.contains("seconds") {
            " of seconds"
        } else {
            ""
        };
        format!("write a whole number{unit}")
    }
}

const ADDRESS: &str = "write address and port, as in \"127.0.0.1:143\" or \"[::1]:143\"; names are not looked up";
const UNQUOTED: &str = "text, such as an address or a time, is written in quotes; a number has no unit behind it";

fn is_number(expected: &str) -> bool {
    expected.starts_with("a nonzero ") || ["u8", "u16", "u32", "u64", "usize", "i64"].contains(&expected)
}

/// The parser's message without the names of Rust's types.
fn in_words(message: &str) -> String {
    let Some((found, expected)) = message.rsplit_once("expected ") else { return message.to_owned() };
    let expected = match expected {
        "a sequence" => "a list",
        "a boolean" => "true or false",
        number if is_number(number) => "a whole number",
        section if section.starts_with("struct ") => "a section",
        _ => return message.to_owned(),
    };
    format!("{found}expected {expected}")
}

/// The line where the key or section stands that `line`, which comes after `before`, has once more.
fn first_line(before: &str, line: &str, key: &str) -> Option<usize> {
    let above: Vec<&str> = before.lines().collect();
    // The last one is what stands before the key in its own line.
    let above = above.get(..line_number(before).saturating_sub(1).min(above.len())).unwrap_or_default();
    let is_key =
        |candidate: &&str| candidate.split_once('=').is_some_and(|(name, _)| name.trim().trim_matches('"') == key);
    let found = match header(line) {
        Some(name) => above.iter().position(|candidate| header(candidate) == Some(name)).or_else(|| {
            let sections = above.iter().position(|candidate| header(candidate).is_some()).unwrap_or(above.len());
            above.iter().take(sections).position(is_key)
        }),
        None => {
            let begin = above.iter().rposition(|candidate| header(candidate).is_some()).map_or(0, |at| at + 1);
            above.iter().skip(begin).position(is_key).map(|at| begin + at)
        }
    };
    found.map(|at| at + 1)
}

/// The name in a line such as `[name]` or `[[name]]`.
fn header(line: &str) -> Option<&str> {
    let inner = line.trim().strip_prefix('[')?;
    let name = inner.strip_prefix('[').unwrap_or(inner).split_once(']')?.0;
    Some(name.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{advice, config::Config};

    fn told(text: &str) -> (String, String) {
        let error = toml::from_str::<Config>(text).unwrap_err();
        let error = explain(&error, text, Path::new("postrider.toml"));
        (advice::one_line(&error), advice::hint(&error).unwrap_or_default().to_owned())
    }

    #[test]
    fn what_is_there_twice_is_named_with_both_lines() {
        for (text, message) in [
            ("[backup]\n\n[log]\n[backup]\n", "postrider.toml:4:2: `backup` is there twice: line 1 and line 4"),
            (
                "hostname = \"a\"\nhostname = \"b\"\n",
                "postrider.toml:2:1: `hostname` is there twice: line 1 and line 2",
            ),
            (
                "[log]\nlevel = \"info\"\n[store]\n[limits]\n[log.x]\n[log]\n",
                "postrider.toml:6:2: `log` is there twice: line 1 and line 6",
            ),
            (
                "[imap]\nx = 1\n[log]\n level = \"info\"\nlevel = \"warn\"\n",
                "postrider.toml:5:1: `level` is there twice: line 4 and line 5",
            ),
            ("log = { level = \"info\", level = \"warn\" }\n", "postrider.toml:1:25: `level` is there twice"),
        ] {
            assert_eq!(told(text).0, message, "{text}");
        }
    }

    #[test]
    fn a_value_of_the_wrong_type_says_how_it_is_written() {
        for (text, message, hint) in [
            ("[listen]\nimap = \"0.0.0.0:143\"\n", "expected a list", "a list is wanted: imap = [\"0.0.0.0:143\"]"),
            ("[listen]\nimap = [\"localhost\"]\n", "invalid socket address syntax", "as in \"127.0.0.1:143\""),
            ("[listen]\nimap = [143]\n", "expected socket address", "as in \"127.0.0.1:143\""),
            ("[listen]\nimap = 127.0.0.1:143\n", "invalid float", "written in quotes"),
            (
                "[store]\nmessage_bytes_max = \"50MB\"\n",
                "string \"50MB\", expected a whole number",
                "write a whole number of bytes, as in 52428800 for 50 MiB, without quotes",
            ),
            ("[limits]\nconnections_max = -5\n", "expected a whole number", "write a whole number"),
            ("[limits]\nloopback_exempt = \"yes\"\n", "expected true or false", "true or false, without quotes"),
            ("hostname = 3\n", "expected a string", "in quotes: hostname = \"3\""),
            ("hostname = mail.example.org\n", "must be quoted", "written in quotes"),
            ("[pull]\nurl = \"x\"\n", "expected a list", "double brackets, [[pull]]"),
            ("log = 3\n", "expected a section", "[name] on a line of its own"),
        ] {
            let (line, advised) = told(text);
            assert!(line.contains(message), "{line}");
            assert!(advised.contains(hint), "{line}: {advised}");
        }
    }
}
