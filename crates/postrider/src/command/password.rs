//! Passwords: from the terminal without echo, twice; or the first line of standard input.

use std::io::{self, BufRead, IsTerminal};

use anyhow::{Context, Result, anyhow};

use crate::advice::Advise;

/// Where a password comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The person at the terminal.
    Terminal,
    /// The first line of standard input.
    Standard,
}

impl Source {
    /// As chosen by `--password-stdin`.
    pub fn chosen(password_stdin: bool) -> Self {
        if password_stdin { Self::Standard } else { Self::Terminal }
    }

    /// Asks for a new password for `address`.
    pub fn read(self, address: &str) -> Result<String> {
        let password = match self {
            Self::Standard => first_line(io::stdin().lock())?,
            Self::Terminal => ask(address)?,
        };
        if password.is_empty() {
            let refused: Result<()> = Err(anyhow!("the password is empty"));
            refused.advise("give it at the prompt, or on the first line of standard input with --password-stdin")?;
        }
        Ok(password)
    }
}

fn first_line(mut input: impl BufRead) -> Result<String> {
    let mut line = String::new();
    input.read_line(&mut line).context("cannot read the password from standard input")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn ask(address: &str) -> Result<String> {
    if !io::stdin().is_terminal() {
        let refused: Result<()> = Err(anyhow!("there is no terminal to ask for the password"));
        refused.advise("give it on standard input, with --password-stdin")?;
    }
    let password = rpassword::prompt_password(format!("Password for {address}: ")).context("cannot ask")?;
    let again = rpassword::prompt_password("Once more: ").context("cannot ask")?;
    if password != again {
        let refused: Result<()> = Err(anyhow!("the two passwords differ"));
        refused.advise("nothing was changed; give the command again")?;
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_end_is_no_part_of_a_password_but_spaces_are() {
        for (input, wanted) in [("secret\n", "secret"), ("secret\r\nmore\n", "secret"), (" a b ", " a b "), ("", "")] {
            assert_eq!(first_line(input.as_bytes()).unwrap(), wanted);
        }
    }
}
