//! Logging in with an access token: OAUTHBEARER (RFC 7628) or XOAUTH2, by what the server offers (RFC 5034).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use postrider_pop3_proto::{
    Command, InitialResponse,
    client::{InitialResponseSupport, Reply, SASL_CANCEL, encode_command, encode_sasl_response},
};
use postrider_sasl::{BearerCredentials, BearerExchange, BearerMechanism, Password};

use super::client::{Client, failure, printable};
use crate::{
    error::PullError,
    oauth::{Tokens, refusal_text},
    remote::Remote,
};

/// Logs in with a token; if that is refused, once more with a new one.
pub(super) async fn log_in_with_token(client: &mut Client, remote: &Remote, tokens: &Tokens) -> Result<(), PullError> {
    let offered = client.capabilities.mechanisms();
    let is_offered = |name: &str| offered.iter().any(|mechanism| mechanism.eq_ignore_ascii_case(name));
    let Some(mechanism) = BearerMechanism::ALL.into_iter().find(|mechanism| is_offered(mechanism.name())) else {
        return Err(PullError::NoLogin { offered: printable(&offered.join(" ")) });
    };
    let token = tokens.access().await?;
    let refused = match exchange(client, mechanism, remote, &token).await {
        Err(refused @ PullError::Token { .. }) => refused,
        other => return other,
    };
    match tokens.renew(&token).await? {
        Some(token) => exchange(client, mechanism, remote, &token).await,
        None => Err(refused),
    }
}

async fn exchange(
    client: &mut Client,
    mechanism: BearerMechanism,
    remote: &Remote,
    token: &Password,
) -> Result<(), PullError> {
    let (host, port) = (Some(remote.host.clone()), Some(remote.port));
    let credentials = BearerCredentials { user: remote.user.clone(), host, port, token: token.clone() };
    let mut exchange = BearerExchange::new(mechanism, credentials);
    let initial = Some(InitialResponse::Base64(STANDARD.encode(exchange.initial_response()?)));
    let command = Command::Auth { mechanism: mechanism.name().to_owned(), initial };
    // A token mostly makes the line too long; then it goes behind the server's empty challenge.
    let lines = encode_command(&command, InitialResponseSupport::WithCommand);
    let mut lines = lines.map_err(|_| PullError::Unsayable { what: "user name" })?;
    client.send(&lines.line).await?;
    loop {
        let challenge = match client.reply().await? {
            Reply::Ok(_) => return Ok(exchange.finish()?),
            Reply::Continuation(challenge) => challenge,
            other => {
                return Err(match failure("AUTH", other) {
                    // Without a code, what is refused here is the token.
                    PullError::Credentials { text } | PullError::Command { text, .. } => {
                        PullError::Token { text: refusal_text(exchange.refusal(), &text) }
                    }
                    other => other,
                });
            }
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
        match exchange.step(&challenge) {
            Ok(answer) => {
                let line = encode_sasl_response(&STANDARD.encode(answer));
                client.send(&line.map_err(|_| PullError::Unsayable { what: "user name" })?).await?;
            }
            Err(error) => {
                client.send(SASL_CANCEL).await?;
                return Err(error.into());
            }
        }
    }
}
