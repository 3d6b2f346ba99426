//! The workloads: one subject, one file. This is the table of them all.

mod append;
mod copy;
mod fetch;
mod idle;
mod lmtp;
mod login;
mod mixed;
mod pop3;
mod push;
mod search;
mod select;
mod store;

use anyhow::Result;

use crate::site::{Sample, Site};

/// What the figure of a workload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// So many of these per second; more is better.
    PerSecond(&'static str),
    /// In this unit; less is better.
    Least(&'static str),
}

/// When the product's goal is reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// So many times as good as the peer.
    Ratio(f64),
    /// The figure itself is at most this.
    AtMost(f64),
}

/// Whether a workload changes what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It only reads.
    Reads,
    /// It writes; what is left in the kernel's buffers is written out before the next workload begins.
    Writes,
}

/// How often a workload runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounds {
    /// In every round.
    Every,
    /// Once, before all others, on servers that were just started: processes and memory that were left by other
    /// workloads would hide what is looked for.
    Once,
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Workload {
    /// What is done.
    pub name: &'static str,
    /// What the figure is.
    pub figure: Figure,
    /// The goal.
    pub target: Target,
    /// Whether it writes.
    pub effect: Effect,
    /// How often it runs.
    pub rounds: Rounds,
    /// What one must know to judge the row; the peer's syncing above all.
    pub note: &'static str,
    /// Runs it.
    pub run: fn(&Site<'_>) -> Result<Sample>,
}

const READS: Workload = Workload {
    name: "",
    figure: Figure::PerSecond("messages/s"),
    target: Target::Ratio(1.0),
    effect: Effect::Reads,
    rounds: Rounds::Every,
    note: "",
    run: select::warm,
};

const WRITES: Workload = Workload { effect: Effect::Writes, ..READS };

const NOT_SYNCED: &str = "**Dovecot does not sync here by default**; postrider does";
const BOTH_SYNC: &str = "both sync";
/// As a trace of its system calls shows: one sync of the index log for each command, at the end.
const BOTH_SYNC_ONCE: &str = "both sync once";

const SEARCHED_AS_SHOWN: &str =
    "postrider finds words that a line end or markup divides in HTML, too; Dovecot does not";

/// Rows that wait for the product, with the reason.
pub const MISSING: [(&str, &str); 2] = [("SORT", "not offered yet"), ("THREAD", "not offered yet")];

/// All rows in the clear.
pub const ALL: [Workload; 27] = [
    Workload {
        name: "SELECT, warm",
        figure: Figure::PerSecond("commands/s"),
        target: Target::Ratio(5.0),
        run: select::warm,
        ..READS
    },
    Workload { name: "UID FETCH 1:* (FLAGS)", target: Target::Ratio(3.0), run: fetch::flags, ..READS },
    Workload {
        name: "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)",
        target: Target::Ratio(10.0),
        run: fetch::envelope,
        note: "Dovecot answers from its cache file",
        ..READS
    },
    Workload {
        name: "FETCH 1:* BODY.PEEK[HEADER.FIELDS (nine fields)]",
        target: Target::Ratio(5.0),
        run: fetch::header_fields,
        note: "Dovecot answers from its cache file",
        ..READS
    },
    FETCH_BODIES,
    FETCH_RANDOM,
    Workload { name: "SEARCH SUBJECT", target: Target::Ratio(20.0), run: search::subject, ..READS },
    Workload { name: "SEARCH UNSEEN SINCE LARGER", target: Target::Ratio(20.0), run: search::columns, ..READS },
    Workload {
        name: "SEARCH TEXT, all mail",
        target: Target::Ratio(15.0),
        run: search::text,
        note: SEARCHED_AS_SHOWN,
        ..READS
    },
    Workload {
        name: "SEARCH BODY, all mail",
        target: Target::Ratio(15.0),
        run: search::body,
        note: SEARCHED_AS_SHOWN,
        ..READS
    },
    Workload { name: "STORE 1:* FLAGS", target: Target::Ratio(3.0), run: store::all, note: NOT_SYNCED, ..WRITES },
    Workload {
        name: "STORE of one message, 16 connections",
        figure: Figure::PerSecond("commands/s"),
        target: Target::Ratio(1.0),
        run: store::single,
        note: NOT_SYNCED,
        ..WRITES
    },
    Workload {
        name: "APPEND, 1 connection",
        target: Target::Ratio(2.0),
        run: |site| append::run(site, 1),
        note: BOTH_SYNC,
        ..WRITES
    },
    Workload {
        name: "APPEND, 16 connections",
        target: Target::Ratio(3.0),
        run: |site| append::run(site, 16),
        note: BOTH_SYNC,
        ..WRITES
    },
    Workload {
        name: "APPEND, 64 connections",
        target: Target::Ratio(4.0),
        run: |site| append::run(site, 64),
        note: BOTH_SYNC,
        ..WRITES
    },
    Workload {
        name: "LMTP delivery, 1 connection",
        target: Target::Ratio(4.0),
        run: |site| lmtp::run(site, 1),
        note: BOTH_SYNC,
        ..WRITES
    },
    Workload {
        name: "LMTP delivery, 16 connections",
        target: Target::Ratio(8.0),
        run: |site| lmtp::run(site, 16),
        note: BOTH_SYNC,
        ..WRITES
    },
    Workload {
        name: "LMTP delivery, 64 connections",
        target: Target::Ratio(8.0),
        run: |site| lmtp::run(site, 64),
        note: BOTH_SYNC,
        ..WRITES
    },
    Workload {
        name: "COPY of a third of the mailbox",
        target: Target::Ratio(20.0),
        run: copy::copy,
        note: "both sync once; neither writes the messages again",
        ..WRITES
    },
    Workload {
        name: "MOVE of as many",
        target: Target::Ratio(20.0),
        run: copy::r#move,
        note: "both sync once; neither writes the messages again",
        ..WRITES
    },
    Workload {
        name: "\\Deleted and EXPUNGE of as many",
        target: Target::Ratio(3.0),
        run: copy::expunge,
        note: BOTH_SYNC_ONCE,
        ..WRITES
    },
    Workload {
        name: "POP3: UIDL, LIST, RETR of all, 16 connections",
        target: Target::Ratio(3.0),
        run: pop3::read,
        ..READS
    },
    Workload {
        name: "POP3: RETR and DELE of all, QUIT, 16 connections",
        target: Target::Ratio(4.0),
        run: pop3::empty,
        note: BOTH_SYNC_ONCE,
        ..WRITES
    },
    LOGIN,
    Workload {
        name: "mixed sessions, 16 connections",
        figure: Figure::PerSecond("sessions/s"),
        target: Target::Ratio(3.0),
        run: mixed::run,
        note: "one SELECT, two FETCH, one STORE, one APPEND, one STATUS each; Dovecot does not sync the STORE",
        ..WRITES
    },
    Workload {
        name: "memory of an idle connection",
        figure: Figure::Least("KiB"),
        target: Target::AtMost(15.0),
        run: idle::proportional,
        rounds: Rounds::Once,
        note: "growth of all processes' PSS by connections in IDLE, INBOX selected",
        ..READS
    },
    Workload {
        name: "push: APPEND until 10 idle sessions are told",
        figure: Figure::Least("ms"),
        target: Target::AtMost(5.0),
        run: push::run,
        note: "Dovecot waits half a second before it tells, to gather news",
        ..WRITES
    },
];

/// The rows that are measured in TLS, too.
pub const TLS: [Workload; 3] = [FETCH_BODIES, FETCH_RANDOM, LOGIN];

const FETCH_BODIES: Workload =
    Workload { name: "FETCH 1:* BODY.PEEK[]", target: Target::Ratio(3.0), run: fetch::bodies, ..READS };

const FETCH_RANDOM: Workload = Workload {
    name: "random BODY.PEEK[], 16 connections",
    target: Target::Ratio(4.0),
    run: fetch::random_bodies,
    ..READS
};

const LOGIN: Workload = Workload {
    name: "login and logout, 16 connections",
    figure: Figure::PerSecond("sessions/s"),
    target: Target::Ratio(5.0),
    run: login::run,
    note: "both remember checked passwords in memory; Dovecot's are stored in the clear",
    ..READS
};
