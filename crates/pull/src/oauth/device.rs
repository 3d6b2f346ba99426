//! An authorization by code (RFC 8628): a person opens an address on any device, types a code and agrees, while this program asks
//! now and then whether that has happened.

use std::time::Duration;

use postrider_sasl::Password;
use serde::Deserialize;
use tokio::time::sleep;

use super::{AuthorizationServer, ClientIdentity, Granted, OAuthError, shown, token};
use crate::https::{HttpsClient, HttpsError};

/// RFC 8628 §3.2: where the server names no interval.
const INTERVAL: Duration = Duration::from_secs(5);
/// RFC 8628 §3.5: what `slow_down` adds.
const SLOWER: Duration = Duration::from_secs(5);
/// The longest time between two questions.
const INTERVAL_MAX: Duration = Duration::from_secs(300);
/// The longest time that a person is waited for.
const LIFETIME_MAX: Duration = Duration::from_secs(3600);

/// A code that waits for a person.
#[derive(Debug)]
pub struct DeviceRequest {
    /// What the person types.
    pub user_code: String,
    /// Where.
    pub verification_uri: String,
    /// Where, with the code in it.
    pub verification_uri_complete: Option<String>,
    /// How long the code is good for.
    pub lifetime: Duration,
    device_code: Password,
    polling: Polling,
}

/// RFC 8628 §3.2.
#[derive(Deserialize)]
struct Answer {
    device_code: String,
    user_code: String,
    // Google writes it with `url`.
    #[serde(alias = "verification_url")]
    verification_uri: String,
    #[serde(alias = "verification_url_complete")]
    verification_uri_complete: Option<String>,
    #[serde(default, deserialize_with = "token::seconds")]
    expires_in: Option<u64>,
    #[serde(default, deserialize_with = "token::seconds")]
    interval: Option<u64>,
}

/// Asks for a code.
///
/// # Errors
/// When the server gives none.
pub async fn begin_device(
    https: &HttpsClient,
    server: &AuthorizationServer,
    client: &ClientIdentity,
    scope: &str,
) -> Result<DeviceRequest, OAuthError> {
    let Some(endpoint) = &server.device_endpoint else {
        return Err(OAuthError::NoSuchWay(String::from("the provider gives no codes for mail (device flow)")));
    };
    let mut fields = client.fields();
    fields.push(("scope", scope));
    let response = https.post_form(endpoint, &fields).await?;
    if response.status != 200 {
        // Its errors look like those of the token endpoint (RFC 8628 §3.2).
        let refused = token::parse_token_response(&response).err();
        return Err(refused.unwrap_or_else(|| OAuthError::Answer(format!("status {}", response.status))));
    }
    parse_device_response(&response.body)
}

fn parse_device_response(body: &[u8]) -> Result<DeviceRequest, OAuthError> {
    let answer: Answer =
        serde_json::from_slice(body).map_err(|_| OAuthError::Answer(String::from("not the JSON of a device code")))?;
    let lifetime = Duration::from_secs(answer.expires_in.unwrap_or(900)).min(LIFETIME_MAX);
    let interval = answer.interval.map_or(INTERVAL, Duration::from_secs).min(INTERVAL_MAX);
    Ok(DeviceRequest {
        user_code: shown(&answer.user_code),
        verification_uri: shown(&answer.verification_uri),
        verification_uri_complete: answer.verification_uri_complete.as_deref().map(shown),
        lifetime,
        device_code: Password::new(answer.device_code),
        polling: Polling { interval },
    })
}

/// When to ask again.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Polling {
    interval: Duration,
}

impl Polling {
    /// What the answer to one question means; `None`: ask again after the interval.
    fn judge(&mut self, outcome: Result<Granted, OAuthError>) -> Option<Result<Granted, OAuthError>> {
        let code = match &outcome {
            Err(OAuthError::Refused { code, .. }) => code.as_str(),
            // RFC 8628 §3.5: a question that was not answered in time is asked more rarely from then on.
            Err(OAuthError::Https(HttpsError::Timeout { .. } | HttpsError::Connect { .. })) => {
                self.interval = self.interval.saturating_mul(2).clamp(INTERVAL, INTERVAL_MAX);
                return None;
            }
            _ => return Some(outcome),
        };
        match code {
            "authorization_pending" => None,
            "slow_down" => {
                self.interval = (self.interval + SLOWER).min(INTERVAL_MAX);
                None
            }
            // The second is Microsoft's.
            "access_denied" | "authorization_declined" => Some(Err(OAuthError::Denied)),
            "expired_token" => Some(Err(OAuthError::TooLate)),
            _ => Some(outcome),
        }
    }
}

impl DeviceRequest {
    /// Waits until the person has agreed.
    ///
    /// # Errors
    /// When the person does not, or the code has expired.
    pub async fn wait(
        mut self,
        https: &HttpsClient,
        server: &AuthorizationServer,
        client: &ClientIdentity,
    ) -> Result<Granted, OAuthError> {
        let fields = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", self.device_code.expose()),
        ];
        let mut waited = Duration::ZERO;
        while waited < self.lifetime {
            sleep(self.polling.interval).await;
            waited += self.polling.interval.max(Duration::from_millis(100));
            if let Some(outcome) = self.polling.judge(token::ask(https, server, client, &fields).await) {
                return outcome;
            }
        }
        Err(OAuthError::TooLate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 8628 §3.2
    #[test]
    fn the_example_of_the_standard_is_read() {
        let body = br#"{"device_code":"GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS","user_code":"WDJB-MJHT",
            "verification_uri":"https://example.com/device",
            "verification_uri_complete":"https://example.com/device?user_code=WDJB-MJHT","expires_in":1800,"interval":5}"#;
        let request = parse_device_response(body).unwrap();
        assert_eq!((request.user_code.as_str(), request.lifetime.as_secs()), ("WDJB-MJHT", 1800));
        assert!(!format!("{request:?}").contains("GmRhm"));
        let body = br#"{"device_code":"a","user_code":"b\u001b[0m","verification_url":"https://example.com/"}"#;
        let request = parse_device_response(body).unwrap();
        assert_eq!((request.user_code.as_str(), request.polling.interval), ("b\u{fffd}[0m", INTERVAL));
        assert!(parse_device_response(b"{}").is_err());
    }

    #[test]
    fn the_server_says_how_often_it_may_be_asked() {
        let mut polling = Polling { interval: INTERVAL };
        let mut judge = |code: &str| {
            let refused = OAuthError::Refused { code: code.to_owned(), description: String::new() };
            (polling.judge(Err(refused)), polling.interval.as_secs())
        };
        assert!(matches!(judge("authorization_pending"), (None, 5)));
        assert!(matches!(judge("slow_down"), (None, 10)));
        assert!(matches!(judge("authorization_pending"), (None, 10)));
        assert!(matches!(judge("access_denied"), (Some(Err(OAuthError::Denied)), _)));
        assert!(matches!(judge("authorization_declined"), (Some(Err(OAuthError::Denied)), _)));
        assert!(matches!(judge("expired_token"), (Some(Err(OAuthError::TooLate)), _)));
        assert!(matches!(judge("invalid_client"), (Some(Err(OAuthError::Refused { .. })), _)));
        for _ in 0..9 {
            let late = HttpsError::Timeout { host: String::from("a"), after: INTERVAL };
            assert!(polling.judge(Err(late.into())).is_none());
        }
        assert_eq!(polling.interval, INTERVAL_MAX);
    }
}
