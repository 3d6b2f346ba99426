//! What opens a repository that is no folder: variables of the environment, and of a file that wins over them.

use std::{env, fs, path::Path};

use anyhow::{Context, Result, anyhow};

use super::passphrase::others_can_read;
use crate::advice::Advise;

/// A variable's name and its value.
type Variable = (String, String);

/// The variables, those of the file last.
pub fn variables(file: Option<&Path>) -> Result<Vec<Variable>> {
    // What is no UTF-8 is for others.
    let environment =
        env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let mut variables: Vec<Variable> = environment.collect();
    if let Some(file) = file {
        let text = fs::read_to_string(file);
        let text = text.with_context(|| format!("cannot read {}, which backup.access_file names", file.display()))?;
        if others_can_read(file) {
            tracing::warn!("others can read what opens the backup repository: chmod 600 {}", file.display());
        }
        variables.extend(parse(&text).with_context(|| format!("cannot use {}", file.display()))?);
    }
    Ok(variables)
}

/// Lines `NAME=value`, with or without `export` before and quotation marks around them; `#` begins a remark.
fn parse(text: &str) -> Result<Vec<Variable>> {
    let lines = text.lines().zip(1..).map(|(line, number): (&str, usize)| (line.trim(), number));
    let lines = lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
    let parsed = lines.map(|(line, number)| {
        let line = line.strip_prefix("export ").unwrap_or(line);
        // The line itself is not told: it may be a secret.
        let wrong = || Err(anyhow!("line {number} is no NAME=value"));
        let Some((name, value)) = line.split_once('=') else { return wrong() };
        let name = name.trim();
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || !name.bytes().all(is_name) {
            return wrong();
        }
        let value = value.trim();
        let quoted = ['"', '\''].iter().find_map(|mark| value.strip_prefix(*mark)?.strip_suffix(*mark));
        Ok((name.to_owned(), quoted.unwrap_or(value).to_owned()))
    });
    parsed.collect::<Result<_>>().advise("write each as in AWS_ACCESS_KEY_ID=value")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_shells_and_systemd_write_them() {
        let text = "# keys\n\nA=b\n export B_2 = \"c d\"\r\nC='='\nD=\nE=\"\n";
        let expected = [("A", "b"), ("B_2", "c d"), ("C", "="), ("D", ""), ("E", "\"")];
        assert_eq!(parse(text).unwrap(), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        for text in ["secret", "=secret", "a b=secret"] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains("line 1") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn the_file_wins_over_the_environment_and_must_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("access");
        assert!(variables(Some(&file)).is_err());
        fs::write(&file, "PATH=mine\n").unwrap();
        let all = variables(Some(&file)).unwrap();
        let values: Vec<&str> =
            all.iter().filter(|(name, _)| name == "PATH").map(|(_, value)| value.as_str()).collect();
        assert_eq!(values.last(), Some(&"mine"));
        assert!(values.len() > 1);
    }
}
