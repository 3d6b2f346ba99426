//! What the demo prints: lines to copy, and what to type into a mail program.

use crate::{config::Config, control::ListeningStatus};

/// The whole text.
pub fn text(config: &Config, listening: &[ListeningStatus]) -> String {
    let port = |protocol: &str| {
        let found = listening.iter().find(|listening| listening.protocol == protocol);
        found.and_then(|listening| listening.address.rsplit(':').next()).unwrap_or("?").to_owned()
    };
    let (certificate, _) = config.certificate_files();
    TEMPLATE
        .replace("{FOLDER}", &config.data().display().to_string())
        .replace("{CERTIFICATE}", &certificate.display().to_string())
        .replace("{IMAPS}", &port("imaps"))
        .replace("{IMAP}", &port("imap"))
        .replace("{POP3S}", &port("pop3s"))
        .replace("{POP3}", &port("pop3"))
        .replace("{SUBMISSIONS}", &port("submissions"))
        .replace("{SUBMISSION}", &port("submission"))
        .replace("{SMTP}", &port("smtp"))
        .replace("{LMTP}", &port("lmtp"))
}

const TEMPLATE: &str = r#"
A mail server of your own, in {FOLDER}

  accounts     alice@localhost and bob@localhost
  password     postrider
  certificate  {CERTIFICATE} (self-signed)

In a mail program
  incoming IMAP   localhost, port {IMAPS} with TLS   ({IMAP} with STARTTLS)
  or       POP3   localhost, port {POP3S} with TLS   ({POP3} with STARTTLS)
  outgoing SMTP   localhost, port {SUBMISSIONS} with TLS   ({SUBMISSION} with STARTTLS)
  user name alice@localhost; accept the certificate's warning

In a terminal
  # IMAP: the mailboxes, what the inbox holds, and one message
  curl -sk -u alice@localhost:postrider imaps://localhost:{IMAPS}/
  curl -sk -u alice@localhost:postrider imaps://localhost:{IMAPS}/INBOX -X 'FETCH 1:* ENVELOPE'
  curl -sk -u alice@localhost:postrider 'imaps://localhost:{IMAPS}/INBOX;UID=1'

  # POP3: the list, and one message
  curl -sk -u bob@localhost:postrider pop3s://localhost:{POP3S}/
  curl -sk -u bob@localhost:postrider pop3s://localhost:{POP3S}/1

  # send as alice to bob
  printf 'From: alice@localhost\r\nTo: bob@localhost\r\nSubject: Hello\r\n\r\nHello Bob!\r\n' |
    curl -sk -u alice@localhost:postrider smtps://localhost:{SUBMISSIONS} \
      --mail-from alice@localhost --mail-rcpt bob@localhost -T -

  # arrive from another server, without a login
  printf 'From: friend@example.org\r\nTo: alice@localhost\r\nSubject: Hi\r\n\r\nHi!\r\n' |
    curl -s smtp://localhost:{SMTP} --mail-from friend@example.org --mail-rcpt alice@localhost -T -

  # LMTP, for a mail transfer agent in front, listens on port {LMTP}

Ctrl-C ends it. Started again, it finds its mail as it was.

"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_placeholder_is_filled() {
        let listening = ["imap", "imaps", "pop3", "pop3s", "submission", "submissions", "smtp", "lmtp"]
            .map(|protocol| ListeningStatus { protocol: protocol.to_owned(), address: "127.0.0.1:1999".to_owned() });
        let text = text(&Config::default(), &listening);
        assert!(!text.contains(['{', '}']) && !text.contains('?'), "{text}");
    }
}
