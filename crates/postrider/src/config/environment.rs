//! Overrides by environment variables: `POSTRIDER_SECTION__KEY`.

use anyhow::{Result, anyhow};
use toml::{Table, Value};

use super::{
    load::nearest,
    schema::{Kind, sections},
};
use crate::advice::Advise;

const PREFIX: &str = "POSTRIDER_";

/// One variable that sets one key.
#[derive(Debug)]
pub(super) struct Override {
    pub variable: String,
    section: Option<String>,
    key: String,
    value: Value,
}

impl Override {
    /// Sets the key in the file's table.
    pub fn apply(self, table: &mut Table) {
        let Some(section) = self.section else {
            table.insert(self.key, self.value);
            return;
        };
        // The file was valid, so what stands there is a table.
        if let Value::Table(inner) = table.entry(section).or_insert_with(|| Value::Table(Table::new())) {
            inner.insert(self.key, self.value);
        }
    }
}

/// The overrides among the variables. One that looks like ours, with two underscores, but names no key is an error; others
/// that merely begin with our prefix are left alone.
pub(super) fn overrides(variables: impl Iterator<Item = (String, String)>) -> Result<Vec<Override>> {
    let sections = sections();
    let known: Vec<(String, Option<&str>, &super::schema::Key)> = sections
        .iter()
        // A variable cannot say which of several it means.
        .filter(|section| !section.is_repeated)
        .flat_map(|section| section.keys.iter().map(move |key| (section, key)))
        .map(|(section, key)| (variable_name(&section.path(key)), section.name.as_deref(), key))
        .collect();
    let mut found = Vec::new();
    for (variable, text) in variables.filter(|(name, _)| name.starts_with(PREFIX)) {
        match known.iter().find(|(name, ..)| *name == variable) {
            Some((_, section, key)) => found.push(Override {
                section: section.map(str::to_owned),
                key: key.name.clone(),
                value: value(key.kind, &text),
                variable,
            }),
            None if variable.contains("__") => {
                let fault: Result<()> = Err(anyhow!("environment variable {variable} names no known key"));
                let near = nearest(&variable, known.iter().map(|(name, ..)| name.as_str()));
                fault.advise(near.map_or_else(
                    || "docs/configuration.md has all keys".to_owned(),
                    |near| format!("did you mean {near}?"),
                ))?;
            }
            None => {}
        }
    }
    Ok(found)
}

fn variable_name(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "__").to_ascii_uppercase())
}

/// A variable's text as a value of the key's type. What does not fit stays text, and the types say so.
fn value(kind: Kind, text: &str) -> Value {
    let as_text = || Value::String(text.to_owned());
    match kind {
        Kind::Text => as_text(),
        Kind::Number => text.trim().parse().map_or_else(|_| as_text(), Value::Integer),
        Kind::Flag => text.trim().parse().map_or_else(|_| as_text(), Value::Boolean),
        Kind::List => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
        }
    }
}
