//! What the server says it can do, in the state the connection is in (RFC 9051 §6.1.1).

use postrider_accounts::{Accounts, LoginConnection};

/// Before login: what is of use there.
const ALWAYS: [&str; 6] = ["IMAP4rev2", "IMAP4rev1", "SASL-IR", "LITERAL+", "ID", "ENABLE"];

/// After login: the rest.
const AUTHENTICATED: [&str; 30] = [
    "IDLE",
    "NAMESPACE",
    "UIDPLUS",
    "UNSELECT",
    "MOVE",
    "CHILDREN",
    "ESEARCH",
    "SEARCHRES",
    "WITHIN",
    "SORT",
    "SORT=DISPLAY",
    "ESORT",
    "THREAD=ORDEREDSUBJECT",
    "THREAD=REFERENCES",
    "LIST-EXTENDED",
    "LIST-STATUS",
    "SPECIAL-USE",
    "CREATE-SPECIAL-USE",
    "STATUS=SIZE",
    "CONDSTORE",
    "QRESYNC",
    "BINARY",
    "MULTIAPPEND",
    "OBJECTID",
    "SAVEDATE",
    "PREVIEW",
    "UTF8=ACCEPT",
    "UNAUTHENTICATE",
    "STATUS=DELETED",
    "APPENDLIMIT",
];

/// Whether TLS can still begin on this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StartTls {
    Possible,
    Impossible,
}

/// The list for a client that is not logged in.
pub(crate) fn before_login(accounts: &Accounts, connection: &LoginConnection, start_tls: StartTls) -> Vec<String> {
    let mut list: Vec<String> = ALWAYS.iter().map(|&name| name.to_owned()).collect();
    if start_tls == StartTls::Possible {
        list.push("STARTTLS".to_owned());
    }
    let mechanisms = accounts.mechanisms(connection);
    if !cleartext_allowed(accounts, connection) {
        list.push("LOGINDISABLED".to_owned());
    }
    list.extend(mechanisms.iter().map(|mechanism| format!("AUTH={}", mechanism.name())));
    list
}

/// Whether a plain password may cross this connection: then PLAIN is among the mechanisms.
pub(crate) fn cleartext_allowed(accounts: &Accounts, connection: &LoginConnection) -> bool {
    accounts.mechanisms(connection).iter().any(|mechanism| mechanism.name() == "PLAIN")
}

/// The list for a client that is logged in.
pub(crate) fn after_login(append_bytes_max: u64) -> Vec<String> {
    let limit = format!("APPENDLIMIT={append_bytes_max}");
    ALWAYS
        .iter()
        .chain(&AUTHENTICATED)
        .map(|&name| if name == "APPENDLIMIT" { limit.clone() } else { name.to_owned() })
        .collect()
}
