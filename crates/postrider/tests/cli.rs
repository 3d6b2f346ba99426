//! The command line and the server's life, seen from outside.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test support: a failed expectation is a failed test"
)]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU16, Ordering},
};

use tempfile::TempDir;

/// A folder with a configuration in which every port is free.
struct Place {
    folder: TempDir,
}

/// What a finished command said.
#[derive(Debug)]
struct Said {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

/// A server that printed that it is ready.
struct Running {
    child: Child,
    lines: Vec<String>,
    /// Kept open, so that the server can go on writing.
    _stdout: Box<dyn Read>,
}

fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postrider"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("POSTRIDER_")) {
        command.env_remove(name);
    }
    command
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        let lists: String = ["imap", "imaps", "pop3", "pop3s", "submission", "submissions", "smtp", "lmtp"]
            .map(|protocol| format!("{protocol} = [\"127.0.0.1:0\"]\n"))
            .concat();
        place.configure(&format!("hostname = \"mail.example.org\"\ndata = \"data\"\n[listen]\n{lists}"));
        place
    }

    fn configure(&self, text: &str) {
        fs::write(self.path("postrider.toml"), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Said {
        self.run_with_input(arguments, "")
    }

    fn run_with_input(&self, arguments: &[&str], input: &str) -> Said {
        let mut command = binary();
        command.current_dir(self.folder.path()).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that fails early does not read its input.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Said {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[expect(clippy::zombie_processes, reason = "the only way out without a wait is a failed test")]
    fn start(&self, arguments: &[&str]) -> Running {
        let mut command = binary();
        let log = fs::File::options().append(true).create(true).open(self.path("log")).unwrap();
        command.current_dir(self.folder.path()).args(arguments);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            let count = reader.read_line(&mut line).unwrap();
            assert!(count > 0, "it ended early: {lines:?}\n{}", self.log());
            lines.push(line.trim_end().to_owned());
            if line == "postrider: ready\n" {
                return Running { child, lines, _stdout: Box::new(reader) };
            }
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn add(&self, address: &str) {
        let said = self.run_with_input(&["account", "add", "--password-stdin", address], "a password\n");
        assert_eq!(said.status, Some(0), "{said:?}");
    }
}

impl Said {
    #[track_caller]
    fn ok(self) -> String {
        assert_eq!((self.status, self.stderr.as_str()), (Some(0), ""), "{self:?}");
        self.stdout
    }

    #[track_caller]
    fn fails(self, message: &str, hint: &str) {
        assert_eq!(self.status, Some(2), "{self:?}");
        assert!(self.stderr.contains(message), "{message:?} in {self:?}");
        assert!(self.stderr.contains(hint), "{hint:?} in {self:?}");
    }
}

impl Running {
    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    fn ends(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    fn address(&self, protocol: &str) -> String {
        let start = format!("postrider: listening {protocol} ");
        let found = self.lines.iter().find_map(|line| line.strip_prefix(&start));
        found.unwrap_or_else(|| panic!("no {protocol} in {:?}", self.lines)).to_owned()
    }

    fn greeting(&self, protocol: &str) -> String {
        let mut line = String::new();
        let stream = TcpStream::connect(self.address(protocol)).unwrap();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already gone in the good case.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn config_check_names_the_line_and_the_key_that_was_meant() {
    let place = Place::new();
    assert_eq!(place.run(&["config", "check"]).ok(), "postrider.toml: can be used\n");
    place.configure("[listen]\nimasp = []\n");
    place.run(&["config", "check"]).fails("postrider.toml:2:1: unknown key \"imasp\"", "did you mean \"imaps\"?");
    place.configure("[tls]\ncertificate = \"absent.pem\"\nkey = \"absent.key\"\n");
    place.run(&["config", "check"]).fails("absent.pem", "");
    place.run(&["config", "check", "--config", "nowhere.toml"]).fails("nowhere.toml", "postrider init");
}

#[test]
fn the_environment_overrides_the_file() {
    let place = Place::new();
    let mut command = binary();
    command.current_dir(place.folder.path()).args(["config", "check"]).env("POSTRIDER_LIMITS__CONNECTIONS_MAX", "few");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("POSTRIDER_LIMITS__CONNECTIONS_MAX"));
}

#[test]
fn init_writes_a_file_that_can_be_used_and_never_overwrites_one() {
    let place = Place { folder: tempfile::tempdir().unwrap() };
    let said = place.run(&["init", "example.org", "--data", "mail"]).ok();
    assert!(said.contains("wrote postrider.toml") && said.contains("account add alice@example.org"), "{said}");
    let text = fs::read_to_string(place.path("postrider.toml")).unwrap();
    assert!(text.contains("\nhostname = \"mail.example.org\"\n"), "{text}");
    place.run(&["config", "check"]).ok();
    place.run(&["init", "example.com"]).fails("postrider.toml exists already", "--config");
    assert_eq!(fs::read_to_string(place.path("postrider.toml")).unwrap(), text);
    place.run(&["init", "not a domain", "--config", "other.toml"]).fails("hostname", "");
    assert!(!place.path("other.toml").exists());
}

/// Everything that can be done to accounts; the same whether a server runs or not.
fn administer(place: &Place) {
    place.add("alice@example.org");
    place.add("bob@example.org");
    let again = place.run_with_input(&["account", "add", "--password-stdin", "bob@example.org"], "x\n");
    again.fails("bob@example.org exists already", "");
    assert_eq!(place.run(&["account", "list"]).ok(), "alice@example.org\nbob@example.org\n");
    let json = place.run(&["account", "list", "--json"]).ok();
    assert!(json.contains("\"address\": \"alice@example.org\""), "{json}");
    let arguments = ["account", "password", "--password-stdin", "bob@example.org"];
    place.run_with_input(&arguments, "another password\n").ok();
    place.run_with_input(&arguments, "").fails("the password is empty", "");
    let password = place.run(&["account", "app-password", "add", "alice@example.org", "my phone/1"]).ok();
    assert!(password.trim().len() >= 16, "{password}");
    assert_eq!(place.run(&["account", "app-password", "list", "alice@example.org"]).ok(), "my phone/1\n");
    place.run(&["account", "app-password", "remove", "alice@example.org", "my phone/1"]).ok();
    assert_eq!(place.run(&["account", "app-password", "list", "alice@example.org"]).ok(), "");
    place.run(&["account", "set", "bob@example.org", "--pop3-delete", "trash", "--pop3-login-delay", "60"]).ok();
    place.run(&["account", "set", "x@example.org", "--pop3-delete", "trash"]).fails("there is no account", "");
    let json = place.run(&["account", "list", "--json"]).ok();
    assert!(json.contains("\"move_to_trash\"") && json.contains("\"pop3_login_delay_seconds\": 60"), "{json}");
    place.run(&["alias", "add", "info@example.org", "alice@example.org", "bob@example.org"]).ok();
    assert_eq!(place.run(&["alias", "list"]).ok(), "info@example.org: alice@example.org, bob@example.org\n");
    place.run(&["alias", "add", "x@example.org", "nobody@example.org"]).fails("nobody@example.org", "add the account");
    place.run(&["alias", "remove", "info@example.org"]).ok();
    place.run(&["account", "remove", "bob@example.org"]).ok();
    place.run(&["account", "remove", "bob@example.org"]).fails("there is no account", "postrider account list");
    assert_eq!(place.run(&["account", "list"]).ok(), "alice@example.org\n");
    assert!(place.run(&["check"]).ok().contains("checked 1 account, "));
    assert_eq!(place.run(&["compact"]).ok(), "done\n");
}

#[test]
fn accounts_are_administered_without_a_server() {
    let place = Place::new();
    place.run(&["account", "list"]).fails("there is no mail in", "add the first account");
    assert!(!place.path("data").exists());
    administer(&place);
}

#[test]
fn accounts_are_administered_while_the_server_runs() {
    let place = Place::new();
    let server = place.start(&["serve"]);
    administer(&place);
    server.signal("-TERM");
    assert!(server.ends().success());
    assert_eq!(place.run(&["account", "list"]).ok(), "alice@example.org\n");
}

#[test]
fn the_server_greets_on_the_ports_it_prints_and_ends_when_asked() {
    let place = Place::new();
    let server = place.start(&["serve"]);
    assert!(server.greeting("imap").starts_with("* OK"), "{}", server.greeting("imap"));
    assert!(server.greeting("pop3").starts_with("+OK"), "{}", server.greeting("pop3"));
    for protocol in ["smtp", "submission", "lmtp"] {
        assert!(server.greeting(protocol).starts_with("220 mail.example.org"), "{}", server.greeting(protocol));
    }
    // A session that is open is told.
    let mut open = BufReader::new(TcpStream::connect(server.address("imap")).unwrap());
    let mut line = String::new();
    open.read_line(&mut line).unwrap();
    server.signal("-INT");
    line.clear();
    open.read_line(&mut line).unwrap();
    assert!(line.starts_with("* BYE"), "{line}");
    assert!(server.ends().success());
    assert!(!place.path("data/control.sock").exists());
}

#[test]
fn the_first_start_makes_a_certificate_and_says_so() {
    let place = Place::new();
    let server = place.start(&["serve"]);
    assert!(place.log().contains("SELF-SIGNED"), "{}", place.log());
    assert!(fs::read_to_string(place.path("data/tls/certificate.pem")).unwrap().contains("BEGIN CERTIFICATE"));
    server.signal("-TERM");
    assert!(server.ends().success());
    fs::remove_file(place.path("log")).unwrap();
    let server = place.start(&["serve"]);
    assert!(!place.log().contains("SELF-SIGNED"), "{}", place.log());
    server.signal("-TERM");
    assert!(server.ends().success());
}

#[test]
fn a_hangup_reloads_and_a_broken_certificate_stops_nothing() {
    let place = Place::new();
    let server = place.start(&["serve"]);
    server.signal("-HUP");
    wait_for_log(&place, "read anew");
    fs::write(place.path("data/tls/certificate.pem"), "broken").unwrap();
    server.signal("-HUP");
    wait_for_log(&place, "the certificate stays as it was: tls: ");
    assert!(server.greeting("imap").starts_with("* OK"));
    server.signal("-TERM");
    assert!(server.ends().success());
}

/// A signal is answered in its own time; there is nothing to wait on but the log.
#[track_caller]
fn wait_for_log(place: &Place, text: &str) {
    for _ in 0..500 {
        if place.log().contains(text) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("{text:?} is not in the log:\n{}", place.log());
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let place = Place::new();
    let server = place.start(&["serve"]);
    place.run(&["serve"]).fails("in use by process", "");
    // Without its socket a running server cannot be reached, and its data must not be touched.
    fs::remove_file(place.path("data/control.sock")).unwrap();
    place.run(&["account", "list"]).fails("in use by process", "control.sock");
    drop(server);
}

#[test]
fn a_port_that_is_taken_is_named() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let mut command = binary();
    command.current_dir(place.folder.path()).arg("serve").env("POSTRIDER_LISTEN__POP3", address.to_string());
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr.contains(&format!("pop3: cannot listen on {address}")), "{stderr}");
    assert!(stderr.contains("hint: another program listens there"), "{stderr}");
}

/// An offset at which all ports of the demo are free just now.
fn free_offset() -> String {
    let standard = [143_u16, 993, 110, 995, 587, 465, 25, 24];
    // Tests run side by side, in one process or several.
    static TURN: AtomicU16 = AtomicU16::new(0);
    let start = 10_000 + u16::try_from(std::process::id() % 20_000).unwrap() + TURN.fetch_add(2_000, Ordering::SeqCst);
    let free = |offset: &u16| standard.iter().all(|port| TcpListener::bind(("127.0.0.1", port + offset)).is_ok());
    (start..).step_by(7).find(free).unwrap().to_string()
}

#[test]
fn the_demo_starts_stops_and_keeps_its_mail() {
    let place = Place { folder: tempfile::tempdir().unwrap() };
    let offset = free_offset();
    let demo = ["demo", "--data", "try", "--port-offset", &offset];
    let count = || -> String {
        let report = place.run(&["check", "--data", "try", "--json"]).ok();
        report.lines().find(|line| line.contains("\"messages\"")).unwrap().trim().to_owned()
    };
    let server = place.start(&demo);
    let text = server.lines.join("\n");
    for needed in ["alice@localhost", "bob@localhost", "curl -sk", "imaps://localhost:", "pop3s://", "smtps://"] {
        assert!(text.contains(needed), "{needed} in {text}");
    }
    assert_eq!(place.run(&["account", "list", "--data", "try"]).ok(), "alice@localhost\nbob@localhost\n");
    let first = count();
    assert_eq!(first, "\"messages\": 8,");
    place.run(&demo).fails("in use by process", "a demo runs in this folder already");
    server.signal("-INT");
    assert!(server.ends().success());
    let server = place.start(&demo);
    assert_eq!(count(), first);
    server.signal("-TERM");
    assert!(server.ends().success());
}

#[test]
fn check_finds_a_changed_byte_and_says_so_by_its_status() {
    let place = Place { folder: tempfile::tempdir().unwrap() };
    let server = place.start(&["demo", "--data", "try", "--port-offset", &free_offset()]);
    server.signal("-TERM");
    assert!(server.ends().success());
    let check = ["check", "--data", "try"];
    assert!(place.run(&check).ok().ends_with("no faults\n"));
    assert!(place.run(&["check", "--data", "try", "--rebuild"]).ok().starts_with("rebuilt: 0 messages, 0 mailboxes\n"));
    change_a_byte(&place.path("try/store/lmdb/data.mdb"), b"Shall we meet at noon");
    let said = place.run(&check);
    assert_eq!(said.status, Some(1), "{said:?}");
    assert!(said.stdout.contains("fault"), "{said:?}");
}

/// Changes every copy of a text in a file, so that the current one is among them.
fn change_a_byte(file: &Path, text: &[u8]) {
    let mut bytes = fs::read(file).unwrap();
    let places: Vec<usize> = (0..bytes.len() - text.len()).filter(|at| bytes[*at..].starts_with(text)).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at] ^= 1;
    }
    fs::write(file, bytes).unwrap();
}
