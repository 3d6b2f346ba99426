//! Questions to name servers. The library asks, waits and asks again, over TCP where an answer does not fit; what it is not asked to
//! do is to look whether answers are signed.

use std::{net::SocketAddr, time::Duration};

use domain::{
    base::{Name, Rtype, iana::Rcode},
    rdata::{Mx, Srv, Txt},
    resolv::stub::{
        Answer, StubResolver,
        conf::{ResolvConf, ServerConf, Transport},
    },
};
use tokio::time::timeout;

use super::address::host_name;

/// Records of one answer that are looked at.
const RECORDS_MAX: usize = 64;

/// Asks name servers.
#[derive(Debug)]
pub(super) struct Names {
    resolver: StubResolver,
    time_max: Duration,
}

/// An SRV record (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SrvRecord {
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) port: u16,
    /// `None`: the service is decidedly not there.
    pub(super) target: Option<String>,
}

impl Names {
    /// Asks these servers, or those of the machine if there are none.
    pub(super) fn new(servers: &[SocketAddr], time_max: Duration) -> Self {
        let resolver = if servers.is_empty() {
            StubResolver::new()
        } else {
            let mut conf = ResolvConf::new();
            conf.servers = servers.iter().map(|server| ServerConf::new(*server, Transport::UdpTcp)).collect();
            conf.finalize();
            StubResolver::from_conf(conf)
        };
        Self { resolver, time_max }
    }

    async fn ask(&self, name: &str, kind: Rtype) -> Result<Option<Answer>, String> {
        let wrong = || format!("{name} is no name");
        let name = Name::<Vec<u8>>::from_chars(name.chars()).map_err(|_| wrong())?;
        let answer = timeout(self.time_max, self.resolver.query((name, kind))).await;
        let answer = answer.map_err(|_| String::from("no name server answers"))?.map_err(|error| error.to_string())?;
        match answer.header().rcode() {
            Rcode::NOERROR => Ok(Some(answer)),
            Rcode::NXDOMAIN => Ok(None),
            other => Err(format!("the name server answers {other}")),
        }
    }

    /// The records of a service, as they came.
    pub(super) async fn srv(&self, name: &str) -> Result<Vec<SrvRecord>, String> {
        let Some(answer) = self.ask(name, Rtype::SRV).await? else { return Ok(Vec::new()) };
        let section = answer.answer().map_err(|error| error.to_string())?;
        let records = section.limit_to_in::<Srv<_>>().filter_map(Result::ok).take(RECORDS_MAX);
        Ok(records
            .filter_map(|record| {
                let data = record.data();
                let target = data.target().to_string();
                // RFC 2782: `.` is no host.
                let target = match target.as_str() {
                    "" | "." => None,
                    name => Some(host_name(name)?),
                };
                Some(SrvRecord { priority: data.priority(), weight: data.weight(), port: data.port(), target })
            })
            .collect())
    }

    /// The host that mail for a domain goes to first.
    pub(super) async fn mail_exchanger(&self, domain: &str) -> Result<Option<String>, String> {
        let Some(answer) = self.ask(domain, Rtype::MX).await? else { return Ok(None) };
        let section = answer.answer().map_err(|error| error.to_string())?;
        let records = section.limit_to_in::<Mx<_>>().filter_map(Result::ok).take(RECORDS_MAX);
        let first = records.min_by_key(|record| record.data().preference());
        Ok(first.and_then(|record| host_name(&record.data().exchange().to_string())))
    }

    /// The texts at a name.
    pub(super) async fn txt(&self, name: &str) -> Result<Vec<Vec<u8>>, String> {
        let Some(answer) = self.ask(name, Rtype::TXT).await? else { return Ok(Vec::new()) };
        let section = answer.answer().map_err(|error| error.to_string())?;
        let records = section.limit_to_in::<Txt<_>>().filter_map(Result::ok).take(RECORDS_MAX);
        Ok(records.map(|record| record.data().iter().flatten().copied().collect()).collect())
    }
}
