//! The last resort: usual names, if a server with a certificate for that name greets there.

use std::time::Duration;

use tokio::{io::AsyncReadExt as _, task::JoinSet, time::timeout};

use super::{Address, MailServer, Service, Source, Told};
use crate::{connect::connect_tls, https::HttpsOptions, remote::Security};

/// Usual first labels, in the order of preference.
const USUAL: [(&str, Service, u16); 5] = [
    ("imap", Service::Imap, 993),
    ("mail", Service::Imap, 993),
    ("pop", Service::Pop3, 995),
    ("pop3", Service::Pop3, 995),
    ("mail", Service::Pop3, 995),
];

/// Octets of a greeting that tell the protocol.
const GREETING_BYTES: usize = 4;

/// Looks which names answer.
pub(super) async fn ask(address: &Address, options: &HttpsOptions, time_max: Duration) -> Result<Told, String> {
    let mut questions = JoinSet::new();
    for (order, (label, service, port)) in USUAL.into_iter().enumerate() {
        let host = format!("{label}.{}", address.domain());
        let (options, user) = (options.clone(), address.to_string());
        questions.spawn(async move {
            let greets = timeout(time_max, greets(&host, service, port, &options)).await.unwrap_or(false);
            let (authentication, security) = (Vec::new(), Security::Tls);
            let server = MailServer { service, host, port, security, user, authentication, source: Source::Guess };
            greets.then_some((order, server))
        });
    }
    let mut found: Vec<_> = questions.join_all().await.into_iter().flatten().collect();
    found.sort_by_key(|(order, _)| *order);
    if found.is_empty() {
        return Err(String::from("no mail server with a valid certificate answers at one of them"));
    }
    Ok(Told { servers: found.into_iter().map(|(_, server)| server).collect(), ..Told::default() })
}

async fn greets(host: &str, service: Service, port: u16, options: &HttpsOptions) -> bool {
    let place = options.places.get(host).copied();
    let Ok(mut connection) = connect_tls(host, port, place, &options.connect).await else { return false };
    let mut greeting = [0; GREETING_BYTES];
    if connection.read_exact(&mut greeting).await.is_err() {
        return false;
    }
    match service {
        Service::Imap => greeting.eq_ignore_ascii_case(b"* OK"),
        Service::Pop3 => greeting.starts_with(b"+OK"),
        Service::Submission => false,
    }
}
