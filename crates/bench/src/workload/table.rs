//! The table of all workloads.

use super::{
    Effect, Figure, Rounds, Target, Workload, append, copy, fetch, idle, lmtp, login, mixed, pop3, push, search,
    select, sort, store,
};

const READS: Workload = Workload {
    name: "",
    label: "",
    figure: Figure::PerSecond("messages/s"),
    target: Target::Ratio(1.0),
    effect: Effect::Reads,
    rounds: Rounds::Every,
    needs: None,
    note: "",
    dovecot: "",
    cyrus: "",
    missed: NOT_EXAMINED,
    run: select::warm,
};

const WRITES: Workload = Workload { effect: Effect::Writes, ..READS };

/// The first of its kind after a start: for knowledge only.
const FIRST: Workload = Workload {
    target: Target::None,
    rounds: Rounds::AfterStart,
    note: "one command; the kernel's page cache is warm",
    ..READS
};

const NOT_EXAMINED: &str = "Not examined yet: a profile of this row would name what keeps it.";
/// What keeps rows from their goals, as far as it was looked into.
const SORTED_ANEW: &str = "The order of the texts is kept only until a message comes or goes; then all of them are \
    put in order anew, about 130 ns a message. Merging the few new ones in would close it.";
const THREADED_ANEW: &str = "All messages are linked anew for each command, about 170 ns a message. Links kept with the snapshot, \
    to which only new messages are added, would close it.";
const MANY_HAND_OVERS: &str = "With the client the two processors are busy. Of the server's 160 to 220 microseconds \
    of processor time for a delivery about half is the kernel's (sockets, the journal, wake-ups); copying, hashing and \
    parsing the message take about 24, and the rest is spread widely. mimalloc in place of the system's allocator, \
    preloaded, saved nothing. Fewer hand-overs between session, writer and committer would help.";
const ONE_AT_A_TIME: &str = "At the goal within its spread: one message at a time waits for the device's flush and for the kernel's \
    wake-ups between three answers.";
const TWO_KEY_EXCHANGES: &str = "Client and server share two processors, and a session takes each of them about 190 \
    microseconds; of the server's part almost half is the kernel's (a dozen calls, and waking the client), a fifth the \
    key exchange and the signature. What is left is spread widely.";
const KERNEL_SENDS: &str = "The client takes a third of the processor time that is used. Of the server's part most is the \
    kernel's: sending, waking, and one read of the journal for each message.";
const ANSWERED_AFTERWARDS: &str = "Dovecot does not sync here. postrider's time is the processor's for the most part, \
    spread over copies of the rows that change, the lines of the answer and the journal; then it waits for the device. \
    Making the answer while the device is waited for would close it.";
const NOT_SYNCED: &str = "**Dovecot does not sync here by default**; postrider does";
const BOTH_SYNC: &str = "both sync";
/// As a trace of its system calls shows: one sync of the index log for each command, at the end.
const BOTH_SYNC_ONCE: &str = "both sync once";
const FROM_CACHE_FILE: &str = "Dovecot answers from its cache file";
const SEARCHED_AS_SHOWN: &str =
    "postrider finds words that a line end or markup divides in HTML, too; Dovecot does not";
const NOT_WRITTEN_AGAIN: &str = "both sync once; neither writes the messages again";

/// All rows in the clear.
pub const ALL: [Workload; 38] = [
    Workload {
        name: "SELECT, warm",
        figure: Figure::PerSecond("commands/s"),
        target: Target::Ratio(5.0),
        run: select::warm,
        note: "sixteen commands in one write",
        ..READS
    },
    Workload {
        name: "SELECT, warm, one at a time",
        figure: Figure::PerSecond("commands/s"),
        target: Target::None,
        run: select::one_at_a_time,
        note: "both wait for the kernel's wake-ups most of the time",
        ..READS
    },
    Workload { name: "UID FETCH 1:* (FLAGS)", target: Target::Ratio(3.0), run: fetch::flags, ..READS },
    Workload {
        name: "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)",
        label: "FETCH ENVELOPE BODYSTRUCTURE of all",
        target: Target::Ratio(10.0),
        run: fetch::envelope,
        dovecot: FROM_CACHE_FILE,
        ..READS
    },
    Workload {
        name: "FETCH 1:* BODY.PEEK[HEADER.FIELDS (nine fields)]",
        label: "FETCH HEADER.FIELDS of all",
        target: Target::Ratio(5.0),
        run: fetch::header_fields,
        dovecot: FROM_CACHE_FILE,
        ..READS
    },
    FETCH_BODIES,
    FETCH_RANDOM,
    Workload { name: "SEARCH SUBJECT", target: Target::Ratio(20.0), run: search::subject, ..READS },
    Workload {
        name: "SEARCH SUBJECT, first after a start",
        run: search::subject_first,
        dovecot: FROM_CACHE_FILE,
        ..FIRST
    },
    Workload { name: "SEARCH UNSEEN SINCE LARGER", target: Target::Ratio(20.0), run: search::columns, ..READS },
    Workload {
        name: "SEARCH TEXT, all mail",
        target: Target::Ratio(15.0),
        run: search::text,
        dovecot: SEARCHED_AS_SHOWN,
        ..READS
    },
    Workload { name: "SEARCH TEXT, first after a start", run: search::text_first, ..FIRST },
    Workload {
        name: "SEARCH BODY, all mail",
        target: Target::Ratio(15.0),
        run: search::body,
        dovecot: SEARCHED_AS_SHOWN,
        ..READS
    },
    Workload {
        name: "SORT (REVERSE DATE)",
        target: Target::Ratio(5.0),
        needs: sort::SORT,
        run: sort::by_date,
        ..READS
    },
    Workload {
        name: "SORT (SUBJECT)",
        target: Target::Ratio(5.0),
        needs: sort::SORT,
        missed: SORTED_ANEW,
        run: sort::by_subject,
        ..READS
    },
    Workload { name: "SORT (SUBJECT), first after a start", needs: sort::SORT, run: sort::by_subject_first, ..FIRST },
    Workload {
        name: "THREAD REFERENCES",
        target: Target::Ratio(15.0),
        needs: sort::THREAD,
        missed: THREADED_ANEW,
        run: sort::thread,
        ..READS
    },
    Workload { name: "THREAD REFERENCES, first after a start", needs: sort::THREAD, run: sort::thread_first, ..FIRST },
    Workload {
        name: "STORE 1:* FLAGS",
        target: Target::Ratio(3.0),
        missed: ANSWERED_AFTERWARDS,
        run: store::all,
        dovecot: NOT_SYNCED,
        ..WRITES
    },
    Workload {
        name: "STORE of one message, 16 connections",
        figure: Figure::PerSecond("commands/s"),
        target: Target::Ratio(1.0),
        run: store::single,
        dovecot: NOT_SYNCED,
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
        missed: ONE_AT_A_TIME,
        run: |site| lmtp::run(site, 1),
        note: BOTH_SYNC,
        ..WRITES
    },
    Workload {
        name: "LMTP delivery, 16 connections",
        target: Target::Ratio(8.0),
        missed: MANY_HAND_OVERS,
        run: |site| lmtp::run(site, 16),
        note: BOTH_SYNC,
        ..WRITES
    },
    Workload {
        name: "LMTP delivery, 64 connections",
        target: Target::Ratio(8.0),
        missed: MANY_HAND_OVERS,
        run: |site| lmtp::run(site, 64),
        note: BOTH_SYNC,
        ..WRITES
    },
    Workload {
        name: "COPY of a third of the mailbox",
        target: Target::Ratio(20.0),
        run: copy::copy,
        dovecot: NOT_WRITTEN_AGAIN,
        ..WRITES
    },
    Workload {
        name: "MOVE of as many",
        target: Target::Ratio(20.0),
        run: copy::r#move,
        dovecot: NOT_WRITTEN_AGAIN,
        ..WRITES
    },
    Workload {
        name: "\\Deleted and EXPUNGE of as many",
        target: Target::Ratio(3.0),
        run: copy::expunge,
        dovecot: BOTH_SYNC_ONCE,
        cyrus: "Cyrus keeps expunged messages for some days by default",
        ..WRITES
    },
    Workload {
        name: "POP3: UIDL, LIST, RETR of all, 16 connections",
        label: "POP3: UIDL, LIST, RETR, 16 connections",
        target: Target::Ratio(3.0),
        run: pop3::read,
        ..READS
    },
    Workload {
        name: "POP3: RETR and DELE of all, QUIT, 16 connections",
        label: "POP3: RETR, DELE, QUIT, 16 connections",
        target: Target::Ratio(4.0),
        run: pop3::empty,
        dovecot: BOTH_SYNC_ONCE,
        ..WRITES
    },
    LOGIN,
    Workload {
        name: "mixed sessions, 16 connections",
        figure: Figure::PerSecond("sessions/s"),
        target: Target::Ratio(3.0),
        run: mixed::run,
        note: "one SELECT, two FETCH, one STORE, one APPEND, one STATUS each",
        dovecot: "Dovecot does not sync the STORE",
        ..WRITES
    },
    Workload {
        name: "memory before any connection",
        figure: Figure::Least("MiB"),
        target: Target::AtMost(100.0),
        run: idle::base,
        rounds: Rounds::Once,
        note: "PSS of all processes, just started, mail in place",
        ..READS
    },
    Workload {
        name: "memory of an idle connection",
        figure: Figure::Least("KiB"),
        target: Target::AtMost(15.0),
        run: idle::proportional,
        rounds: Rounds::Once,
        note: "growth of all processes' PSS by 1,000 connections in IDLE, INBOX selected",
        ..READS
    },
    Workload {
        name: "idle connections held at once",
        figure: Figure::Most("connections"),
        target: Target::AtLeast(10_000.0),
        run: idle::held,
        rounds: Rounds::Once,
        note: "in IDLE, INBOX selected, of 10,000 wanted; each answers at the end",
        ..READS
    },
    Workload {
        name: "push: APPEND until 10 idle sessions are told",
        label: "push to 10 idle sessions",
        figure: Figure::Least("ms"),
        target: Target::AtMost(5.0),
        run: push::run,
        dovecot: "Dovecot waits half a second before it tells, to gather news",
        ..WRITES
    },
    Workload {
        name: "SELECT, first after a start",
        figure: Figure::PerSecond("commands/s"),
        run: select::first,
        ..FIRST
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
    missed: KERNEL_SENDS,
    cyrus: "Cyrus locks the account for each command, and all 16 read the same",
    ..READS
};

const LOGIN: Workload = Workload {
    name: "login and logout, 16 connections",
    figure: Figure::PerSecond("sessions/s"),
    target: Target::Ratio(5.0),
    run: login::run,
    missed: TWO_KEY_EXCHANGES,
    note: "postrider remembers checked passwords in memory",
    dovecot: "so does Dovecot, whose passwords are stored in the clear",
    cyrus: "Cyrus looks up passwords in the clear",
    ..READS
};
