//! Where an address's mail is: its servers found from the address alone.
//!
//! Sources are asked one after the other until one names a server to fetch from, those that prove who speaks first: files
//! that the domain itself publishes over HTTPS (`pacc`, `locations` and `autoconfig`), SRV records (`srv`), a database of
//! providers if that was agreed to, files of whoever takes the domain's mail, and at last usual names that answer with TLS
//! (`guess`).
//!
//! DNS is not authenticated here, so a server outside of the address's domain may be somebody else's: [`MailServer::is_under`] tells,
//! and whoever logs in there asks a person first (RFC 6186 §6). Servers without TLS are passed over, always.

mod address;
mod autoconfig;
mod guess;
mod locations;
mod names;
mod pacc;
mod servers;
mod srv;

#[cfg(test)]
mod tests;

use std::{net::SocketAddr, time::Duration};

pub use self::{
    address::{Address, NotAnAddress},
    autoconfig::{Autoconfig, AutoconfigError, AutoconfigLimits, parse_autoconfig},
    servers::{Authentication, MailServer, OAuthDetails, Service, Source},
};
use self::{locations::Locations, names::Names};
use crate::{https::HttpsClient, https::HttpsOptions, observer::Observer};

/// The database of providers that Thunderbird keeps.
pub const DATABASE: &str = "https://autoconfig.thunderbird.net/v1.1/";

/// How servers are looked for.
#[derive(Debug, Clone)]
pub struct DiscoveryOptions {
    /// How files are fetched.
    pub https: HttpsOptions,
    /// Which name servers are asked; none: the machine's own.
    pub name_servers: Vec<SocketAddr>,
    /// How long one question to name servers may take.
    pub lookup_time_max: Duration,
    /// The database of providers that may be told the domain, by the address that the domain is put behind.
    pub database: Option<String>,
    /// How long a usual name may take to answer.
    pub guess_time_max: Duration,
    /// Bounds on configuration files.
    pub autoconfig: AutoconfigLimits,
}

impl Default for DiscoveryOptions {
    fn default() -> Self {
        Self {
            https: HttpsOptions::default(),
            name_servers: Vec::new(),
            lookup_time_max: Duration::from_secs(10),
            database: None,
            guess_time_max: Duration::from_secs(10),
            autoconfig: AutoconfigLimits::default(),
        }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// For which address.
    pub address: Address,
    /// What the provider calls itself.
    pub provider: Option<String>,
    /// The servers, the preferred ones first.
    pub servers: Vec<MailServer>,
    /// How access tokens are had, where a source told that.
    pub oauth: Option<OAuthDetails>,
    /// What was asked, and what came of it.
    pub tried: Vec<Tried>,
}

/// One source, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// What was asked.
    pub what: String,
    /// What came of it.
    pub outcome: String,
}

impl Discovery {
    /// The server to fetch from: the first one that takes a password or a token.
    pub fn incoming(&self) -> Option<&MailServer> {
        self.servers.iter().find(|server| server.service != Service::Submission && server.is_usable())
    }
}

/// What one source tells.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) provider: Option<String>,
    pub(crate) servers: Vec<MailServer>,
    pub(crate) oauth: Option<OAuthDetails>,
}

/// Looks for the servers of an address. What was asked in vain stands in the outcome.
pub async fn discover(address: &Address, options: &DiscoveryOptions, observer: &dyn Observer) -> Discovery {
    let mut search = Search {
        options,
        observer,
        https: HttpsClient::new(options.https.clone()),
        names: Names::new(&options.name_servers, options.lookup_time_max),
        found: Discovery {
            address: address.clone(),
            provider: None,
            servers: Vec::new(),
            oauth: None,
            tried: Vec::new(),
        },
    };
    search.run().await;
    search.found
}

struct Search<'a> {
    options: &'a DiscoveryOptions,
    observer: &'a dyn Observer,
    https: HttpsClient,
    names: Names,
    found: Discovery,
}

impl Search<'_> {
    async fn run(&mut self) {
        let address = self.found.address.clone();
        let told = pacc::ask(&self.https, &self.names, &address).await;
        if self.take(pacc::place(&address), told) || self.read_files(Locations::of_domain(&address)).await {
            return;
        }
        let records = srv::ask(&self.names, &address).await;
        if self.take(format!("SRV records of {}", address.domain()), records) {
            return;
        }
        let database = self.options.database.clone();
        if let Some(database) = &database
            && self.read_files(Locations::of_database(database, address.domain())).await
        {
            return;
        }
        if self.ask_mail_exchanger(&address, database.as_deref()).await {
            return;
        }
        let guessed = guess::ask(&address, &self.options.https, self.options.guess_time_max).await;
        self.take(String::from("usual names"), guessed);
    }

    /// Looks at the files of whoever takes the domain's mail.
    async fn ask_mail_exchanger(&mut self, address: &Address, database: Option<&str>) -> bool {
        let exchanger = match self.names.mail_exchanger(address.domain()).await {
            Ok(Some(exchanger)) => exchanger,
            Ok(None) => {
                self.take(format!("MX records of {}", address.domain()), Err(String::from("none")));
                return false;
            }
            Err(error) => {
                self.take(format!("MX records of {}", address.domain()), Err(error));
                return false;
            }
        };
        for domain in locations::exchanger_domains(&exchanger, address.domain()) {
            if self.read_files(Locations::of_exchanger(&domain)).await {
                return true;
            }
            if let Some(database) = database
                && self.read_files(Locations::of_database(database, &domain)).await
            {
                return true;
            }
        }
        false
    }

    async fn read_files(&mut self, locations: Locations) -> bool {
        for url in locations.urls {
            let told = self.read_file(&url, locations.source).await;
            if self.take(url, told) {
                return true;
            }
        }
        false
    }

    async fn read_file(&self, url: &str, source: Source) -> Result<Told, String> {
        let url = url.parse().map_err(|error| chained(&error))?;
        let response = self.https.get(&url, "text/xml, application/xml").await.map_err(|error| chained(&error))?;
        if response.status != 200 {
            return Err(format!("nothing there (status {})", response.status));
        }
        let config = parse_autoconfig(&response.body, &self.options.autoconfig).map_err(|error| chained(&error))?;
        Ok(config.told(&self.found.address, source))
    }

    /// Keeps what a source tells; `true` if mail can be fetched from what it names.
    fn take(&mut self, what: String, told: Result<Told, String>) -> bool {
        let outcome = match &told {
            Ok(told) if told.servers.is_empty() => String::from("names no server with TLS"),
            Ok(told) => {
                format!("names {}", told.servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
            }
            Err(error) => error.clone(),
        };
        self.observer.note(format!("{what}: {outcome}"));
        self.found.tried.push(Tried { what, outcome });
        if let Ok(told) = told {
            // A source without a server to fetch from may still know the provider's name or the way to tokens.
            self.found.provider = self.found.provider.take().or(told.provider);
            self.found.oauth = self.found.oauth.take().or(told.oauth);
            self.found.servers.extend(told.servers);
        }
        self.found.incoming().is_some()
    }
}

/// An error and its causes in one line.
fn chained(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        line = format!("{line}: {inner}");
        cause = inner.source();
    }
    line
}

/// How much of a text is shown, in characters.
const SHOWN_CHARS_MAX: usize = 120;

/// A text of a stranger's as it may be shown: of bounded length, and without what a terminal would take for orders.
fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
