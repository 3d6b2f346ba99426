//! `fetch`: one mailbox on Dovecot, fetched by `postrider pull` and by the programs that people use for it.
//!
//! Every tool starts with nothing and fetches all; then once more, with nothing new; then once more after a hundred messages
//! came and a hundred changed their flags. Rounds are interleaved: one tool after the other, in an order that changes. All
//! speak in the clear, through a proxy that counts, with the settings that their manuals advise for a copy of a mailbox. What
//! came is compared with what is there, byte for byte, because a fast tool that changes mail is not a fast tool.

mod comparison;
mod measure;
mod report;
mod tool;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, bail};
use postrider_testkit::{ImapClient, Proxy};

use crate::driver::{ImapConnection, Transport};
use crate::fill::fill_inbox;
use crate::machine::Machine;
use crate::mail::{Mail, Size};
use crate::server::{Kind, Server};
use crate::{FetchArguments, Peer};

use comparison::{Comparison, Kept};
use measure::Sample;
use tool::Tool;

/// Messages that come, and as many that change their flags, before the third run.
const CHANGED: usize = 100;
/// The account, on every server.
const ACCOUNT: &str = "reader";

/// The three runs of each tool.
const RUNS: [&str; 3] = ["everything is new", "nothing is new", "a hundred are new, a hundred changed their flags"];

/// What was measured of one tool.
#[derive(Debug)]
struct Row {
    tool: Tool,
    version: String,
    /// For each of the three runs, a sample of each round.
    samples: [Vec<Sample>; 3],
    /// After the first and after the third run of the last round.
    comparisons: Vec<Comparison>,
    /// Why it did not run to the end.
    failure: Option<String>,
}

/// A whole run, ready to be written.
#[derive(Debug)]
struct Results {
    machine: Machine,
    versions: Vec<String>,
    seed: u64,
    rounds: usize,
    messages: usize,
    bytes: u64,
    sizes: (usize, usize),
    seconds: f64,
    rows: Vec<Row>,
    /// Why a tool was left out.
    absences: Vec<String>,
}

/// The mailbox that is fetched, and where.
#[derive(Debug)]
struct Source {
    server: Server,
    imap: Proxy,
    pop3: Proxy,
}

/// Measures, and writes `fetch.md` and `fetch.json`.
pub fn run(arguments: &FetchArguments) -> Result<()> {
    let (begin, common) = (Instant::now(), &arguments.common);
    if common.peer != Peer::Dovecot {
        bail!("mail is fetched from Dovecot here: leave out --peer");
    }
    let _ = common.servers()?;
    let binary = common.binary()?;
    let messages = arguments.messages.unwrap_or(if common.quick { 150 } else { 10_000 });
    let rounds = arguments.rounds.unwrap_or(if common.quick { 1 } else { 3 });
    let (tools, absences) = tool::choose(arguments.only.as_deref(), arguments.imapsync.as_deref())?;
    let scratch = common.scratch()?;
    let machine = Machine::measure(scratch.path())?;
    let mail = Mail::generate(common.seed, messages + CHANGED, Size::Real);
    let source = Source::start(&binary, scratch.path(), &mail, messages)?;
    let mut rows = tools.into_iter().map(Row::new).collect::<Result<Vec<Row>>>()?;
    for round in 0..rounds {
        println!("round {} of {rounds}", round + 1);
        source.round(&mut rows, &binary, scratch.path(), &mail, messages, (round, rounds))?;
    }
    let results = Results {
        machine,
        versions: vec![crate::machine::said(&binary.to_string_lossy(), &["--version"])?, source.server.version()?],
        seed: common.seed,
        rounds,
        messages,
        bytes: mail.bytes_of_first(messages),
        sizes: mail.sizes(),
        seconds: begin.elapsed().as_secs_f64(),
        rows,
        absences,
    };
    report::write(&results, &common.output(!common.quick && arguments.only.is_none())?)
}

impl Row {
    fn new(tool: Tool) -> Result<Self> {
        let version = tool.version()?;
        Ok(Self {
            tool,
            version,
            samples: [Vec::new(), Vec::new(), Vec::new()],
            comparisons: Vec::new(),
            failure: None,
        })
    }
}

impl Source {
    fn start(binary: &Path, parent: &Path, mail: &Mail, messages: usize) -> Result<Self> {
        let mut server = Server::start(Kind::Dovecot, binary, parent, &[ACCOUNT.to_owned()])?;
        fill_inbox(&server, ACCOUNT, mail, 0, messages)?;
        // All tools are to meet the same mailbox, whoever came before them.
        server.leave_flags_to_imap();
        let _ = server.start_to_be_measured()?;
        let (imap, pop3) = (Proxy::start(server.ports().imap), Proxy::start(server.ports().pop3));
        Ok(Self { server, imap, pop3 })
    }

    /// All tools: all first runs, all second runs, the change, all third runs. Behind it the mailbox is as it was before.
    fn round(
        &self,
        rows: &mut [Row],
        binary: &Path,
        scratch: &Path,
        mail: &Mail,
        messages: usize,
        (round, rounds): (usize, usize),
    ) -> Result<()> {
        let folder = scratch.join(format!("round-{round}"));
        std::fs::create_dir(&folder)?;
        let order: Vec<usize> = (0..rows.len()).map(|turn| (turn + round) % rows.len()).collect();
        let mut places = Vec::new();
        for row in rows.iter() {
            places.push(row.tool.place(&folder, self, binary)?);
        }
        for (run, name) in RUNS.iter().enumerate() {
            println!(" {name}");
            if run == 2 {
                self.change(mail, messages)?;
            }
            let is_compared = round + 1 == rounds && run != 1;
            for &index in &order {
                let (Some(row), Some(place)) = (rows.get_mut(index), places.get(index)) else { continue };
                if row.failure.is_some() {
                    continue;
                }
                let sample = match measure::measure(&row.tool, place, self) {
                    Ok(sample) => sample,
                    // Ours must do everything. What another cannot do is left out, with the reason.
                    Err(error) if matches!(row.tool, Tool::Postrider(_)) => return Err(error),
                    Err(error) => {
                        eprintln!("{error:#}");
                        row.failure = Some(format!("{} failed when {name}: {error:#}", row.tool.name()));
                        continue;
                    }
                };
                println!("  {:24} {:8.2} s", row.tool.name(), sample.seconds);
                if let Some(samples) = row.samples.get_mut(run) {
                    samples.push(sample);
                }
                if is_compared {
                    // As it is there now: a tool that changes flags there does so before this.
                    row.comparisons.push(Comparison::of(&self.kept()?, &place.kept()?));
                }
            }
        }
        self.change_back(messages)?;
        drop(places);
        Ok(std::fs::remove_dir_all(&folder)?)
    }

    /// A hundred messages come, and a hundred change their flags.
    fn change(&self, mail: &Mail, messages: usize) -> Result<()> {
        fill_inbox(&self.server, ACCOUNT, mail, messages, CHANGED)?;
        self.store(&format!("STORE 1:{CHANGED} +FLAGS.SILENT (\\Flagged project)"))
    }

    fn change_back(&self, messages: usize) -> Result<()> {
        self.store(&format!("STORE 1:{CHANGED} -FLAGS.SILENT (\\Flagged project)"))?;
        self.store(&format!("STORE {}:* +FLAGS.SILENT (\\Deleted)", messages + 1))?;
        self.store("EXPUNGE")
    }

    fn store(&self, command: &str) -> Result<()> {
        let account = self.server.account(ACCOUNT)?;
        let mut client = ImapConnection::selected(&self.server, Transport::Plain, account, "INBOX")?;
        let _ = client.run(command)?;
        client.logout()
    }

    fn kept(&self) -> Result<Vec<Kept>> {
        kept_by_imap(&self.server)
    }
}

/// What a server's INBOX holds.
fn kept_by_imap(server: &Server) -> Result<Vec<Kept>> {
    let mut client = ImapClient::login_to(server.ports().imap, server.account(ACCOUNT)?)?;
    let selected = client.command("EXAMINE INBOX")?;
    let exists = selected.untagged.iter().find_map(|line| {
        let line = String::from_utf8_lossy(line);
        line.strip_suffix(" EXISTS").and_then(|count| count.parse::<usize>().ok())
    });
    let (exists, mut kept) = (exists.unwrap_or(0), Vec::new());
    // In parts: the client holds an answer whole.
    for first in (1..=exists).step_by(500) {
        let command = format!("FETCH {first}:{} (FLAGS BODY.PEEK[])", exists.min(first + 499));
        for mut fetch in client.command(&command)?.fetches() {
            let flags = fetch.flags().unwrap_or_default();
            kept.push(Kept::new(&fetch.items.remove("BODY[]").unwrap_or_default(), flags));
        }
    }
    Ok(kept)
}

/// The folder of a tool below a round's.
fn folder_of(parent: &Path, name: &str) -> Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = parent.join(name.replace(' ', "-"));
    std::fs::create_dir(&folder)?;
    // Some tools give up root's rights and must still find their folder.
    std::fs::set_permissions(parent, std::fs::Permissions::from_mode(0o755))?;
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755))?;
    Ok(folder)
}
