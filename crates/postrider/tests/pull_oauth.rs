//! `postrider pull` with OAuth 2.0 from Dovecot, whose tokens are judged by a stub and renewed by another; and how an
//! authorization is set up with a code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, a failed expectation is a failed test"
)]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read, Write},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use postrider_testkit::{Corpus, ImapClient, Program, ServerKind, ServerUnderTest};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

const POSTRIDER: &str = env!("CARGO_BIN_EXE_postrider");

/// The access token that counts now is `token-` and this number; an earlier one is refused.
type Newest = Arc<AtomicU64>;

/// Answers HTTP requests, one on each connection: the function gets the target and the body, and says status and JSON.
fn serve(tls: Option<Arc<ServerConfig>>, answer: impl Fn(&str, &str) -> (u16, String) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (tls, answer) = (tls.clone(), Arc::clone(&answer));
            thread::spawn(move || match tls {
                None => converse(stream, &*answer),
                Some(config) => {
                    let connection = ServerConnection::new(config).unwrap();
                    converse(StreamOwned::new(connection, stream), &*answer);
                }
            });
        }
    });
    port
}

fn converse(stream: impl Read + Write, answer: &dyn Fn(&str, &str) -> (u16, String)) {
    let mut stream = BufReader::new(stream);
    let (mut target, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if target.is_empty() {
            target = line.split(' ').nth(1).unwrap_or("/").to_owned();
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    let (status, json) = answer(&target, &String::from_utf8(body).unwrap());
    let head = format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}", json.len());
    let _ = write!(stream.get_mut(), "{head}\r\nConnection: close\r\n\r\n{json}");
    let _ = stream.get_mut().flush();
}

/// Judges tokens for Dovecot.
fn introspection(newest: &Newest) -> u16 {
    let newest = Arc::clone(newest);
    serve(None, move |target, _| {
        // Behind the token stand the client's id and secret, which are empty.
        let token = target.split_once("token=").map_or("", |(_, rest)| rest.split('&').next().unwrap_or_default());
        let is_good = token == format!("token-{}", newest.load(Ordering::SeqCst));
        (200, format!(r#"{{"active":"{is_good}","username":"alice@example.test"}}"#))
    })
}

/// Dovecot with tokens, and an account of ours.
struct World {
    there: ServerUnderTest,
    here: ServerUnderTest,
    newest: Newest,
    folder: PathBuf,
}

impl World {
    fn start() -> Self {
        let newest = Newest::default();
        let folder = tempfile::Builder::new().prefix("postrider-oauth-").tempdir().unwrap().keep();
        let settings = folder.join("oauth2.conf");
        let judge = introspection(&newest);
        let text = format!(
            "introspection_url = http://127.0.0.1:{judge}/?token=\nintrospection_mode = get\nusername_attribute = username\n\
             active_attribute = active\nactive_value = true\n"
        );
        fs::write(&settings, text).unwrap();
        for path in [&folder, &settings] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let more = format!(
            "auth_mechanisms = plain oauthbearer xoauth2\nauth_failure_delay = 0\nauth_cache_size = 0\nservice anvil {{\n  unix_listener anvil-auth-penalty {{\n    mode = 0\n  }}\n}}\npassdb {{\n  driver = oauth2\n  \
             mechanisms = oauthbearer xoauth2\n  args = {}\n}}\n",
            settings.display()
        );
        let there = ServerUnderTest::start_with(ServerKind::Dovecot, POSTRIDER, &["alice"], &more);
        let here = ServerUnderTest::start_kind(ServerKind::Postrider, POSTRIDER, &["bob"]);
        let mut client = ImapClient::login_to(there.ports().imap, there.account("alice")).unwrap();
        assert_eq!(client.append("INBOX", "", &Corpus::new(5).messages(12, 4000)).unwrap().status, "OK");
        Self { there, here, newest, folder }
    }

    /// A token server with Dovecot's certificate.
    fn tokens(&self, answer: impl Fn(&str, &str) -> (u16, String) + Send + Sync + 'static) -> u16 {
        let certificate = self.there.certificate_file();
        let key = PrivateKeyDer::from_pem_file(certificate.with_file_name("key.pem")).unwrap();
        let certificates = CertificateDer::pem_file_iter(certificate).unwrap().map(Result::unwrap).collect();
        let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        serve(Some(Arc::new(builder.with_single_cert(certificates, key).unwrap())), answer)
    }

    fn run(&self, arguments: &[&str]) -> Program {
        let config = self.here.configuration_file();
        Program::new(POSTRIDER, &self.here.home("pull"))
            .args(["--config", config.to_str().unwrap(), "pull"])
            .args(arguments)
    }

    fn pull(&self, scheme: &str, port: u16, credential: &[&str]) -> Program {
        let url = format!("{scheme}://alice@example.test@127.0.0.1:{port}");
        let certificate = self.there.certificate_file();
        self.run(&[&url, "--into", &self.here.account("bob").address, "--ca-file", certificate.to_str().unwrap()])
            .args(credential)
    }

    fn messages_here(&self) -> usize {
        let mut client = ImapClient::login_to(self.here.ports().imap, self.here.account("bob")).unwrap();
        let _ = client.ok("SELECT INBOX");
        client.raw_messages().len()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn an_authorization_by_code_fetches_mail_from_dovecot_and_renews_its_tokens() {
    let world = World::start();
    let (polls, newest) = (AtomicU64::new(0), Arc::clone(&world.newest));
    let port = world.tokens(move |target, body| {
        let token = |number: u64, seconds: u64| {
            let kept = format!(r#""refresh_token":"refresh-{number}","token_type":"Bearer","expires_in":{seconds}"#);
            (200, format!(r#"{{"access_token":"token-{number}",{kept}}}"#))
        };
        match target {
            "/device" => (
                200,
                String::from(
                    r#"{"device_code":"d","user_code":"CODE-1234","verification_uri":"https://login.example/","interval":0}"#,
                ),
            ),
            _ if body.contains("device_code=d") && polls.fetch_add(1, Ordering::SeqCst) == 0 => {
                (400, String::from(r#"{"error":"authorization_pending"}"#))
            }
            _ if body.contains("device_code=d") => token(0, 3600),
            _ => {
                let number = newest.load(Ordering::SeqCst);
                // Each refresh token works once.
                let is_next = (0..=number).any(|old| body.contains(&format!("refresh_token=refresh-{old}&")));
                assert!(is_next, "{body}");
                token(number, 3600)
            }
        }
    });
    let file = world.folder.join("alice.oauth2");
    let file_name = file.to_str().unwrap().to_owned();
    let certificate = world.there.certificate_file();
    let (token, device) = (format!("https://127.0.0.1:{port}/token"), format!("https://127.0.0.1:{port}/device"));
    let url = format!("imaps://alice@example.test@127.0.0.1:{}", world.there.ports().imaps);
    let said = world
        .run(&["authorize", &url, "--client-id", "us", "--scope", "mail", "--oauth2-file", &file_name])
        .args(["--token-endpoint", &token, "--device-endpoint", &device, "--ca-file", certificate.to_str().unwrap()])
        .run()
        .success();
    assert!(said.stdout.contains("CODE-1234") && said.stdout.contains("--oauth2-file"), "{}", said.said());
    assert!(!said.said().contains("refresh-0") && !said.said().contains("token-0"));
    assert_eq!(mode(&file), 0o600);

    world.pull("imaps", world.there.ports().imaps, &["--oauth2-file", &file_name]).run().success();
    assert_eq!(world.messages_here(), 12);
    // The mail server does not take the token any more, though its time is not over.
    world.newest.store(7, Ordering::SeqCst);
    world.pull("imap", world.there.ports().imap, &["--oauth2-file", &file_name]).run().success();
    assert!(fs::read_to_string(&file).unwrap().contains("refresh-7"));
    assert_eq!(mode(&file), 0o600);
    world.newest.store(8, Ordering::SeqCst);
    world.pull("pop3s", world.there.ports().pop3s, &["--oauth2-file", &file_name]).run().success();
    world.newest.store(9, Ordering::SeqCst);
    world.pull("pop3", world.there.ports().pop3, &["--oauth2-file", &file_name]).run().success();
    assert!(fs::read_to_string(&file).unwrap().contains("token-9"));

    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = world.pull("imaps", world.there.ports().imaps, &["--oauth2-file", &file_name]).run().failure();
    assert!(refused.said().contains("chmod 600"), "{}", refused.said());
}

#[test]
fn a_token_of_a_command_is_used_and_its_refusal_told() {
    let world = World::start();
    for (scheme, port) in [("imaps", world.there.ports().imaps), ("pop3s", world.there.ports().pop3s)] {
        world.pull(scheme, port, &["--oauth2-token-command", "echo token-0"]).run().success();
        let refused = world.pull(scheme, port, &["--oauth2-token-command", "echo token-old"]).run().failure();
        let said = refused.said();
        assert!(said.contains("refused the access token") && said.contains("invalid_token"), "{said}");
        assert!(!said.contains("token-old"), "{said}");
    }
}

#[test]
fn a_migration_logs_in_with_a_token_on_either_side() {
    let world = World::start();
    let url = |server: &ServerUnderTest, local: &str| {
        format!("imaps://{}@127.0.0.1:{}", server.account(local).address, server.ports().imaps)
    };
    let (there, here) = (url(&world.there, "alice"), url(&world.here, "bob"));
    let certificates = [world.there.certificate_file(), world.here.certificate_file()];
    let state = world.folder.join("state");
    let migrate = |token: &str, side: &str| {
        let (from, to, password) = match side {
            "from" => ((&there, 0), (&here, 1), ("POSTRIDER_MIGRATE_TO_PASSWORD", &world.here.account("bob").password)),
            _ => ((&here, 1), (&there, 0), ("POSTRIDER_MIGRATE_FROM_PASSWORD", &world.here.account("bob").password)),
        };
        Program::new(POSTRIDER, &world.here.home("migrate"))
            .args(["migrate", from.0, to.0, "--json", "--state", state.join(side).to_str().unwrap()])
            .args(["--from-ca-file", certificates[from.1].to_str().unwrap()])
            .args(["--to-ca-file", certificates[to.1].to_str().unwrap()])
            .args([&format!("--{side}-oauth2-token-command"), &format!("echo {token}")])
            .env(password.0, password.1)
            .run()
    };
    let refused = migrate("token-old", "from").failure();
    assert!(refused.said().contains("refused the access token"), "{}", refused.said());
    migrate("token-0", "from").success();
    assert_eq!(world.messages_here(), 12);
    migrate("token-0", "to").success();
}
