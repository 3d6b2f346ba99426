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
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use postrider_testkit::{Corpus, ImapClient, Program, ServerKind, ServerUnderTest, program::Output};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

const POSTRIDER: &str = env!("CARGO_BIN_EXE_postrider");

/// How long something that has to come about may take.
const DEADLINE: Duration = Duration::from_secs(30);

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
        let world = Self { there, here, newest, folder };
        world.append(12, 5);
        world
    }

    fn append(&self, count: usize, seed: u64) {
        let mut client = ImapClient::login_to(self.there.ports().imap, self.there.account("alice")).unwrap();
        assert_eq!(client.append("INBOX", "", &Corpus::new(seed).messages(count, 4000)).unwrap().status, "OK");
    }

    /// A token server with Dovecot's certificate.
    fn tokens(&self, answer: impl Fn(&str, &str) -> (u16, String) + Send + Sync + 'static) -> u16 {
        let certificate = self.there.certificate_file();
        let key = PrivateKeyDer::from_pem_file(certificate.with_file_name("key.pem")).unwrap();
        let certificates = CertificateDer::pem_file_iter(certificate).unwrap().map(Result::unwrap).collect();
        let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
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

/// An authorization server whose user agrees at the second asking, and that can be told to take no authorization any more.
struct Provider {
    port: u16,
    revoked: Arc<AtomicBool>,
    /// How often tokens were asked for with an authorization that counts no more.
    refusals: Arc<AtomicU64>,
}

impl Provider {
    fn start(world: &World) -> Self {
        let (polls, newest) = (AtomicU64::new(0), Arc::clone(&world.newest));
        let (revoked, refusals) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (is_revoked, refused) = (Arc::clone(&revoked), Arc::clone(&refusals));
        let token = |number: u64| {
            let kept = format!(r#""refresh_token":"refresh-{number}","token_type":"Bearer","expires_in":3600"#);
            (200, format!(r#"{{"access_token":"token-{number}",{kept}}}"#))
        };
        let port = world.tokens(move |target, body| match target {
            "/device" => (
                200,
                String::from(
                    r#"{"device_code":"d","user_code":"CODE-1234","verification_uri":"https://login.example/","interval":0}"#,
                ),
            ),
            _ if body.contains("device_code=d") && polls.fetch_add(1, Ordering::SeqCst) == 0 => {
                (400, String::from(r#"{"error":"authorization_pending"}"#))
            }
            _ if body.contains("device_code=d") => {
                is_revoked.store(false, Ordering::SeqCst);
                token(newest.load(Ordering::SeqCst))
            }
            _ if is_revoked.load(Ordering::SeqCst) => {
                refused.fetch_add(1, Ordering::SeqCst);
                (400, String::from(r#"{"error":"invalid_grant"}"#))
            }
            _ => {
                let number = newest.load(Ordering::SeqCst);
                // Each refresh token works once.
                let is_next = (0..=number).any(|old| body.contains(&format!("refresh_token=refresh-{old}&")));
                assert!(is_next, "{body}");
                token(number)
            }
        });
        Self { port, revoked, refusals }
    }

    /// Writes the file of an authorization that the user agrees to.
    fn authorize(&self, world: &World, file: &str) -> Output {
        let (token, device) =
            (format!("https://127.0.0.1:{}/token", self.port), format!("https://127.0.0.1:{}/device", self.port));
        let certificate = world.there.certificate_file();
        let url = format!("imaps://alice@example.test@127.0.0.1:{}", world.there.ports().imaps);
        world
            .run(&["authorize", &url, "--client-id", "us", "--scope", "mail", "--oauth2-file", file])
            .args(["--token-endpoint", &token, "--device-endpoint", &device])
            .args(["--ca-file", certificate.to_str().unwrap()])
            .run()
            .success()
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn an_authorization_by_code_fetches_mail_from_dovecot_and_renews_its_tokens() {
    let world = World::start();
    let provider = Provider::start(&world);
    let file = world.folder.join("alice.oauth2");
    let file_name = file.to_str().unwrap().to_owned();
    let said = provider.authorize(&world, &file_name);
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

#[test]
fn a_running_server_fetches_with_an_authorization_renews_it_and_waits_when_it_is_revoked() {
    let mut world = World::start();
    let provider = Provider::start(&world);
    let file = world.folder.join("alice.oauth2");
    let file_name = file.to_str().unwrap().to_owned();
    provider.authorize(&world, &file_name);
    world.here.stop();
    let certificate = world.there.certificate_file();
    world.here.configure(&format!(
        "\n[schedule]\nstart_within = \"0s\"\nfailure_pause = \"1s\"\n\n[[pull]]\nname = \"work\"\n\
         url = \"imaps://alice@example.test@127.0.0.1:{}\"\ninto = \"bob@example.test\"\noauth2_file = {file:?}\n\
         ca_file = {certificate:?}\nevery = \"1s\"\n",
        world.there.ports().imaps
    ));
    world.here.start_again();
    let told = |name: &str| {
        let status = world.run(&["status", "--json"]).run().success().stdout;
        let value = status.split(&format!("\"{name}\": ")).nth(1).unwrap_or_default();
        value.split('\n').next().unwrap_or_default().trim_end_matches(',').trim_matches('"').to_owned()
    };
    until("the mail that was there", 12, || world.messages_here());

    // The mail server does not take the token any more, though its time is not over.
    world.newest.store(7, Ordering::SeqCst);
    world.append(2, 6);
    until("mail with a new token", 14, || world.messages_here());
    assert!(fs::read_to_string(&file).unwrap().contains("refresh-7"));
    assert_eq!(mode(&file), 0o600);
    assert_eq!(told("failures"), "0");

    provider.revoked.store(true, Ordering::SeqCst);
    world.newest.store(8, Ordering::SeqCst);
    world.append(3, 7);
    until("a halt", String::from("login_refused"), || told("phase"));
    let (runs, asked) = (told("runs").parse::<u32>().unwrap(), provider.refusals.load(Ordering::SeqCst));
    // It looks at the file again, and does not ask the provider again.
    until("more runs", true, || told("runs").parse::<u32>().unwrap() > runs + 2);
    assert_eq!(provider.refusals.load(Ordering::SeqCst), asked);
    assert_eq!(world.messages_here(), 14);

    provider.authorize(&world, &file_name);
    until("mail with a new authorization", 17, || world.messages_here());
    until("no halt", true, || told("phase") != "login_refused");
    let log = world.here.log();
    assert!(!log.contains("token-") && !log.contains("refresh-"), "{log}");
}

/// Waits until something is as it should be.
#[track_caller]
fn until<T: PartialEq + std::fmt::Debug>(what: &str, wanted: T, mut get: impl FnMut() -> T) {
    let end = Instant::now() + DEADLINE;
    loop {
        let got = get();
        if got == wanted {
            return;
        }
        assert!(Instant::now() < end, "{what}: {got:?} instead of {wanted:?}");
        thread::sleep(Duration::from_millis(20));
    }
}
