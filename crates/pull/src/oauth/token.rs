//! The token endpoint: what is asked of it and what it answers (RFC 6749 §5).

use postrider_sasl::Password;
use serde::Deserialize;

use super::{AuthorizationServer, ClientIdentity, OAuthError, shown};
use crate::https::{HttpsClient, HttpsResponse};

/// What an authorization server grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// The access token.
    pub access_token: Password,
    /// What to get the next one with, if it differs from what is known.
    pub refresh_token: Option<Password>,
    /// How long the access token is good for, in seconds.
    pub expires_in: Option<u64>,
}

/// RFC 6749 §5.1 and §5.2, in one: a server says the one or the other.
#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    token_type: Option<String>,
    refresh_token: Option<String>,
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<u64>,
    error: Option<String>,
    error_description: Option<String>,
}

/// A number, which some servers write as a text; anything else counts as nothing said.
pub(super) fn seconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok())))
}

/// Asks for tokens.
pub(super) async fn ask(
    https: &HttpsClient,
    server: &AuthorizationServer,
    client: &ClientIdentity,
    fields: &[(&str, &str)],
) -> Result<Granted, OAuthError> {
    let mut form = fields.to_vec();
    form.extend(client.fields());
    parse_token_response(&https.post_form(&server.token_endpoint, &form).await?)
}

/// Reads the answer of a token endpoint.
///
/// # Errors
/// When it grants nothing.
pub(crate) fn parse_token_response(response: &HttpsResponse) -> Result<Granted, OAuthError> {
    let unusable = |what: &str| OAuthError::Answer(format!("status {}, {what}", response.status));
    let answer: Answer = serde_json::from_slice(&response.body).map_err(|_| unusable("not the JSON of a token"))?;
    if let Some(code) = answer.error {
        let description = shown(&answer.error_description.unwrap_or_default());
        return Err(OAuthError::Refused { code: shown(&code), description });
    }
    if response.status != 200 {
        return Err(unusable("no reason given"));
    }
    // RFC 6749 §7.1: a token of a kind that is not understood must not be used.
    if !answer.token_type.is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")) {
        return Err(unusable("the token is no bearer token"));
    }
    let is_token = |token: &String| !token.is_empty() && token.bytes().all(|octet| octet.is_ascii_graphic());
    let access_token = answer.access_token.filter(is_token).ok_or_else(|| unusable("no access token"))?;
    Ok(Granted {
        access_token: Password::new(access_token),
        refresh_token: answer.refresh_token.filter(|token| !token.is_empty()).map(Password::new),
        expires_in: answer.expires_in,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(status: u16, body: &str) -> Result<Granted, OAuthError> {
        let media_type = String::from("application/json");
        parse_token_response(&HttpsResponse { status, media_type, body: body.as_bytes().to_vec() })
    }

    // RFC 6749 §5.1 and §5.2
    #[test]
    fn the_examples_of_the_standard_are_read() {
        let granted = read(
            200,
            r#"{"access_token":"2YotnFZFEjr1zCsicMWpAA","token_type":"example","expires_in":3600,
                "refresh_token":"tGzv3JOkF0XG5Qx2TlKWIA","example_parameter":"example_value"}"#,
        );
        assert!(matches!(granted, Err(OAuthError::Answer(_))), "a token of another kind");
        let granted = read(
            200,
            r#"{"access_token":"2YotnFZFEjr1zCsicMWpAA","token_type":"bearer","expires_in":"3600",
                "refresh_token":"tGzv3JOkF0XG5Qx2TlKWIA"}"#,
        )
        .unwrap();
        assert_eq!(granted.access_token.expose(), "2YotnFZFEjr1zCsicMWpAA");
        assert_eq!(granted.refresh_token.unwrap().expose(), "tGzv3JOkF0XG5Qx2TlKWIA");
        assert_eq!(granted.expires_in, Some(3600));
        let Err(OAuthError::Refused { code, description }) =
            read(400, r#"{"error":"invalid_grant","error_description":"gone\nfor good"}"#)
        else {
            panic!("it must be refused")
        };
        assert_eq!((code.as_str(), description.as_str()), ("invalid_grant", "gone\u{fffd}for good"));
    }

    #[test]
    fn what_grants_nothing_is_no_grant() {
        for (status, body) in [
            (200, ""),
            (200, "{}"),
            (200, "[]"),
            (200, r#"{"access_token":"","token_type":"Bearer"}"#),
            (200, r#"{"access_token":"a\u0001b","token_type":"Bearer"}"#),
            (200, r#"{"access_token":"a"}"#),
            (302, r#"{"access_token":"a","token_type":"Bearer"}"#),
            (500, "<html>"),
        ] {
            assert!(matches!(read(status, body), Err(OAuthError::Answer(_))), "{status} {body}");
        }
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_refused(status in 100u16..600, body in "\\PC{0,80}", key in "[a-z_]{0,14}") {
            let _ = read(status, &body);
            let _ = read(status, &format!(r#"{{"{key}":{body:?},"error":1}}"#));
        }
    }
}
