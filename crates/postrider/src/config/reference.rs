//! The configuration told to people: the Markdown reference and the commented file.

use std::fmt::Write;

use schemars::SchemaGenerator;
use serde_json::Value;

use super::{
    Config,
    schema::{Key, Section, sections},
};

/// The width to which comments are wrapped, in characters.
const COMMENT_WIDTH: usize = 100;

const MARKDOWN_INTRODUCTION: &str = "\
# Configuration

<!-- Made by `postrider config reference` from the program's own doc comments. Do not edit. -->

postrider reads one TOML file. `postrider init DOMAIN --data FOLDER` writes one in which every key stands commented
out with its default; an empty file is a valid one, too. `postrider config check` tells whether a file can be used. An unknown
key is an error.

The file is the one given by `--config FILE`, else by the environment variable `POSTRIDER_CONFIG`, else
`postrider.toml` in the current folder, else `/etc/postrider/postrider.toml`.

An environment variable overrides a key: `POSTRIDER_SECTION__KEY`, in capitals, with two underscores between section and key, as in
`POSTRIDER_LOG__LEVEL=debug` or `POSTRIDER_LISTEN__POP3=127.0.0.1:110,[::1]:110`. Keys outside a section are
`POSTRIDER_HOSTNAME` and `POSTRIDER_DATA`.

Names of bounds end in their unit and `_max`. Sizes are in bytes, times in the unit of the name.
";

const FILE_INTRODUCTION: &str = "\
# Configuration of postrider. Every key is shown with its default; remove the \"#\" in front of a key to change it.
# `postrider config check --config FILE` tells whether the file can be used, and docs/configuration.md has it all to read.
";

/// The JSON schema of the file.
pub fn json_schema() -> Value {
    SchemaGenerator::default().into_root_schema_for::<Config>().to_value()
}

/// The reference in `docs/configuration.md`.
pub fn markdown() -> String {
    let mut page = MARKDOWN_INTRODUCTION.to_owned();
    for section in sections() {
        match &section.name {
            Some(name) if section.is_repeated => {
                page.push_str(&format!("\n## `[[{name}]]`\n\n{}\n\n", section.description));
            }
            Some(name) => page.push_str(&format!("\n## `[{name}]`\n\n{}\n\n", section.description)),
            None => page.push_str("\n## Top of the file\n\n"),
        }
        page.push_str("| key | default | meaning |\n|---|---|---|\n");
        for key in &section.keys {
            let default = default_text(key).map_or_else(|| "none".to_owned(), |text| format!("`{text}`"));
            let meaning = key.description.replace('|', "\\|");
            page.push_str(&format!("| `{}` | {default} | {meaning} |\n", key.name));
        }
    }
    page
}

/// A file with every key commented out, except those given here as (path, value).
pub fn commented_file(set: &[(&str, &str)]) -> String {
    let mut file = FILE_INTRODUCTION.to_owned();
    for section in sections() {
        file.push('\n');
        if section.is_repeated {
            // There is none by default, so nothing of it may become one by the removal of a sign.
            let name = section.name.as_deref().unwrap_or_default();
            comment(&mut file, &format!("{} It begins with the line [[{name}]].", section.description));
            continue;
        }
        if let Some(name) = &section.name {
            comment(&mut file, &section.description);
            file.push_str(&format!("[{name}]\n\n"));
        }
        let entries: Vec<String> = section.keys.iter().map(|key| entry(&section, key, set)).collect();
        file.push_str(&entries.join("\n"));
    }
    file
}

/// A key with its explanation.
fn entry(section: &Section, key: &Key, set: &[(&str, &str)]) -> String {
    let mut lines = String::new();
    comment(&mut lines, &key.description);
    let path = section.path(key);
    let given = set.iter().find(|(name, _)| *name == path).map(|(_, value)| toml::Value::from(*value).to_string());
    // Writing to a string cannot fail.
    let _ = match (given, default_text(key)) {
        (Some(value), _) => writeln!(lines, "{} = {value}", key.name),
        (None, Some(default)) => writeln!(lines, "#{} = {default}", key.name),
        (None, None) => writeln!(lines, "#{} = \"\"", key.name),
    };
    lines
}

/// The default as TOML.
fn default_text(key: &Key) -> Option<String> {
    if key.default.is_null() {
        return None;
    }
    toml::Value::try_from(&key.default).ok().map(|value| value.to_string())
}

/// Appends a text as comment lines.
fn comment(file: &mut String, text: &str) {
    let mut width = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count() + 1;
        if width == 0 || width + length > COMMENT_WIDTH {
            file.push_str(if width == 0 { "#" } else { "\n#" });
            width = 1;
        }
        file.push(' ');
        file.push_str(word);
        width += length;
    }
    file.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says how to make it, so that a failure is one command away from its repair.
    #[test]
    fn the_reference_in_docs_is_what_the_program_prints() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
        let found = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            found == markdown(),
            "docs/configuration.md is out of date; run: cargo run -- config reference > docs/configuration.md"
        );
    }

    #[test]
    fn the_commented_file_sets_only_what_was_given() {
        let file = commented_file(&[("hostname", "mail.example.org"), ("data", "/srv/mail")]);
        let config: Config = toml::from_str(&file).unwrap();
        let wanted = Config {
            hostname: Some("mail.example.org".into()),
            data: crate::config::Data("/srv/mail".into()),
            ..Config::default()
        };
        assert_eq!(config, wanted);
    }

    #[test]
    fn every_commented_default_is_valid_when_the_sign_is_removed() {
        let file = commented_file(&[]);
        let uncommented: String = file
            .lines()
            .map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line))
            .fold(String::new(), |mut text, line| {
                if !line.ends_with("= \"\"") {
                    text.push_str(line);
                    text.push('\n');
                }
                text
            });
        assert_eq!(toml::from_str::<Config>(&uncommented).unwrap(), Config::default());
    }
}
