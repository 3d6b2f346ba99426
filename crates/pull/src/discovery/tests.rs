//! Searches against a name server and web servers that answer as their test says.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::{
    base::{Message, MessageBuilder, Name, Rtype, iana::Rcode},
    rdata::{Mx, Srv, Txt},
};
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UdpSocket},
};

use super::*;
use crate::{
    https::stub::{Answer, Stub, acceptor},
    observer::Silent,
    remote::Security,
};

/// A record of the name server: a name, and what is there.
#[derive(Clone)]
enum Record {
    Srv(&'static str, u16, u16, &'static str),
    Mx(&'static str, u16, &'static str),
    Txt(&'static str, String),
}

fn name(text: &str) -> Name<Vec<u8>> {
    Name::from_chars(text.chars()).unwrap()
}

/// Answers questions over UDP.
async fn name_server(records: Vec<Record>) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let keeper = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let message = Message::from_octets(buffer[..length].to_vec()).unwrap();
            let question = message.first_question().unwrap();
            let (wanted, kind) = (question.qname().to_string(), question.qtype());
            keeper.lock().unwrap().push(format!("{wanted} {kind}"));
            let mut answer = MessageBuilder::new_vec().start_answer(&message, Rcode::NOERROR).unwrap();
            for record in &records {
                match record {
                    Record::Srv(at, priority, port, target) if *at == wanted && kind == Rtype::SRV => {
                        answer.push((name(at), 60, Srv::new(*priority, 0, *port, name(target)))).unwrap();
                    }
                    Record::Mx(at, preference, target) if *at == wanted && kind == Rtype::MX => {
                        answer.push((name(at), 60, Mx::new(*preference, name(target)))).unwrap();
                    }
                    Record::Txt(at, text) if *at == wanted && kind == Rtype::TXT => {
                        let text: Txt<Vec<u8>> = Txt::build_from_slice(text.as_bytes()).unwrap();
                        answer.push((name(at), 60, text)).unwrap();
                    }
                    _ => {}
                }
            }
            socket.send_to(&answer.finish(), from).await.unwrap();
        }
    });
    (address, asked)
}

fn file(host: &str) -> String {
    format!(
        "<clientConfig><emailProvider><displayName>Name</displayName><incomingServer type='imap'><hostname>{host}</hostname>\
         <port>993</port><socketType>SSL</socketType><username>%EMAILLOCALPART%</username></incomingServer></emailProvider>\
         </clientConfig>"
    )
}

fn xml(body: String) -> Answer {
    ("200 OK", String::from("Content-Type: text/xml\r\n"), body)
}

fn nothing() -> Answer {
    ("404 Not Found", String::new(), String::new())
}

/// Every name that is asked for anywhere, so that no test leaves this machine.
const NAMES: [&str; 11] = [
    "ua-auto-config.example.org",
    "autoconfig.example.org",
    "example.org",
    "database.example",
    "autoconfig.premium.host.example",
    "autoconfig.host.example",
    "imap.example.org",
    "mail.example.org",
    "pop.example.org",
    "pop3.example.org",
    "autoconfig.thunderbird.net",
];

async fn search(
    records: Vec<Record>,
    change: impl FnOnce(&mut DiscoveryOptions),
    answer: impl Fn(&str, &str, &str) -> Answer + Send + Sync + 'static,
) -> (Discovery, Vec<String>, Vec<String>) {
    let stub = Stub::start(&NAMES, answer).await;
    let (server, questions) = name_server(records).await;
    let https = stub.options(&NAMES);
    let mut options = DiscoveryOptions { https, name_servers: vec![server], ..DiscoveryOptions::default() };
    change(&mut options);
    let found = discover(&"Alice@Example.org".parse().unwrap(), &options, &Silent).await;
    let questions = questions.lock().unwrap().clone();
    (found, stub.asked().into_iter().map(|(line, _)| line).collect(), questions)
}

fn incoming(found: &Discovery) -> Option<String> {
    found.incoming().map(|server| format!("{server} {} {}", server.user, server.source.name()))
}

#[tokio::test]
async fn what_the_domain_itself_says_comes_first() {
    let records = vec![Record::Srv("_imaps._tcp.example.org", 0, 993, "srv.example.org")];
    let (found, asked, questions) = search(
        records,
        |_| {},
        |host, line, _| match host {
            "autoconfig.example.org" => {
                assert!(line.contains("emailaddress=Alice%40example.org"), "{line}");
                xml(file("imap.elsewhere.example"))
            }
            _ => nothing(),
        },
    )
    .await;
    assert_eq!(incoming(&found).unwrap(), "imap imap.elsewhere.example:993 (TLS) Alice domain");
    assert!(!found.incoming().unwrap().is_under(&found.address));
    assert_eq!((found.provider.as_deref(), asked.len(), questions.len()), (Some("Name"), 2, 0));
}

#[tokio::test]
async fn a_configuration_in_json_counts_only_with_its_hash_in_dns() {
    let body = r#"{"protocols":{"imap":{"host":"imap.example.org"}},"authentication":{"password":true}}"#;
    for (text, expected) in [
        (format!("v=UAAC1; a=sha256; d={}", STANDARD.encode(Sha256::digest(body))), Some("domain")),
        (format!("v=UAAC1; a=sha256; d={}", STANDARD.encode(Sha256::digest("x"))), None),
    ] {
        let records = vec![Record::Txt("_ua-auto-config.example.org", text)];
        let (found, ..) = search(
            records,
            |_| {},
            move |host, _, _| match host {
                "ua-auto-config.example.org" => {
                    ("200 OK", String::from("Content-Type: application/json\r\n"), body.to_owned())
                }
                _ => nothing(),
            },
        )
        .await;
        assert_eq!(found.incoming().map(|server| server.source.name()), expected);
        assert!(found.tried.iter().any(|tried| tried.what.contains("ua-auto-config")));
    }
}

#[tokio::test]
async fn srv_records_are_followed_by_priority_and_a_dot_is_a_no() {
    let records = vec![
        Record::Srv("_imaps._tcp.example.org", 20, 993, "imaps.example.org"),
        Record::Srv("_imap._tcp.example.org", 0, 143, "."),
        Record::Srv("_pop3s._tcp.example.org", 10, 1995, "POP.example.net"),
        Record::Srv("_submissions._tcp.example.org", 0, 465, "smtp.example.org"),
    ];
    let (found, _, questions) = search(records, |_| {}, |_, _, _| nothing()).await;
    let servers: Vec<_> = found.servers.iter().map(ToString::to_string).collect();
    assert_eq!(
        servers,
        [
            "pop3 pop.example.net:1995 (TLS)",
            "imap imaps.example.org:993 (TLS)",
            "submission smtp.example.org:465 (TLS)"
        ]
    );
    assert_eq!(incoming(&found).unwrap(), "pop3 pop.example.net:1995 (TLS) Alice@example.org srv");
    assert!(!found.servers[0].is_under(&found.address) && found.servers[1].is_under(&found.address));
    assert_eq!(questions.len(), 6, "{questions:?}");
}

#[tokio::test]
async fn the_database_is_told_the_domain_only_when_that_was_agreed_to() {
    let answer = |host: &str, line: &str, _: &str| match host {
        "database.example" => {
            assert_eq!(line, "GET /v1.1/example.org HTTP/1.1");
            xml(file("imap.example.org"))
        }
        _ => nothing(),
    };
    let (found, ..) = search(Vec::new(), |_| {}, answer).await;
    assert_eq!(incoming(&found), None);
    let database = Some(String::from("https://database.example/v1.1/"));
    let (found, ..) = search(Vec::new(), |options| options.database = database, answer).await;
    assert_eq!(incoming(&found).unwrap(), "imap imap.example.org:993 (TLS) Alice database");
}

#[tokio::test]
async fn whoever_takes_the_mail_is_asked_without_being_told_the_address() {
    let records = vec![
        Record::Mx("example.org", 20, "mx.other.example"),
        Record::Mx("example.org", 10, "mx.premium.host.example"),
    ];
    let (found, asked, _) = search(
        records,
        |_| {},
        |host, _, _| match host {
            "autoconfig.host.example" => xml(file("imap.host.example")),
            _ => nothing(),
        },
    )
    .await;
    assert_eq!(incoming(&found).unwrap(), "imap imap.host.example:993 (TLS) Alice mx");
    assert_eq!(asked.iter().filter(|line| line.contains("emailaddress")).count(), 1, "{asked:?}");
    assert!(!found.incoming().unwrap().is_under(&found.address));
}

#[tokio::test]
async fn a_usual_name_counts_if_a_mail_server_with_its_certificate_greets_there() {
    let (acceptor, authority) = acceptor(&["mail.example.org", "pop.example.org"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                stream.write_all(b"* OK IMAP here\r\n").await.unwrap();
                let _ = stream.read_u8().await;
            });
        }
    });
    let (found, ..) = search(
        Vec::new(),
        |options| {
            // The names' certificate is another one than the web's.
            let pem = authority.into_bytes();
            options.https.connect.trust = crate::connect::Trust::Authorities { path: "test".into(), pem };
            options.https.places.values_mut().for_each(|place| *place = address);
        },
        |_, _, _| nothing(),
    )
    .await;
    let names: Vec<_> = found.servers.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["imap mail.example.org:993 (TLS)"], "imap. has no certificate, pop. greets as IMAP");
    assert_eq!(found.servers[0].source, Source::Guess);
    assert_ne!(found.servers[0].security, Security::Plain);
}
