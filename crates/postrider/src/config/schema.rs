//! The configuration's sections and keys as data, read from the JSON schema that is derived from the structs.

use serde_json::Value;

/// A table of the file, or its top.
#[derive(Debug)]
pub(super) struct Section {
    /// The table's name; none for the top of the file.
    pub name: Option<String>,
    /// What it is about.
    pub description: String,
    /// What can be set in it.
    pub keys: Vec<Key>,
    /// Whether the file may have several of it, as in `[[pull]]`, or none.
    pub is_repeated: bool,
}

/// One thing that can be set.
#[derive(Debug)]
pub(super) struct Key {
    /// Its name within the section.
    pub name: String,
    /// What it means.
    pub description: String,
    /// What may be written.
    pub kind: Kind,
    /// What holds if it is left out; `Null` for nothing.
    pub default: Value,
}

/// The type of a key's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Flag,
    List,
}

impl Section {
    /// The name under which a key is spoken of, as in `listen.imap`.
    pub fn path(&self, key: &Key) -> String {
        match &self.name {
            Some(name) => format!("{name}.{}", key.name),
            None => key.name.clone(),
        }
    }
}

/// All sections in the order of the struct, the top of the file first.
pub(super) fn sections() -> Vec<Section> {
    let schema = super::json_schema();
    let mut top = Section { name: None, description: String::new(), keys: Vec::new(), is_repeated: false };
    let mut tables = Vec::new();
    for (name, property) in properties(&schema) {
        let item = self::definition(&schema, &property["items"]);
        if item.get("properties").is_some() {
            let keys = properties(item).map(|(name, inner)| key(&schema, name, inner, &inner["default"])).collect();
            let description = text(property, "description");
            tables.push(Section { name: Some(name.clone()), description, keys, is_repeated: true });
            continue;
        }
        let definition = definition(&schema, property);
        if definition.get("properties").is_none() {
            top.keys.push(key(&schema, name, property, &property["default"]));
            continue;
        }
        let keys = properties(definition)
            .map(|(key_name, inner)| key(&schema, key_name, inner, &property["default"][key_name.as_str()]))
            .collect();
        let description = text(property, "description");
        tables.push(Section { name: Some(name.clone()), description, keys, is_repeated: false });
    }
    std::iter::once(top).chain(tables).collect()
}

fn key(schema: &Value, name: &str, property: &Value, default: &Value) -> Key {
    let kind = match kind_name(definition(schema, property)) {
        "integer" | "number" => Kind::Number,
        "boolean" => Kind::Flag,
        "array" => Kind::List,
        _ => Kind::Text,
    };
    Key { name: name.to_owned(), description: text(property, "description"), kind, default: default.clone() }
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["properties"].as_object().into_iter().flatten()
}

/// The schema a property refers to, or the property itself.
fn definition<'a>(schema: &'a Value, property: &'a Value) -> &'a Value {
    let name = property["$ref"].as_str().and_then(|reference| reference.strip_prefix("#/$defs/"));
    name.map_or(property, |name| &schema["$defs"][name])
}

/// The type; of an optional one, the type it has when it is there.
fn kind_name(definition: &Value) -> &str {
    match &definition["type"] {
        Value::String(name) => name,
        Value::Array(names) => names.iter().filter_map(Value::as_str).find(|name| *name != "null").unwrap_or_default(),
        _ => "",
    }
}

/// A text of the schema on one line.
fn text(property: &Value, name: &str) -> String {
    let text = property[name].as_str().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_and_key_is_described_and_has_its_default() {
        for section in sections() {
            assert!(section.name.is_none() || !section.description.is_empty(), "{section:?}");
            assert!(!section.keys.is_empty(), "{section:?}");
            for key in &section.keys {
                assert!(!key.description.is_empty(), "{}", section.path(key));
                let optional = [
                    "hostname",
                    "tls.certificate",
                    "tls.key",
                    "login.default_domain",
                    "login.hashes_at_once_max",
                    "store.quota_bytes",
                    "imap.search_tasks_max",
                    "smtp.postmaster",
                    "backup.repository",
                    "backup.access_file",
                    "backup.passphrase_file",
                ];
                assert!(
                    !key.default.is_null() || section.is_repeated || optional.contains(&section.path(key).as_str()),
                    "{key:?}"
                );
            }
        }
    }

    #[test]
    fn kinds_are_read_from_the_types() {
        let sections = sections();
        let kind = |path: &str| {
            let of = |section: &Section| section.keys.iter().find(|key| section.path(key) == path).map(|key| key.kind);
            sections.iter().find_map(of)
        };
        assert_eq!(kind("hostname"), Some(Kind::Text));
        assert_eq!(kind("data"), Some(Kind::Text));
        assert_eq!(kind("listen.imap"), Some(Kind::List));
        assert_eq!(kind("limits.connections_max"), Some(Kind::Number));
        assert_eq!(kind("limits.loopback_exempt"), Some(Kind::Flag));
        assert_eq!(kind("log.format"), Some(Kind::Text));
    }
}
