//! SCRAM-SHA-256 (RFC 5802, RFC 7677): the grammar, the keys, and the two sides.
//!
//! The password never crosses the wire; each side proves that it knows keys derived from it, and with PLUS the
//! proof covers the TLS connection too.

pub(crate) mod client;
pub(crate) mod keys;
pub(crate) mod message;
pub(crate) mod server;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};

use crate::SaslError;

/// The random bytes of a nonce; as base64 they are 24 printable characters without a comma (RFC 5802 §5.1, `r`).
const NONCE_BYTES: usize = 18;

/// A fresh nonce.
fn nonce() -> Result<String, SaslError> {
    let mut random = [0; NONCE_BYTES];
    getrandom::fill(&mut random).map_err(|error| SaslError::Random(error.to_string()))?;
    Ok(BASE64.encode(random))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ChannelBinding, ClientCredentials, Limits, Mechanism, Password, ScramKeys};

    const CLIENT_FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    const SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    const CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
        p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    // RFC 7677 §3
    #[test]
    fn the_server_speaks_the_example_of_the_standard() {
        let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let keys = ScramKeys::derive(&Password::new("pencil"), &salt, 4096);
        let begun = server::Begun::with_nonce(
            Mechanism::ScramSha256,
            ChannelBinding::None,
            CLIENT_FIRST,
            &Limits::default(),
            "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
        )
        .unwrap();
        assert_eq!(begun.user(), "user");
        let challenged = begun.challenge(keys);
        assert_eq!(challenged.message(), SERVER_FIRST);
        let proven = challenged.verify(CLIENT_FINAL).unwrap();
        assert_eq!(proven.message, SERVER_FINAL.as_bytes());
    }

    // RFC 7677 §3
    #[test]
    fn the_client_speaks_the_example_of_the_standard() {
        let credentials = ClientCredentials::new("user", Password::new("pencil"));
        let begun = client::Begun::with_nonce(
            Mechanism::ScramSha256,
            &credentials,
            &ChannelBinding::None,
            "rOprNGfwEbeRWgbNEkqO".into(),
        )
        .unwrap();
        assert_eq!(begun.message(), CLIENT_FIRST.as_bytes());
        let answered = begun.answer(SERVER_FIRST, &credentials, &Limits::default()).unwrap();
        assert_eq!(answered.message(), CLIENT_FINAL.as_bytes());
        answered.verify(SERVER_FINAL).unwrap();
    }

    #[test]
    fn nonces_are_fresh_and_printable() {
        let (first, second) = (nonce().unwrap(), nonce().unwrap());
        assert_ne!(first, second);
        assert!(first.bytes().all(|byte| byte.is_ascii_graphic() && byte != b','));
    }
}
