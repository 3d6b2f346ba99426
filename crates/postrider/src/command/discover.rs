//! `postrider discover`: where an address's mail servers are.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use postrider_pull::{
    Security, Silent,
    discovery::{Address, Authentication, Discovery, MailServer, discover},
};
use serde::Serialize;

use super::{
    account::OutputForm,
    block_on,
    output::{self, Form},
    pull::{found, trust_in},
};
use crate::advice::Advise;

/// Find the mail servers of an address
///
/// Asks the address's domain over HTTPS and DNS, and prints what it says. Nothing is logged in to, and servers without TLS are
/// left out.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  postrider discover alice@example.org\n  postrider discover alice@example.org --ispdb --json"
)]
pub struct Discover {
    /// The address, as in alice@example.org
    address: String,
    /// Ask Thunderbird's database of providers, too, which is told the address's domain
    #[arg(long)]
    ispdb: bool,
    /// Believe certificates of the authorities in this PEM file, and of no others
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    #[command(flatten)]
    form: OutputForm,
}

impl Discover {
    pub fn run(self) -> Result<()> {
        let address: Address = self.address.parse()?;
        let options = found::options(self.ispdb, trust_in(self.ca_file.as_deref())?);
        let discovery = block_on(async { Ok(discover(&address, &options, &Silent).await) })?;
        match self.form.form() {
            Form::Json => output::json(&Answer::of(&discovery))?,
            Form::Text => output::text(&readable(&discovery))?,
        }
        let found = found::incoming(&discovery).map(drop);
        found.advise("look for the server in the provider's help, and give its URL to `postrider pull`")
    }
}

fn readable(discovery: &Discovery) -> String {
    let mut lines = Vec::new();
    for tried in &discovery.tried {
        lines.push(format!("asked: {}: {}", tried.what, tried.outcome));
    }
    lines.extend(discovery.provider.iter().map(|provider| format!("provider: {provider}")));
    for server in &discovery.servers {
        let outside = if server.is_under(&discovery.address) { "" } else { "; NOT under the address's domain" };
        lines.push(format!("{server}, user {}: {}{outside}", server.user, server.source));
    }
    if let Some(server) = discovery.incoming()
        && let Some(remote) = server.remote()
    {
        let how = if server.prefers_oauth() { " --oauth2-file FILE" } else { "" };
        lines.push(format!("to fetch: postrider pull {remote}{how} --into ACCOUNT"));
    }
    lines.join("\n") + "\n"
}

/// The answer as JSON.
#[derive(Serialize)]
struct Answer<'a> {
    address: String,
    provider: Option<&'a str>,
    servers: Vec<Server<'a>>,
    oauth2: Option<OAuth2<'a>>,
    asked: Vec<Asked<'a>>,
}

#[derive(Serialize)]
struct Server<'a> {
    service: &'static str,
    host: &'a str,
    port: u16,
    tls: &'static str,
    user: &'a str,
    authentication: Vec<&'a str>,
    source: &'static str,
    under_domain: bool,
    url: Option<String>,
}

#[derive(Serialize)]
struct OAuth2<'a> {
    issuer: Option<&'a str>,
    authorization_endpoint: Option<&'a str>,
    token_endpoint: Option<&'a str>,
    scope: Option<&'a str>,
    client_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Asked<'a> {
    what: &'a str,
    outcome: &'a str,
}

impl<'a> Answer<'a> {
    fn of(discovery: &'a Discovery) -> Self {
        Self {
            address: discovery.address.to_string(),
            provider: discovery.provider.as_deref(),
            servers: discovery.servers.iter().map(|server| Server::of(server, &discovery.address)).collect(),
            oauth2: discovery.oauth.as_ref().map(|oauth| OAuth2 {
                issuer: oauth.issuer.as_deref(),
                authorization_endpoint: oauth.authorization_endpoint.as_deref(),
                token_endpoint: oauth.token_endpoint.as_deref(),
                scope: oauth.scope.as_deref(),
                client_id: oauth.client_id.as_deref(),
            }),
            asked: discovery.tried.iter().map(|tried| Asked { what: &tried.what, outcome: &tried.outcome }).collect(),
        }
    }
}

impl<'a> Server<'a> {
    fn of(server: &'a MailServer, address: &Address) -> Self {
        let ways = server.authentication.iter().map(|way| match way {
            Authentication::Password => "password",
            Authentication::OAuth2 => "oauth2",
            Authentication::Other(name) => name.as_str(),
        });
        Self {
            service: server.service.name(),
            host: &server.host,
            port: server.port,
            tls: if server.security == Security::Tls { "implicit" } else { "starttls" },
            user: &server.user,
            authentication: ways.collect(),
            source: server.source.name(),
            under_domain: server.is_under(address),
            url: server.remote().map(|remote| remote.to_string()),
        }
    }
}
