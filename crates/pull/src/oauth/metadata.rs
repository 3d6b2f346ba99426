//! What an authorization server tells of itself (RFC 8414, and OpenID Connect Discovery, its forerunner).

use serde::Deserialize;

use super::{AuthorizationServer, OAuthError};
use crate::https::{HttpsClient, HttpsUrl};

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    token_endpoint: Option<String>,
    authorization_endpoint: Option<String>,
    device_authorization_endpoint: Option<String>,
}

/// Asks the server of this name where it is to be asked for what.
///
/// # Errors
/// When it tells nothing, or tells of another server.
pub async fn fetch_metadata(https: &HttpsClient, issuer: &str) -> Result<AuthorizationServer, OAuthError> {
    let mut failure = OAuthError::Answer(format!("{issuer} is no name of an authorization server"));
    for url in well_known(issuer) {
        let response = match https.get(&url?, "application/json").await {
            Ok(response) => response,
            Err(error) => {
                failure = error.into();
                continue;
            }
        };
        match response.status {
            200 => return parse_metadata(issuer, &response.body),
            status => failure = OAuthError::Answer(format!("{issuer} tells nothing of itself (status {status})")),
        }
    }
    Err(failure)
}

/// RFC 8414 §3.1: the well-known part stands before the issuer's path, in OpenID's form behind it.
fn well_known(issuer: &str) -> [Result<HttpsUrl, OAuthError>; 2] {
    let issuer = issuer.trim_end_matches('/');
    let host_length = issuer.strip_prefix("https://").map(|rest| 8 + rest.find('/').unwrap_or(rest.len()));
    let (origin, path) = issuer.split_at_checked(host_length.unwrap_or(0)).unwrap_or((issuer, ""));
    let standard = format!("{origin}/.well-known/oauth-authorization-server{path}");
    let openid = format!("{issuer}/.well-known/openid-configuration");
    [standard, openid].map(|url| url.parse().map_err(OAuthError::from))
}

/// Reads metadata.
///
/// # Errors
/// When it is of another issuer, or names no usable endpoint.
pub(crate) fn parse_metadata(issuer: &str, body: &[u8]) -> Result<AuthorizationServer, OAuthError> {
    let unusable = |what: &str| OAuthError::Answer(format!("the metadata of {issuer} {what}"));
    let metadata: Metadata = serde_json::from_slice(body).map_err(|_| unusable("is not the JSON that it should be"))?;
    // RFC 8414 §3.3: else one server could speak for another.
    if metadata.issuer.trim_end_matches('/') != issuer.trim_end_matches('/') {
        return Err(unusable("is of another issuer"));
    }
    let endpoint = |text: Option<String>| text.map(|text| text.parse::<HttpsUrl>()).transpose();
    let token_endpoint = endpoint(metadata.token_endpoint)?.ok_or_else(|| unusable("names no token endpoint"))?;
    Ok(AuthorizationServer {
        issuer: Some(metadata.issuer),
        token_endpoint,
        authorization_endpoint: endpoint(metadata.authorization_endpoint)?,
        device_endpoint: endpoint(metadata.device_authorization_endpoint)?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_well_known_address_stands_before_the_path() {
        let urls = |issuer: &str| well_known(issuer).map(|url| url.map(|url| url.to_string()).unwrap_or_default());
        // RFC 8414 §3.1
        assert_eq!(
            urls("https://example.com/issuer1"),
            [
                "https://example.com/.well-known/oauth-authorization-server/issuer1",
                "https://example.com/issuer1/.well-known/openid-configuration"
            ]
        );
        assert_eq!(urls("https://example.com/")[0], "https://example.com/.well-known/oauth-authorization-server");
        assert_eq!(urls("http://example.com/"), ["", ""]);
    }

    #[test]
    fn metadata_of_another_issuer_or_in_the_clear_is_refused() {
        let body = br#"{"issuer":"https://server.example.com","token_endpoint":"https://server.example.com/token",
            "authorization_endpoint":"https://server.example.com/authorize","scopes_supported":["openid"]}"#;
        let server = parse_metadata("https://server.example.com/", body).unwrap();
        assert_eq!(server.token_endpoint.to_string(), "https://server.example.com/token");
        assert!(server.authorization_endpoint.is_some() && server.device_endpoint.is_none());
        assert!(parse_metadata("https://other.example.com", body).is_err());
        for body in [
            r#"{"issuer":"https://a.example","token_endpoint":"http://a.example/"}"#,
            r#"{"issuer":"https://a.example"}"#,
            "",
        ] {
            assert!(parse_metadata("https://a.example", body.as_bytes()).is_err());
        }
    }

    proptest! {
        #[test]
        fn any_metadata_is_read_or_refused(issuer in "\\PC{0,30}", body in "\\PC{0,60}") {
            let _ = parse_metadata(&issuer, body.as_bytes());
            let _ = parse_metadata(&issuer, format!(r#"{{"issuer":{issuer:?},"token_endpoint":{body:?}}}"#).as_bytes());
            let _ = well_known(&issuer);
            let _ = well_known(&format!("https://{issuer}"));
        }
    }
}
