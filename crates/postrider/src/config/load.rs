//! Reading the file: errors that name the line, the key and what was probably meant.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, bail};

use super::{Config, environment, fault::explain};
use crate::advice::Advise;

/// Reads a configuration file, applies the environment's overrides and checks the result.
pub fn load(path: &Path) -> Result<Config> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read the configuration {}", path.display()));
    let text = text.advise("write one with: postrider init DOMAIN --data FOLDER; or name it with --config")?;
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let mut config = parse(&text, path, variables)?;
    let folder = std::path::absolute(path).ok().and_then(|path| path.parent().map(Path::to_owned));
    config.resolve(&folder.unwrap_or_else(|| PathBuf::from("/")));
    Ok(config)
}

/// Parses the file's text. `path` is for messages.
fn parse(text: &str, path: &Path, variables: impl Iterator<Item = (String, String)>) -> Result<Config> {
    // First the file alone: only then do errors know their lines.
    let mut config: Config = toml::from_str(text).map_err(|error| explain(&error, text, path))?;
    let overrides = environment::overrides(variables)?;
    if !overrides.is_empty() {
        let mut table: toml::Table = toml::from_str(text).map_err(|error| explain(&error, text, path))?;
        for change in overrides {
            let name = change.variable.clone();
            change.apply(&mut table);
            config = Config::deserialize_table(&table).with_context(|| format!("environment variable {name}"))?;
        }
    }
    let problems = config.problems();
    if !problems.is_empty() {
        bail!("{}: {}", path.display(), problems.join("; "));
    }
    Ok(config)
}

impl Config {
    fn deserialize_table(table: &toml::Table) -> Result<Self> {
        Self::deserialize_value(toml::Value::Table(table.clone()))
    }

    fn deserialize_value(value: toml::Value) -> Result<Self> {
        value.try_into().map_err(|error: toml::de::Error| anyhow!("{}", error.message().trim()))
    }
}

/// The known word that a mistyped one resembles.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.75)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advice;

    fn parsed(text: &str, variables: &[(&str, &str)]) -> Result<Config> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        parse(text, Path::new("postrider.toml"), variables)
    }

    #[test]
    fn an_empty_file_gives_the_defaults() {
        assert_eq!(parsed("", &[]).unwrap(), Config::default());
    }

    #[test]
    fn errors_name_line_key_and_the_nearest_known_key() {
        let cases = [
            ("hostnme = \"a\"\n", "postrider.toml:1:1: unknown key \"hostnme\"", "did you mean \"hostname\"?"),
            ("[listen]\nimasp = []\n", "postrider.toml:2:1: unknown key \"imasp\"", "did you mean \"imaps\"?"),
            ("[limits]\n\nconnections_max = \"x\"\n", "postrider.toml:3:19:", "write a whole number, without quotes"),
            ("[listen]\nimap = [\"nowhere\"]\n", "postrider.toml:2:", ""),
            ("hostname = \n", "postrider.toml:1:", ""),
            ("[log]\nqqq = 1\n", "unknown key \"qqq\"", "known here are format, level"),
        ];
        for (text, message, hint) in cases {
            let error = parsed(text, &[]).unwrap_err();
            let line = advice::one_line(&error);
            assert!(line.starts_with(message) || line.contains(message), "{line}");
            assert!(advice::hint(&error).unwrap_or_default().starts_with(hint), "{line}");
        }
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let variables = [
            ("POSTRIDER_HOSTNAME", "mail.example.org"),
            ("POSTRIDER_LIMITS__CONNECTIONS_MAX", "7"),
            ("POSTRIDER_LISTEN__IMAP", "127.0.0.1:143,[::1]:143"),
            ("POSTRIDER_LISTEN__POP3", ""),
            ("POSTRIDER_LIMITS__LOOPBACK_EXEMPT", "false"),
            ("POSTRIDER_LOG__FORMAT", "json"),
            ("POSTRIDER_TEST_SERVER", "not ours to read"),
        ];
        let config = parsed("[limits]\nconnections_max = 5\n", &variables).unwrap();
        assert_eq!(config.hostname.as_deref(), Some("mail.example.org"));
        assert_eq!(config.limits.connections_max, 7);
        assert_eq!(config.listen.imap, ["127.0.0.1:143".parse().unwrap(), "[::1]:143".parse().unwrap()]);
        assert!(config.listen.pop3.is_empty() && !config.limits.loopback_exempt);
        assert_eq!(config.log.format, crate::config::LogFormat::Json);
    }

    #[test]
    fn a_wrong_variable_is_named() {
        for (name, value, message) in [
            ("POSTRIDER_LIMITS__CONNECTIONS_MAX", "many", "POSTRIDER_LIMITS__CONNECTIONS_MAX"),
            ("POSTRIDER_LISTEN__IMAQ", "", "POSTRIDER_LISTEN__IMAQ"),
            ("POSTRIDER_LISTEN__IMAP", "nowhere", "POSTRIDER_LISTEN__IMAP"),
        ] {
            let line = advice::one_line(&parsed("", &[(name, value)]).unwrap_err());
            assert!(line.contains(message), "{line}");
        }
    }

    #[test]
    fn a_missing_file_may_lie_elsewhere() {
        let error = load(Path::new("/nowhere/postrider.toml")).unwrap_err();
        assert!(advice::hint(&error).unwrap().ends_with("or name it with --config"));
    }

    #[test]
    fn relative_paths_start_at_the_folder_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("postrider.toml");
        fs::write(&path, "data = \"mail\"\n[tls]\ncertificate = \"c.pem\"\nkey = \"/k.pem\"\n").unwrap();
        let config = load(&path).unwrap();
        assert_eq!(config.data(), folder.path().join("mail"));
        assert_eq!(config.certificate_files(), (folder.path().join("c.pem"), PathBuf::from("/k.pem")));
    }
}
