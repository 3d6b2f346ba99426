//! The configuration file: what can be set, what it means, and its default.
//!
//! The structs below are the one source. The reference in `docs/configuration.md`, the commented file that
//! `postrider init` writes and the JSON schema are made from their doc comments and defaults, so a doc
//! comment here speaks to the person who runs the server. Defaults of limits are not repeated: they are taken from the crate that
//! enforces them. An unknown key is an error, because a mistyped limit must not pass for a set one.

mod backup;
mod environment;
mod fault;
mod load;
mod protocol;
mod pull;
mod quantity;
mod reference;
mod schema;
mod validate;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use postrider_net::{ConnectionLimitOptions, Timeouts};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use backup::Backup;
pub use load::load;
pub use protocol::{Imap, Login, Message, Pop3, Smtp, Store};
pub use pull::{Delete, PullEntry, Schedule};
pub use quantity::{Rate, Span};
pub use reference::{commented_file, json_schema, markdown};

/// Everything that can be set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The name this server gives itself in greetings and in the headers it adds, as in `mail.example.org`. It should be
    /// the name that mail programs connect to. Left out, the machine's own name is used.
    pub hostname: Option<String>,
    /// The folder that holds the mail, the accounts, the control socket and, unless set below, the certificate. A relative
    /// path starts at the folder of this file. Only the server's user can read what is in it.
    pub data: Data,
    /// The addresses each protocol listens on, as in `"0.0.0.0:143"` or `"[::]:143"`. An empty list turns the protocol
    /// off. Port 0 lets the system choose a port, which is printed at the start.
    pub listen: Listen,
    /// The certificate that proves the server's identity to mail programs. `docs/tls.md` tells how to get one.
    pub tls: Tls,
    /// Bounds on connections, shared by all protocols.
    pub limits: Limits,
    /// How people prove who they are, and how guessing is slowed down.
    pub login: Login,
    /// Reading mail by IMAP.
    pub imap: Imap,
    /// Reading mail by POP3.
    pub pop3: Pop3,
    /// Receiving mail by SMTP, submission and LMTP.
    pub smtp: Smtp,
    /// How mail is kept on disk.
    pub store: Store,
    /// How far messages are taken apart to answer questions about their parts. What lies beyond is kept all the same.
    pub message: Message,
    /// The safe: encrypted, incremental copies of all mail, in a repository of restic's format. `docs/backup.md` tells all of it.
    pub backup: Backup,
    /// How the `[[pull]]` entries are worked through.
    pub schedule: Schedule,
    /// Mail of other servers that the running server fetches, one entry for each account there. `docs/pull-schedule.md` tells
    /// all of it; entries are read anew at SIGHUP.
    pub pull: Vec<PullEntry>,
    /// What the server writes about its work, to standard error.
    pub log: Log,
}

/// The data folder, with a default of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Data(pub PathBuf);

impl Default for Data {
    fn default() -> Self {
        Self(PathBuf::from("/var/lib/postrider"))
    }
}

/// Where each protocol listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// IMAP; TLS starts with STARTTLS, and no password is taken before it, except from this machine.
    #[schemars(with = "Vec<String>")]
    pub imap: Vec<SocketAddr>,
    /// IMAP in TLS from the first byte. Mail programs should use this one.
    #[schemars(with = "Vec<String>")]
    pub imaps: Vec<SocketAddr>,
    /// POP3; TLS starts with STLS.
    #[schemars(with = "Vec<String>")]
    pub pop3: Vec<SocketAddr>,
    /// POP3 in TLS from the first byte.
    #[schemars(with = "Vec<String>")]
    pub pop3s: Vec<SocketAddr>,
    /// Mail that this server's own users send; a login is required, TLS starts with STARTTLS.
    #[schemars(with = "Vec<String>")]
    pub submission: Vec<SocketAddr>,
    /// The same in TLS from the first byte.
    #[schemars(with = "Vec<String>")]
    pub submissions: Vec<SocketAddr>,
    /// Mail from other servers to this server's users.
    #[schemars(with = "Vec<String>")]
    pub smtp: Vec<SocketAddr>,
    /// Mail from a mail transfer agent in front, such as Postfix. Who can reach it can deliver without a login:
    /// keep it on this machine.
    #[schemars(with = "Vec<String>")]
    pub lmtp: Vec<SocketAddr>,
    /// Figures for a monitoring system such as Prometheus, as in `["127.0.0.1:9465"]`: `GET /metrics` by plain HTTP. They
    /// tell of no message and no person, but whoever can reach the address can read them. Off by default.
    #[schemars(with = "Vec<String>")]
    pub metrics: Vec<SocketAddr>,
}

impl Default for Listen {
    fn default() -> Self {
        let everywhere = |port| {
            vec![
                SocketAddr::from((std::net::Ipv4Addr::UNSPECIFIED, port)),
                SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, port)),
            ]
        };
        Self {
            imap: everywhere(143),
            imaps: everywhere(993),
            pop3: everywhere(110),
            pop3s: everywhere(995),
            submission: everywhere(587),
            submissions: everywhere(465),
            smtp: everywhere(25),
            lmtp: vec![SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 24))],
            metrics: Vec::new(),
        }
    }
}

/// Certificate and key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// PEM file with the certificate, the server's own first, then the issuers'. Left out together with `key`, a self-signed
    /// certificate is made in the data folder; mail programs warn of it.
    pub certificate: Option<PathBuf>,
    /// PEM file with the certificate's private key.
    pub key: Option<PathBuf>,
}

/// Bounds on connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Open connections in all.
    pub connections_max: usize,
    /// Open connections from one IPv4 address or one IPv6 /64 network.
    pub connections_per_address_max: usize,
    /// New connections in one minute from one IPv4 address or one IPv6 /64 network.
    pub connections_per_address_and_minute_max: u32,
    /// Whether programs on this machine, such as a web mail program, are free of the two bounds per address.
    pub loopback_exempt: bool,
    /// Seconds a TLS handshake may take.
    pub handshake_seconds_max: u64,
    /// Seconds a client may take nothing of what it is sent before it is dropped. A slow client is served.
    pub write_seconds_max: u64,
    /// Seconds open sessions have to end when the server stops.
    pub drain_seconds_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        let (connections, timeouts) = (ConnectionLimitOptions::default(), Timeouts::default());
        Self {
            connections_max: connections.connections_max,
            connections_per_address_max: connections.connections_per_address_max,
            connections_per_address_and_minute_max: connections.connections_per_address_and_minute_max,
            loopback_exempt: connections.loopback_exempt,
            handshake_seconds_max: timeouts.handshake.as_secs(),
            write_seconds_max: timeouts.write.as_secs(),
            drain_seconds_max: 10,
        }
    }
}

impl Limits {
    /// The bounds on connections as `net` takes them.
    pub fn connections(&self) -> ConnectionLimitOptions {
        ConnectionLimitOptions {
            connections_max: self.connections_max,
            connections_per_address_max: self.connections_per_address_max,
            connections_per_address_and_minute_max: self.connections_per_address_and_minute_max,
            loopback_exempt: self.loopback_exempt,
        }
    }

    /// The time limits of a connection's own steps.
    pub fn timeouts(&self) -> Timeouts {
        Timeouts {
            handshake: Duration::from_secs(self.handshake_seconds_max),
            write: Duration::from_secs(self.write_seconds_max),
            ..Timeouts::default()
        }
    }

    /// How long sessions may take to end.
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds_max)
    }
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One readable line for each event.
    #[default]
    Text,
    /// One JSON object for each event.
    Json,
}

/// What is logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `text` for people, `json` for programs.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug` or `trace`; or for each part on its own, as in `info,postrider_imap_server=debug`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}

impl Config {
    /// The configured name, or the machine's.
    pub fn hostname(&self) -> String {
        if let Some(name) = &self.hostname {
            return name.clone();
        }
        let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let machine = machine.trim();
        if validate::is_hostname(machine) { machine.to_owned() } else { "localhost".to_owned() }
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data.0
    }

    /// The certificate's and the key's files: the configured ones, or those in the data folder.
    pub fn certificate_files(&self) -> (PathBuf, PathBuf) {
        match (&self.tls.certificate, &self.tls.key) {
            (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
            _ => (self.data().join("tls/certificate.pem"), self.data().join("tls/key.pem")),
        }
    }

    /// Makes relative paths start at `folder`.
    fn resolve(&mut self, folder: &Path) {
        self.backup.resolve(folder);
        let paths = [
            Some(&mut self.data.0),
            self.tls.certificate.as_mut(),
            self.tls.key.as_mut(),
            self.backup.access_file.as_mut(),
            self.backup.passphrase_file.as_mut(),
        ];
        let paths = paths.into_iter().flatten().chain(self.pull.iter_mut().flat_map(PullEntry::paths));
        for path in paths {
            *path = folder.join(&*path);
        }
    }
}
