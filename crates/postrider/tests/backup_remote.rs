//! The safe on a server of restic's protocol. Built and run only with the feature `remote-backup`; `rclone` plays the server.
#![cfg(feature = "remote-backup")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, a failed expectation is a failed test"
)]

use std::{
    fs,
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use postrider_testkit::{Corpus, ImapClient, Program, ServerKind, ServerUnderTest, server::free_port};
use serde_json::Value;

const POSTRIDER: &str = env!("CARGO_BIN_EXE_postrider");
const USER: &str = "mail";
const PASSWORD: &str = "p:a/ss@wörd";

/// A server of restic's protocol, which ends with the test.
struct Rest(Child);

impl Rest {
    fn start(folder: &Path, port: u16) -> Self {
        let mut child = Command::new("rclone")
            .args(["serve", "restic", "--addr", &format!("127.0.0.1:{port}"), "--user", USER, "--pass", PASSWORD])
            .arg(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("rclone is installed");
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(child.try_wait().unwrap().is_none() && Instant::now() < deadline, "rclone serves nothing");
            thread::sleep(Duration::from_millis(20));
        }
        Self(child)
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn backup(server: &ServerUnderTest, arguments: &[&str]) -> Program {
    let config = server.configuration_file();
    let program = Program::new(POSTRIDER, &server.home("backup"));
    program.args(["--config", config.to_str().unwrap(), "backup"]).args(arguments)
}

fn json(server: &ServerUnderTest, arguments: &[&str]) -> Value {
    serde_json::from_str(&backup(server, arguments).arg("--json").run().success().stdout).unwrap()
}

fn inbox(server: &ServerUnderTest) -> Vec<(u32, Vec<u8>)> {
    let mut client = ImapClient::of(server, "alice");
    client.ok("EXAMINE INBOX");
    client.raw_messages().into_iter().collect()
}

#[test]
fn a_repository_on_a_rest_server_is_as_good_as_one_in_a_folder_and_its_password_is_never_told() {
    let port = free_port();
    let place = format!("rest:http://127.0.0.1:{port}/mail");
    let settings =
        format!("\n[backup]\nrepository = \"{place}\"\naccess_file = \"access\"\nevery = \"0s\"\ncredentials = true\n");
    let mut server = ServerUnderTest::start_with(ServerKind::Postrider, POSTRIDER, &["alice"], &settings);
    let _rest = Rest::start(&server.home("rest"), port);
    let mut client = ImapClient::of(&server, "alice");
    let mail = Corpus::new(1).messages(40, 30_000);
    assert_eq!(client.append("INBOX", "\\Seen", &mail).unwrap().status, "OK");
    client.ok("LOGOUT");

    let access = server.configuration_file().with_file_name("access");
    let refused = backup(&server, &["init"]).run().failure();
    assert!(refused.stderr.contains("access_file"), "{}", refused.said());
    let write = |password: &str| {
        fs::write(&access, format!("RESTIC_REST_USERNAME={USER}\nRESTIC_REST_PASSWORD={password}\n")).unwrap();
        fs::set_permissions(&access, PermissionsExt::from_mode(0o600)).unwrap();
    };
    write("another");
    let refused = backup(&server, &["init"]).run().failure();
    assert!(refused.stderr.contains("401") && !refused.said().contains("another"), "{}", refused.said());

    write(PASSWORD);
    let mut told = String::new();
    let refused = backup(&server, &["list"]).run().failure();
    assert!(refused.stderr.contains("backup init"), "{}", refused.said());
    told.push_str(&refused.said());
    told.push_str(&backup(&server, &["init"]).run().success().said());
    let first = json(&server, &["run"]);
    assert_eq!((&first["messages"], &first["bodies_read"]), (&40.into(), &40.into()), "{first}");
    assert_eq!(json(&server, &["run"])["bodies_read"], 0);
    assert_eq!(json(&server, &["list"]).as_array().unwrap().len(), 2);
    told.push_str(&backup(&server, &["verify", "--all", "--rehearse"]).run().success().said());
    told.push_str(&backup(&server, &["status"]).run().success().said());
    assert!(told.contains(&place), "{told}");

    let before = inbox(&server);
    server.stop();
    fs::remove_dir_all(server.data_folder("alice").join("store")).unwrap();
    server.start_again();
    assert_eq!(json(&server, &["restore", "--everything"])["messages"], 40);
    assert_eq!(json(&server, &["prune", "--keep-last", "1"])["removed"].as_array().unwrap().len(), 1);
    told.push_str(&backup(&server, &["verify", "--all"]).run().success().said());
    for secret in [PASSWORD, "p%3Aa", "another"] {
        assert!(!told.contains(secret), "{told}");
    }
    assert!(inbox(&server) == before, "everything is back, with its UIDs");
    let restic = Program::new("restic", &server.home("restic"))
        .args(["--no-cache", "check", "--read-data", "-r", server.home("rest").join("mail").to_str().unwrap()])
        .arg("--password-file")
        .arg(server.data_folder("alice").join("backup-passphrase").to_str().unwrap());
    restic.run().success();
}
