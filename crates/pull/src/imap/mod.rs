//! Mailboxes of an IMAP server, fetched into an account.
//!
//! A run selects each mailbox for reading, learns what changed since the last run (`listing`), follows flags and removals
//! as the mode has it (`following`), and fetches what is new (`bodies`, `keeping`). What it knows lies in notes
//! beside the mail (`memory`), written in the same batch as the messages, so that a run which is interrupted anywhere
//! is simply run again.
//!
//! Nothing is changed on the other side: mailboxes are opened with EXAMINE and read with BODY.PEEK. And nothing is removed here
//! on the word of an answer that was not whole. Two modes go further: a sync (`sync`) follows changes both ways, and a
//! migration ([`migrate`]) copies from one server to another (`appending` is how messages get there).

mod appending;
mod bodies;
mod body;
mod connection;
mod crew;
mod error;
mod flags;
mod following;
mod keeping;
mod labels;
mod listing;
mod login;
mod login_token;
mod mailboxes;
mod memory;
mod message_id;
pub mod migrate;
mod options;
mod places;
mod push;
mod recall;
mod reinforcements;
mod rematch;
mod report;
mod room;
mod run;
mod suspects;
mod sync;
mod tally;
mod translate;
mod verify;
mod work;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use postrider_imap_proto::client::Greeting;
use postrider_imap_proto::command::CommandBody;
use postrider_store::Account;

use crate::connect::{Compression, ConnectOptions, Connection, connect};
use crate::error::PullError;
use crate::observer::Observer;
use crate::persevere::persevere;
use crate::remote::{Credential, Remote, Security};
use reinforcements::{Bearing, Reinforcements};
use run::run_reinforced;
use suspects::Suspects;

pub use connection::{ImapConnection, ImapConnectionOptions};
pub use error::ImapError;
pub use memory::RemoteKey;
pub use options::{Consent, GmailLabels, ImapMode, ImapPullOptions, Namespaces, Rehearsal, Verification};
pub use push::{PushChannel, PushListener, PushOptions};
pub use report::{ImapReport, MailboxReport, Remark, Weight};
pub use run::run;
pub(crate) use translate::{MailboxTranslation, NoteKind, note_kind, translate_location, translate_mailbox};

/// Connects, logs in, fetches, and says goodbye.
///
/// # Errors
/// When it does not come to fetching: what happens later stands in the report, beside what was done until then.
pub async fn pull(
    remote: &Remote,
    credential: &Credential,
    connect_options: &ConnectOptions,
    account: &Account,
    options: &ImapPullOptions,
    observer: &dyn Observer,
) -> Result<ImapReport, PullError> {
    let backoff = connect_options.backoff;
    let suspects = Arc::<Suspects>::default();
    let bearing = Bearing::new(connect_options.connections_max);
    let server = Server { remote, credential, connect_options, suspects: &suspects, bearing: &bearing };
    persevere(backoff, &connect_options.stop, observer, || pull_once(server, account, options, observer)).await
}

/// A server, as one run knows it.
#[derive(Clone, Copy)]
struct Server<'a> {
    remote: &'a Remote,
    credential: &'a Credential,
    connect_options: &'a ConnectOptions,
    suspects: &'a Arc<Suspects>,
    bearing: &'a Bearing,
}

/// The same until a connection breaks that no other one makes up for.
async fn pull_once(
    server: Server<'_>,
    account: &Account,
    options: &ImapPullOptions,
    observer: &dyn Observer,
) -> Result<ImapReport, PullError> {
    let Server { remote, credential, connect_options, suspects, .. } = server;
    let mut connection = log_in(remote, credential, connect_options).await?;
    connection.suspects = Arc::clone(suspects);
    let mut notes = connection.tell();
    let key = RemoteKey::new(&remote.host, remote.port, &remote.user);
    let reinforcements = Reinforcements { server, notes: connection.teller() };
    let report = {
        let work = run_reinforced(&mut connection, &reinforcements, &key, account, options, observer);
        tokio::pin!(work);
        loop {
            tokio::select! {
                report = &mut work => break report,
                Some(note) = notes.recv() => observer.note(note),
            }
        }
    };
    if report.ended_early.is_none() {
        connection.log_out().await;
    }
    Ok(report)
}

/// Connects as the remote says, TLS included, and logs in.
async fn log_in(
    remote: &Remote,
    credential: &Credential,
    options: &ConnectOptions,
) -> Result<ImapConnection<Connection>, PullError> {
    let mut connection = log_in_plainly(remote, credential, options).await?;
    if options.compression == Compression::WhereOffered {
        connection.compress().await?;
    }
    Ok(connection)
}

async fn log_in_plainly(
    remote: &Remote,
    credential: &Credential,
    options: &ConnectOptions,
) -> Result<ImapConnection<Connection>, PullError> {
    credential.check_privacy(remote)?;
    let settings = ImapConnectionOptions { silence_max: options.silence_time_max, ..ImapConnectionOptions::default() };
    let stream = connect(remote, options).await?;
    let binding = stream.channel_binding();
    let (mut connection, greeting) = ImapConnection::open(stream, settings).await?;
    connection.server = Some((remote.host.clone(), remote.port));
    if remote.security != Security::StartTls {
        match greeting {
            Greeting::PreAuth => connection.prepare_session().await?,
            Greeting::Ok | Greeting::Bye => {
                connection
                    .log_in(&remote.user, credential, binding)
                    .await
                    .map_err(|error| error.of_user(&remote.user))?;
            }
        }
        return Ok(connection);
    }
    if greeting == Greeting::PreAuth {
        return Err(ImapError::PreAuthInTheClear.into());
    }
    connection.know_capabilities().await?;
    if !connection.capabilities.has("STARTTLS") {
        return Err(PullError::NoStartTls { command: "STARTTLS" });
    }
    connection.command("STARTTLS", CommandBody::StartTls, drop).await?;
    let stream = connection.into_stream().ok_or(PullError::StartTlsInjection { command: "STARTTLS" })?;
    let stream = stream.start_tls(remote, options).await?;
    let binding = stream.channel_binding();
    // What was said before TLS, capabilities above all, is forgotten (RFC 9051 §6.2.1).
    let mut connection = ImapConnection::new(stream, settings);
    connection.server = Some((remote.host.clone(), remote.port));
    connection.log_in(&remote.user, credential, binding).await.map_err(|error| error.of_user(&remote.user))?;
    Ok(connection)
}
