//! A server that was found for an address, and whether it is to be trusted with a password.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use anyhow::{Context, Result, anyhow};
use clap::Args;
use postrider_pull::{
    Remote, Silent, Trust,
    discovery::{Address, DATABASE, Discovery, DiscoveryOptions, MailServer, discover},
};

use crate::{
    advice::Advise,
    command::{
        block_on,
        output::{self, Form},
    },
};

/// How servers are found.
#[derive(Debug, Args)]
#[command(next_help_heading = "An address instead of the URL")]
pub struct FindFlags {
    /// Accept this server, if it is the one found, without asking
    #[arg(long, value_name = "HOST")]
    accept_server: Option<String>,
    /// Ask Thunderbird's database of providers, too, which is told the address's domain
    #[arg(long)]
    ispdb: bool,
}

/// The options for a search.
pub fn options(ispdb: bool, trust: Trust) -> DiscoveryOptions {
    let mut options = DiscoveryOptions { database: ispdb.then(|| DATABASE.to_owned()), ..DiscoveryOptions::default() };
    options.https.connect.trust = trust;
    options
}

/// Whether the text is meant as an address.
pub fn is_address(text: &str) -> bool {
    !text.contains("://") && text.contains('@')
}

impl FindFlags {
    /// Where the mail of an address is, once a person has agreed where that is needed.
    pub fn remote(&self, address: &str, trust: Trust, form: Form) -> Result<Remote> {
        let address: Address = address.parse()?;
        let found = block_on(async { Ok(discover(&address, &options(self.ispdb, trust), &Silent).await) })?;
        let server = incoming(&found)?;
        self.agree(server, &address, form)?;
        server.remote().ok_or_else(|| anyhow!("{server} is no server to fetch from"))
    }

    /// RFC 6186 §6: nobody has signed what DNS says, so a server outside of the domain is a person's to judge.
    fn agree(&self, server: &MailServer, address: &Address, form: Form) -> Result<()> {
        if form == Form::Text {
            output::line(&format!("found {server}, user {} ({})", server.user, server.source))?;
        }
        let is_accepted = self.accept_server.as_ref().is_some_and(|host| host.eq_ignore_ascii_case(&server.host));
        if is_accepted || (self.accept_server.is_none() && server.is_under(address)) {
            return Ok(());
        }
        let outside = match &self.accept_server {
            Some(expected) => format!("the server found is {}, and not {expected}", server.host),
            None => format!("the server found, {}, is not under {}", server.host, address.domain()),
        };
        let is_asked = self.accept_server.is_none() && form == Form::Text && io::stdin().is_terminal();
        if is_asked && asked(&format!("{outside}. Does it get the login of {address}? [y/N] "))? {
            return Ok(());
        }
        let refused: Result<()> = Err(anyhow!("{outside}; nothing was sent there"));
        let url = server.remote().map(|remote| remote.to_string()).unwrap_or_default();
        refused.advise(format!(
            "if that is the provider's server, give --accept-server {}, or the URL itself: {url}",
            server.host
        ))
    }
}

/// The server to fetch from.
pub fn incoming(found: &Discovery) -> Result<&MailServer> {
    let server = found.incoming().ok_or_else(|| anyhow!("no mail server with TLS was found for {}", found.address));
    server.advise(format!(
        "`postrider discover {}` tells what was asked; else look for the server in the provider's help and give the URL",
        found.address
    ))
}

fn asked(question: &str) -> Result<bool> {
    let mut output = io::stdout().lock();
    output.write_all(question.as_bytes()).and_then(|()| output.flush()).context("cannot ask")?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).context("cannot read the answer")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(accept_server: Option<&str>) -> FindFlags {
        FindFlags { accept_server: accept_server.map(str::to_owned), ispdb: false }
    }

    #[test]
    fn a_server_outside_of_the_domain_needs_somebody_to_agree() {
        use postrider_pull::{
            Security,
            discovery::{Service, Source},
        };
        let address: Address = "a@example.org".parse().unwrap();
        let (user, authentication, source) = (address.to_string(), Vec::new(), Source::Srv);
        let mut server = MailServer {
            service: Service::Imap,
            host: String::from("imap.example.org"),
            port: 993,
            security: Security::Tls,
            user,
            authentication,
            source,
        };
        let agree = |server: &MailServer, accepted| flags(accepted).agree(server, &address, Form::Json).is_ok();
        assert!(agree(&server, None) && agree(&server, Some("IMAP.example.org")));
        assert!(!agree(&server, Some("other.example.org")), "another one was expected");
        for outside in ["example.org.evil.example", "notexample.org", "imap.example.net"] {
            server.host = outside.to_owned();
            assert!(!agree(&server, None), "{outside}");
            assert!(agree(&server, Some(outside)), "{outside}");
        }
    }

    #[test]
    fn urls_and_names_are_no_addresses() {
        for (text, expected) in
            [("alice@example.org", true), ("imaps://alice@example.org", false), ("mail.example.org", false)]
        {
            assert_eq!(is_address(text), expected, "{text}");
        }
    }
}
