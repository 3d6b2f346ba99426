//! SRV records of mail services (RFC 6186, RFC 8314 §5.1).

use super::{
    Address, MailServer, Service, Source, Told,
    names::{Names, SrvRecord},
};
use crate::remote::Security;

/// The services, TLS first: among equals that is preferred (RFC 8314 §5.1).
const SERVICES: [(&str, Service, Security); 6] = [
    ("_imaps", Service::Imap, Security::Tls),
    ("_imap", Service::Imap, Security::StartTls),
    ("_pop3s", Service::Pop3, Security::Tls),
    ("_pop3", Service::Pop3, Security::StartTls),
    ("_submissions", Service::Submission, Security::Tls),
    ("_submission", Service::Submission, Security::StartTls),
];

/// Asks for all of them.
pub(super) async fn ask(names: &Names, address: &Address) -> Result<Told, String> {
    let mut found = Vec::new();
    for (label, service, security) in SERVICES {
        let mut records = names.srv(&format!("{label}._tcp.{}", address.domain())).await?;
        order(&mut records, &mut random_below);
        for record in records {
            // RFC 6186 §3.4: `.` says that the service is not offered.
            let Some(host) = record.target.filter(|_| record.port != 0) else { continue };
            let server = MailServer {
                service,
                host,
                port: record.port,
                security,
                // RFC 6186 §4: the whole address is tried first.
                user: address.to_string(),
                authentication: Vec::new(),
                source: Source::Srv,
            };
            found.push((record.priority, server));
        }
    }
    if found.is_empty() {
        return Err(String::from("none"));
    }
    // RFC 6186 §3.3: priorities hold across the services, too.
    found.sort_by_key(|(priority, server)| (server.service == Service::Submission, *priority));
    let servers = found.into_iter().map(|(_, server)| server).collect();
    Ok(Told { servers, ..Told::default() })
}

/// Puts records in the order in which they are to be tried (RFC 2782): by priority, and within one by lot, weighted.
fn order(records: &mut Vec<SrvRecord>, random_below: &mut dyn FnMut(u32) -> u32) {
    records.sort_by_key(|record| (record.priority, record.weight));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(first) = records.first() {
        let equals = records.partition_point(|record| record.priority == first.priority);
        let weights = records.iter().take(equals).map(|record| u32::from(record.weight));
        let drawn = random_below(weights.clone().sum::<u32>().saturating_add(1));
        let mut sum = 0;
        let chosen = weights.enumerate().find_map(|(index, weight)| {
            sum += weight;
            (sum >= drawn).then_some(index)
        });
        ordered.push(records.remove(chosen.unwrap_or(0)));
    }
    *records = ordered;
}

fn random_below(bound: u32) -> u32 {
    // Without randomness the heaviest come last, which does no harm.
    getrandom::u32().map_or(0, |number| number % bound.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(priority: u16, weight: u16, port: u16) -> SrvRecord {
        SrvRecord { priority, weight, port, target: Some(String::from("a.example")) }
    }

    #[test]
    fn priority_goes_before_weight_and_weight_is_a_lot() {
        let ports = |drawn: &[u32]| {
            let mut drawn = drawn.iter();
            let mut records = vec![record(2, 0, 4), record(1, 10, 2), record(1, 30, 3), record(1, 0, 1)];
            order(&mut records, &mut |bound| (*drawn.next().unwrap()).min(bound - 1));
            records.iter().map(|record| record.port).collect::<Vec<_>>()
        };
        assert_eq!(ports(&[0, 0, 0, 0]), [1, 2, 3, 4]);
        assert_eq!(ports(&[40, 10, 0, 0]), [3, 2, 1, 4]);
        assert_eq!(ports(&[1, 1, 0, 0]), [2, 3, 1, 4]);
    }
}
