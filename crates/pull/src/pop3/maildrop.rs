//! What is there: numbers, sizes and unique ids.

use std::collections::{BTreeMap, HashMap};

use postrider_pop3_proto::{
    Command, MessageNumber,
    client::{ListingLine, Reply, parse_drop_listing, parse_size_line, parse_unique_id_line},
};

use super::client::{Client, failure, printable};
use crate::counted::counted;
use crate::error::PullError;

/// A message there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// Its number in this session.
    pub(super) number: MessageNumber,
    /// Its size, if it was told.
    pub(super) octets: Option<u64>,
    /// Its unique id, if it has one that no other message has.
    pub(super) unique_id: Option<Vec<u8>>,
}

/// What is there.
#[derive(Debug, Default)]
pub(super) struct Maildrop {
    pub(super) messages: Vec<Listed>,
    /// Why something in the listing is not to be relied on, in words.
    pub(super) remarks: Vec<String>,
}

impl Listed {
    /// What people call it.
    pub(super) fn name(&self) -> String {
        match &self.unique_id {
            Some(id) => format!("message {} (UIDL {})", self.number.0, printable(&String::from_utf8_lossy(id))),
            None => format!("message {}", self.number.0),
        }
    }
}

impl Maildrop {
    pub(super) async fn of(client: &mut Client) -> Result<Self, PullError> {
        let mut remarks = Vec::new();
        let count = match client.command(&Command::Stat).await? {
            Reply::Ok(status) => parse_drop_listing(status.text.as_bytes()).map(|listing| listing.messages),
            Reply::Err(_) => None,
            other => return Err(failure("STAT", other)),
        };
        let sizes = sizes(client).await?;
        let mut ids = unique_ids(client).await?;
        if sizes.is_empty() && ids.is_empty() && count.is_none() {
            return Err(PullError::Protocol { protocol: "POP3", what: String::from("it does not tell what it holds") });
        }
        // Within a session messages are numbered from 1 without gaps (RFC 1939 §4).
        let last = count.into_iter().chain(sizes.keys().copied()).max();
        // A listing of ids may have lines in it that are none.
        let last = last.or(ids.keys().copied().max()).unwrap_or(0);
        ids.retain(|number, _| *number <= last);
        if last > client.limits.messages_max {
            return Err(PullError::TooMuch { what: format!("a mailbox of {}", counted(last, "message")) });
        }
        if count.is_some_and(|count| count as usize != sizes.len()) {
            let told = count.unwrap_or(0);
            remarks.push(format!("STAT tells of {}, LIST of {}", counted(told, "message"), sizes.len()));
        }
        if last > 0 && ids.is_empty() {
            remarks.push(String::from(
                "the server has no unique ids (UIDL), so every message is fetched to see whether it is here already",
            ));
        }
        forget_shared(&mut ids, &mut remarks);
        let listed = |number| Listed {
            number: MessageNumber(number),
            octets: sizes.get(&number).copied().flatten(),
            unique_id: ids.get(&number).cloned(),
        };
        // Numbers that only STAT vouches for are asked for, too: better a refusal that is told than a message that is not.
        Ok(Self { messages: (1..=last).map(listed).collect(), remarks })
    }
}

async fn sizes(client: &mut Client) -> Result<BTreeMap<u32, Option<u64>>, PullError> {
    let mut sizes = BTreeMap::new();
    match client.command(&Command::List(None)).await? {
        Reply::Ok(_) => {
            let each = |line: ListingLine<'_>| {
                if let ListingLine::Line(line) = line
                    && let Some(line) = parse_size_line(line)
                {
                    sizes.insert(line.message.0, line.octets);
                }
            };
            client.listing(each).await?;
        }
        Reply::Err(_) => {}
        other => return Err(failure("LIST", other)),
    }
    Ok(sizes)
}

async fn unique_ids(client: &mut Client) -> Result<BTreeMap<u32, Vec<u8>>, PullError> {
    let mut ids = BTreeMap::new();
    match client.command(&Command::Uidl(None)).await? {
        Reply::Ok(_) => {
            let mut before = 0u32;
            let each = |line: ListingLine<'_>| {
                // A line without its number, or one too long to be read, is of the message behind the one before.
                before = before.saturating_add(1);
                let ListingLine::Line(line) = line else { return };
                let line = parse_unique_id_line(line);
                before = line.message.map_or(before, |number| number.0);
                if !line.unique_id.is_empty() {
                    ids.insert(before, line.unique_id);
                }
            };
            client.listing(each).await?;
        }
        // RFC 1939 §7: UIDL is optional.
        Reply::Err(_) => {}
        other => return Err(failure("UIDL", other)),
    }
    Ok(ids)
}

/// An id that two messages have tells neither.
fn forget_shared(ids: &mut BTreeMap<u32, Vec<u8>>, remarks: &mut Vec<String>) {
    let mut uses: HashMap<&[u8], u32> = HashMap::with_capacity(ids.len());
    for id in ids.values() {
        *uses.entry(id.as_slice()).or_default() += 1;
    }
    let shared: Vec<u32> = ids
        .iter()
        .filter(|(_, id)| uses.get(id.as_slice()).is_some_and(|count| *count > 1))
        .map(|(number, _)| *number)
        .collect();
    if !shared.is_empty() {
        let count = shared.len();
        remarks
            .push(format!("{count} messages share their unique id with another, and are told apart by their content"));
    }
    for number in shared {
        ids.remove(&number);
    }
}
