//! From the greeting to the end of the login: TLS where it is demanded, the strongest mechanism that both sides have.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use postrider_pop3_proto::{
    Command, InitialResponse, Password as Pop3Password,
    client::{InitialResponseSupport, Reply, SASL_CANCEL, encode_command, encode_sasl_response},
};
use postrider_sasl::{ChannelBinding, ClientCredentials, ClientExchange, Mechanism, Password};

use super::{
    Pull,
    client::{Client, failure, printable},
    login_token::log_in_with_token,
};
use crate::{
    connect::{ConnectOptions, Connection},
    error::PullError,
    remote::{Credential, Security},
};

/// A client that is logged in.
pub(super) async fn log_in(
    connection: Connection,
    pull: Pull<'_>,
    options: &ConnectOptions,
) -> Result<Client, PullError> {
    pull.credential.check_privacy(pull.remote)?;
    let mut client = Client::new(connection, pull.options.limits.clone());
    match client.reply().await? {
        Reply::Ok(_) => {}
        other => return Err(failure("the connection", other)),
    }
    client.learn_capabilities().await?;
    match pull.remote.security {
        Security::StartTls => client = begin_tls(client, pull, options).await?,
        Security::Plain if !pull.remote.is_loopback() => pull.observer.note(String::from(
            "the connection is not encrypted, as ?security=none asks: password and mail can be read by everybody in between",
        )),
        Security::Plain | Security::Tls => {}
    }
    // RFC 6856 §2.1: to a client that does not say this Courier gives, in place of a message with UTF-8 in its header, a report of
    // its own with the message inside. Who announces it and then refuses gives messages as they are.
    if client.capabilities.has("UTF8") {
        client.command(&Command::Utf8).await?;
    }
    authenticate(&mut client, pull).await.map_err(|error| match error {
        // Whether the name that was sent is the one that was meant, only the person can see.
        PullError::Credentials { text } => PullError::Credentials { text: with_user(&text, &pull.remote.user) },
        other => other,
    })?;
    // Some announce more to who is logged in (RFC 2449 §5).
    if !client.capabilities.announced().is_empty() {
        client.learn_capabilities().await?;
    }
    Ok(client)
}

fn with_user(text: &str, user: &str) -> String {
    format!("{text} (the user name sent was {})", printable(user))
}

async fn begin_tls(mut client: Client, pull: Pull<'_>, options: &ConnectOptions) -> Result<Client, PullError> {
    // It is tried even if it was not announced: whoever is in between could have taken it out of the announcement.
    let Reply::Ok(_) = client.command(&Command::Stls).await? else {
        return Err(PullError::NoStartTls { command: "STLS" });
    };
    let (connection, said_more) = client.into_connection();
    // RFC 2595 §4: nothing that was said in the clear counts.
    if said_more {
        return Err(PullError::StartTlsInjection { command: "STLS" });
    }
    let connection = connection.start_tls(pull.remote, options).await?;
    let mut client = Client::new(connection, pull.options.limits.clone());
    client.learn_capabilities().await?;
    Ok(client)
}

async fn authenticate(client: &mut Client, pull: Pull<'_>) -> Result<(), PullError> {
    let password = match pull.credential {
        Credential::Password(password) => password,
        Credential::OAuth2(tokens) => return log_in_with_token(client, pull.remote, tokens).await,
    };
    let user = &pull.remote.user;
    let binding = client.connection.channel_binding();
    if let Some(mechanism) = strongest(client, &binding) {
        return exchange(client, mechanism, ClientCredentials::new(user, password.clone()), binding).await;
    }
    // Servers that announce nothing, or neither of the two, mostly take USER all the same.
    if !client.capabilities.mechanisms().is_empty() && !client.capabilities.has("USER") {
        return Err(PullError::NoLogin { offered: printable(&client.capabilities.mechanisms().join(" ")) });
    }
    user_and_pass(client, user, password).await
}

/// The strongest mechanism that the server offers and that is possible on this connection. PLAIN in the clear is what somebody
/// asked for who wrote `?security=none`; without that there is no connection in the clear at this point.
fn strongest(client: &Client, binding: &ChannelBinding) -> Option<Mechanism> {
    let offered = client.capabilities.mechanisms();
    let candidates = [Mechanism::ScramSha256Plus, Mechanism::ScramSha256, Mechanism::Plain];
    candidates.into_iter().find(|mechanism| {
        offered.iter().any(|name| name.eq_ignore_ascii_case(mechanism.name()))
            && (!mechanism.binds_channel() || *binding != ChannelBinding::None)
    })
}

async fn exchange(
    client: &mut Client,
    mechanism: Mechanism,
    credentials: ClientCredentials,
    binding: ChannelBinding,
) -> Result<(), PullError> {
    let mut exchange = ClientExchange::new(mechanism, credentials, binding)?;
    let initial = exchange.initial_response()?.map(|response| match response.is_empty() {
        true => InitialResponse::Empty,
        false => InitialResponse::Base64(STANDARD.encode(response)),
    });
    let command = Command::Auth { mechanism: mechanism.name().to_owned(), initial };
    let lines = encode_command(&command, InitialResponseSupport::WithCommand);
    let mut lines = lines.map_err(|_| PullError::Unsayable { what: "user name" })?;
    client.send(&lines.line).await?;
    loop {
        let challenge = match client.reply().await? {
            Reply::Ok(_) => return Ok(exchange.finish()?),
            Reply::Continuation(challenge) => challenge,
            other => return Err(failure("AUTH", other)),
        };
        if let Some(initial) = lines.after_continuation.take() {
            client.send(&initial).await?;
            continue;
        }
        let Ok(challenge) = STANDARD.decode(challenge) else {
            client.send(SASL_CANCEL).await?;
            let what = String::from("a challenge of its login is not Base64");
            return Err(PullError::Protocol { protocol: "POP3", what });
        };
        // A SCRAM key takes thousands of rounds of hashing.
        let stepped = tokio::task::spawn_blocking(move || {
            let response = exchange.step(&challenge);
            (exchange, response)
        });
        let (stepped, response) = stepped.await.map_err(|_| PullError::Refusal(String::from("the program ends")))?;
        exchange = stepped;
        match response {
            Ok(response) => {
                let line = encode_sasl_response(&STANDARD.encode(response));
                client.send(&line.map_err(|_| PullError::Unsayable { what: "user name" })?).await?;
            }
            Err(error) => {
                client.send(SASL_CANCEL).await?;
                return Err(error.into());
            }
        }
    }
}

async fn user_and_pass(client: &mut Client, user: &str, password: &Password) -> Result<(), PullError> {
    let steps = [
        (Command::User(user.to_owned()), "user name"),
        (Command::Pass(Pop3Password::new(password.expose())), "password"),
    ];
    for (command, what) in steps {
        let lines = encode_command(&command, InitialResponseSupport::AfterContinuation);
        client.send(&lines.map_err(|_| PullError::Unsayable { what })?.line).await?;
        match client.reply().await? {
            Reply::Ok(_) => {}
            other => {
                // Without a code, what is refused here is the name or the password.
                return Err(match failure("USER and PASS", other) {
                    PullError::Command { text, .. } => PullError::Credentials { text },
                    other => other,
                });
            }
        }
    }
    Ok(())
}
