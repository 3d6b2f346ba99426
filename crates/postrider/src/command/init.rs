//! `postrider init`: the first configuration file.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow};
use clap::Args;

use super::{Place, absolute, output};
use crate::{advice::Advise, config};

/// Write a configuration file to start from
///
/// Writes postrider.toml (or the file given by --config) with every key, its default and what it means. Refuses to
/// overwrite a file.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  postrider init example.org --data /var/lib/postrider
  postrider config check")]
pub struct Init {
    /// The domain of the addresses, as in example.org; or the server's full name, as in mail.example.org
    domain: String,
}

impl Init {
    pub fn run(self, place: &Place) -> Result<()> {
        let path = place.config.clone().unwrap_or_else(|| PathBuf::from("postrider.toml"));
        let data = absolute(place.data.as_deref().unwrap_or(Path::new("/var/lib/postrider")))?;
        let hostname = hostname(&self.domain);
        let text = config::commented_file(&[("hostname", &hostname), ("data", &data.to_string_lossy())]);
        let written = OpenOptions::new().write(true).create_new(true).open(&path);
        let written = written.and_then(|mut file| file.write_all(text.as_bytes()));
        match written {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let refused: Result<()> = Err(anyhow!("{} exists already, and is left as it is", path.display()));
                refused.advise("choose another file with --config, or remove this one first")?;
            }
            other => other
                .with_context(|| format!("cannot write {}", path.display()))
                .advise("name a file in a folder that exists and that you may write to, with --config")?,
        }
        // What was written must be readable, or the domain was none.
        if let Err(error) = config::load(&path) {
            // The file is ours and a moment old.
            let _ = std::fs::remove_file(&path);
            return Err(error);
        }
        output::line(&format!("wrote {}", path.display()))?;
        output::line("next:")?;
        let file = path.display();
        output::line(&format!("  postrider --config {file} account add alice@{}", self.domain))?;
        output::line(&format!("  postrider --config {file} serve"))
    }
}

/// The server's name: the domain itself if it names a host already, else the usual one within it.
fn hostname(domain: &str) -> String {
    match domain.split('.').count() {
        2 => format!("mail.{domain}"),
        _ => domain.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::hostname;

    #[test]
    fn a_domain_gets_a_host_and_a_host_stays() {
        for (domain, wanted) in
            [("example.org", "mail.example.org"), ("mx.example.org", "mx.example.org"), ("localhost", "localhost")]
        {
            assert_eq!(hostname(domain), wanted);
        }
    }
}
