//! Where a `[[pull]]` entry has its secrets and certificates from.

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, anyhow, bail};

use super::{OAuth2Wish, Secret, TrustWish};
use crate::{advice::Advise, config::PullEntry};

impl PullEntry {
    /// What is logged in with, as a text by which it is seen whether it is still the same: the first line of the file or of what
    /// the command prints, or the variable; of an authorization, all of its file. May wait for the command.
    pub fn read_secret(&self) -> Result<String> {
        match (&self.oauth2_file, &self.oauth2_token_command) {
            (Some(file), _) => read(file),
            (None, Some(command)) => first_line(&printed_by(command)?, "the access token"),
            (None, None) => self.read_password(),
        }
    }

    /// What goes into a wish for it.
    pub fn login(&self, secret: &str) -> (Secret, Option<OAuth2Wish>) {
        let secret = Secret::new(secret.to_owned());
        match (&self.oauth2_file, &self.oauth2_token_command) {
            (Some(file), _) => (Secret::default(), Some(OAuth2Wish::File(file.clone()))),
            (None, Some(_)) => (Secret::default(), Some(OAuth2Wish::Token(secret))),
            (None, None) => (secret, None),
        }
    }

    fn read_password(&self) -> Result<String> {
        let text = match (&self.password_file, &self.password_command, &self.password_variable) {
            (Some(file), _, _) => read(file)?,
            (_, Some(command), _) => printed_by(command)?,
            (_, _, Some(name)) => {
                let value =
                    env::var_os(name).ok_or_else(|| anyhow!("the server has no environment variable {name}"))?;
                value.into_string().map_err(|_| anyhow!("the environment variable {name} is no text"))?
            }
            (None, None, None) => bail!("the entry names no password"),
        };
        first_line(&text, "the password")
    }

    /// Whose certificates are believed.
    pub fn trust(&self) -> Result<TrustWish> {
        Ok(match (&self.ca_file, &self.fingerprint) {
            (Some(path), _) => TrustWish::Authorities { path: path.clone(), pem: read(path)? },
            (None, Some(fingerprint)) => TrustWish::Pinned(fingerprint.clone()),
            (None, None) => TrustWish::System,
        })
    }

    /// Whether the files that it names can be read. The command is not run: it may ask somebody.
    pub fn check_files(&self) -> Result<()> {
        for path in [&self.password_file, &self.oauth2_file, &self.ca_file].into_iter().flatten() {
            let checked = read(path).with_context(|| format!("pull {}", self.name()));
            checked.advise(
                "the server's user must be able to read it; a relative path starts at the folder of the configuration",
            )?;
        }
        Ok(())
    }
}

fn first_line(text: &str, what: &str) -> Result<String> {
    let line = text.split('\n').next().unwrap_or_default().trim_end_matches('\r').to_owned();
    if line.is_empty() {
        bail!("{what} is empty");
    }
    Ok(line)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn printed_by(command: &str) -> Result<String> {
    let output = Command::new("sh").args(["-c", command]).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.context("cannot run the command for the password")?;
    if !output.status.success() {
        bail!("the command for the password failed ({})", output.status);
    }
    String::from_utf8(output.stdout).context("what the command for the password printed is no text")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advice;

    fn entry(text: &str) -> PullEntry {
        toml::from_str(&format!("url = \"imaps://a@b.example\"\ninto = \"a@b.example\"\n{text}\n")).unwrap()
    }

    #[test]
    fn a_password_comes_from_where_the_entry_says() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        fs::write(&file, "from file\r\nmore\n").unwrap();
        let from_file = entry(&format!("password_file = {file:?}"));
        assert_eq!(from_file.read_password().unwrap(), "from file");
        from_file.check_files().unwrap();
        assert_eq!(entry("password_command = \"echo one; echo two\"").read_password().unwrap(), "one");
        assert!(entry("password_command = \"exit 3\"").read_password().is_err());
        let token = entry("oauth2_token_command = \"echo token; echo more\"");
        assert_eq!(token.read_secret().unwrap(), "token");
        assert!(matches!(token.login("token"), (_, Some(OAuth2Wish::Token(token))) if token.expose() == "token"));
        assert!(entry("password_variable = \"POSTRIDER_NO_SUCH_VARIABLE\"").read_password().is_err());
        fs::write(&file, "\n").unwrap();
        assert!(from_file.read_password().is_err());
        fs::remove_file(&file).unwrap();
        let missing = advice::one_line(&from_file.check_files().unwrap_err());
        assert!(missing.starts_with("pull imaps://a@b.example: cannot read "), "{missing}");
    }
}
