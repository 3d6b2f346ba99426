//! The domain's own configuration in JSON, whose hash stands in DNS (draft-ietf-mailmaint-pacc-02).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{
    Address, Authentication, MailServer, OAuthDetails, Service, Source, Told, address::host_name, chained, names::Names,
};
use crate::{https::HttpsClient, remote::Security};

/// Draft §4.2 and §4.3; what is not needed here is passed over.
#[derive(Deserialize)]
struct Configuration {
    protocols: Protocols,
    #[serde(default)]
    authentication: Ways,
    info: Option<Info>,
}

#[derive(Deserialize)]
struct Protocols {
    imap: Option<Place>,
    pop3: Option<Place>,
    smtp: Option<Place>,
}

#[derive(Deserialize)]
struct Place {
    host: String,
}

#[derive(Deserialize, Default)]
struct Ways {
    #[serde(default)]
    password: bool,
    #[serde(rename = "oauth-public")]
    oauth: Option<Issuer>,
}

#[derive(Deserialize)]
struct Issuer {
    issuer: String,
}

#[derive(Deserialize)]
struct Info {
    provider: Option<Provider>,
}

#[derive(Deserialize)]
struct Provider {
    name: String,
}

/// Where it lies (draft §5.2.1).
pub(super) fn place(address: &Address) -> String {
    format!("https://ua-auto-config.{}/.well-known/user-agent-configuration.json", address.domain())
}

/// Fetches it and compares its hash.
pub(super) async fn ask(https: &HttpsClient, names: &Names, address: &Address) -> Result<Told, String> {
    let url = place(address).parse().map_err(|error| chained(&error))?;
    let response = https.get(&url, "application/json").await.map_err(|error| chained(&error))?;
    if response.status != 200 || response.media_type != "application/json" {
        return Err(format!("nothing there (status {}, {})", response.status, super::shown(&response.media_type)));
    }
    let texts = names.txt(&format!("_ua-auto-config.{}", address.domain())).await?;
    let digest = Sha256::digest(&response.body);
    if !texts.iter().filter_map(|text| digest_of(text)).any(|told| told == digest.as_slice()) {
        return Err(String::from("its hash is not the one that DNS has for it"));
    }
    told(&response.body, address)
}

/// The hash in a TXT record (draft §5.2.2.2).
fn digest_of(record: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(record).ok()?;
    let pairs = text.split(';').filter_map(|pair| pair.split_once('=')).map(|(tag, value)| (tag.trim(), value.trim()));
    let value = |wanted: &str| pairs.clone().find(|(tag, _)| *tag == wanted).map(|(_, value)| value);
    let is_known = value("v") == Some("UAAC1") && value("a") == Some("sha256");
    value("d").filter(|_| is_known).and_then(|digest| STANDARD.decode(digest).ok())
}

fn told(body: &[u8], address: &Address) -> Result<Told, String> {
    let configuration: Configuration =
        serde_json::from_slice(body).map_err(|error| format!("line {} is not understood", error.line()))?;
    let Configuration { protocols, authentication: ways, info } = configuration;
    let mut authentication = Vec::new();
    if ways.password {
        authentication.push(Authentication::Password);
    }
    if ways.oauth.is_some() {
        authentication.push(Authentication::OAuth2);
    }
    // Draft §4.2: the default ports, with TLS from the start.
    let places = [
        (protocols.imap, Service::Imap, 993),
        (protocols.pop3, Service::Pop3, 995),
        (protocols.smtp, Service::Submission, 465),
    ];
    let servers = places.into_iter().filter_map(|(place, service, port)| {
        let host = host_name(&place?.host)?;
        // Draft §3.1: the whole address is the login name.
        let (user, authentication, security) = (address.to_string(), authentication.clone(), Security::Tls);
        Some(MailServer { service, host, port, security, user, authentication, source: Source::Domain })
    });
    Ok(Told {
        servers: servers.collect(),
        provider: info.and_then(|info| info.provider).map(|provider| super::shown(&provider.name)),
        oauth: ways.oauth.map(|oauth| OAuthDetails { issuer: Some(oauth.issuer), ..OAuthDetails::default() }),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_record_without_its_tags_or_of_another_version_counts_for_nothing() {
        let hash = "K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=";
        for (record, is_good) in [
            (format!("v=UAAC1; a=sha256; d={hash}"), true),
            (format!("d = {hash} ;x=y;a=sha256 ; v=UAAC1"), true),
            (format!("v=UAAC2; a=sha256; d={hash}"), false),
            (format!("v=UAAC1; a=sha512; d={hash}"), false),
            (format!("v=UAAC1; d={hash}"), false),
            (String::from("v=UAAC1; a=sha256; d=!"), false),
            (String::new(), false),
        ] {
            assert_eq!(digest_of(record.as_bytes()).is_some(), is_good, "{record}");
        }
    }

    #[test]
    fn a_configuration_names_servers_and_ways_to_log_in() {
        let body = br#"{"protocols":{"jmap":{"url":"https://jmap.example.com/"},"imap":{"host":"IMAP.example.com"},
            "smtp":{"host":"bad host"}},"authentication":{"oauth-public":{"issuer":"https://auth.example.com/"},
            "password":true},"info":{"provider":{"name":"Example\u0007"}}}"#;
        let told = told(body, &"a@example.com".parse().unwrap()).unwrap();
        assert_eq!(
            told.servers.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["imap imap.example.com:993 (TLS)"]
        );
        assert_eq!(told.servers[0].authentication, [Authentication::Password, Authentication::OAuth2]);
        assert_eq!(told.provider.as_deref(), Some("Example\u{fffd}"));
        assert_eq!(told.oauth.unwrap().issuer.as_deref(), Some("https://auth.example.com/"));
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(body in "\\PC{0,60}", host in "\\PC{0,20}") {
            let address = "a@example.com".parse().unwrap();
            let _ = (digest_of(body.as_bytes()), told(body.as_bytes(), &address));
            let _ = told(format!(r#"{{"protocols":{{"imap":{{"host":{host:?}}}}}}}"#).as_bytes(), &address);
        }
    }
}
