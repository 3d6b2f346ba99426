//! An authorization through a browser on this machine (RFC 8252): the browser is led back to a port that is open for
//! as long as the person needs, with a code that only this program can use (PKCE, RFC 7636).

use std::{net::Ipv4Addr, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use postrider_sasl::Password;
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};

use super::{AuthorizationServer, ClientIdentity, Granted, OAuthError, shown, token};
use crate::https::{HttpsClient, encode_form};

/// How long a person is waited for.
const PERSON_TIME_MAX: Duration = Duration::from_secs(900);
/// How long a browser may take for one request.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(10);
/// The longest request that is read, in bytes.
const REQUEST_BYTES_MAX: u64 = 16 * 1024;

const PAGE: &str = "postrider: this page can be closed, the terminal has the outcome.\n";

/// What is special to a provider or a person.
#[derive(Debug, Clone, Default)]
pub struct CodeOptions {
    /// What the authorization endpoint is told besides.
    pub parameters: Vec<(String, String)>,
    /// The name of this machine in the redirect address; an address of the loopback interface if it is empty.
    pub redirect_host: String,
    /// The port to wait on; any if it is 0.
    pub port: u16,
}

/// A browser that is waited for.
#[derive(Debug)]
pub struct CodeRequest {
    /// Where the person's browser is to go.
    pub address: String,
    /// Where it comes back to.
    pub redirect_uri: String,
    listener: TcpListener,
    verifier: Password,
    state: String,
    issuer: Option<String>,
}

/// Opens a port and says where a browser is to go.
///
/// # Errors
/// When the provider has no such way, or no port can be opened.
pub async fn begin_code(
    server: &AuthorizationServer,
    client: &ClientIdentity,
    scope: &str,
    options: &CodeOptions,
) -> Result<CodeRequest, OAuthError> {
    let Some(endpoint) = &server.authorization_endpoint else {
        return Err(OAuthError::NoSuchWay(String::from(
            "no authorization endpoint is known, where a browser could go",
        )));
    };
    // RFC 8252 §8.3: nobody but this machine reaches it.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await;
    let listener = listener.map_err(|error| OAuthError::Loopback(error.to_string()))?;
    let port = listener.local_addr().map_err(|error| OAuthError::Loopback(error.to_string()))?.port();
    let host = if options.redirect_host.is_empty() { "127.0.0.1" } else { &options.redirect_host };
    let redirect_uri = format!("http://{host}:{port}/");
    let (verifier, state) = (random_text()?, random_text()?);
    // RFC 7636 §4.2
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
    let mut fields = vec![
        ("response_type", "code"),
        ("client_id", client.id.as_str()),
        ("redirect_uri", redirect_uri.as_str()),
        ("scope", scope),
        ("state", state.as_str()),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    fields.extend(options.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let endpoint = endpoint.to_string();
    let joint = if endpoint.contains('?') { '&' } else { '?' };
    let address = format!("{endpoint}{joint}{}", encode_form(&fields).as_str());
    let issuer = server.issuer.clone();
    Ok(CodeRequest { address, redirect_uri, listener, verifier: Password::new(verifier), state, issuer })
}

/// 256 random bits in characters that stand in addresses as they are (RFC 7636 §4.1).
fn random_text() -> Result<String, OAuthError> {
    let mut octets = [0u8; 32];
    getrandom::fill(&mut octets).map_err(|error| OAuthError::Loopback(error.to_string()))?;
    Ok(URL_SAFE_NO_PAD.encode(octets))
}

impl CodeRequest {
    /// Waits for the browser to come back, or for somebody who pastes the address where it ended, and gets tokens for the
    /// code that it brings.
    ///
    /// # Errors
    /// When the person does not agree, or nobody comes.
    pub async fn wait(
        self,
        https: &HttpsClient,
        server: &AuthorizationServer,
        client: &ClientIdentity,
        pasted: impl Future<Output = String>,
    ) -> Result<Granted, OAuthError> {
        let arrived = async {
            tokio::select! {
                code = self.listen() => code,
                code = self.take_pasted(pasted) => code,
            }
        };
        let code = timeout(PERSON_TIME_MAX, arrived).await.map_err(|_| OAuthError::TooLate)??;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
            ("redirect_uri", self.redirect_uri.as_str()),
            ("code_verifier", self.verifier.expose()),
        ];
        token::ask(https, server, client, &fields).await
    }

    async fn take_pasted(&self, pasted: impl Future<Output = String>) -> Result<Password, OAuthError> {
        let text = pasted.await;
        let query = text.trim().split_once('?').map_or("", |(_, query)| query);
        match self.judge(query.split('#').next().unwrap_or_default()) {
            Some(outcome) => outcome,
            None => Err(OAuthError::Answer(String::from("the pasted address is not one that answers this request"))),
        }
    }

    async fn listen(&self) -> Result<Password, OAuthError> {
        let (targets, mut arrived) = mpsc::channel::<String>(8);
        loop {
            // Browsers open connections that they then do not use; none of them may hold up the others.
            tokio::select! {
                accepted = self.listener.accept() => {
                    let (stream, _) = accepted.map_err(|error| OAuthError::Loopback(error.to_string()))?;
                    let targets = targets.clone();
                    tokio::spawn(async move {
                        if let Ok(Some(target)) = timeout(REQUEST_TIME_MAX, converse(stream)).await {
                            let _ = targets.send(target).await;
                        }
                    });
                }
                Some(target) = arrived.recv() => {
                    let query = target.split_once('?').map_or("", |(_, query)| query);
                    if let Some(outcome) = self.judge(query) {
                        return outcome;
                    }
                }
            }
        }
    }

    /// What a browser brings back (RFC 6749 §4.1.2); `None` if it does not answer this request.
    fn judge(&self, query: &str) -> Option<Result<Password, OAuthError>> {
        let field = |wanted: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(name, _)| *name == wanted).map(|(_, value)| percent_decode(value))
        };
        // Anybody can lead a browser here; only our own question counts (RFC 8252 §8.9).
        if field("state").as_deref() != Some(self.state.as_str()) {
            return None;
        }
        // RFC 9207 §2.4: the answer of another server.
        if let (Some(expected), Some(issuer)) = (&self.issuer, field("iss"))
            && issuer.trim_end_matches('/') != expected.trim_end_matches('/')
        {
            return Some(Err(OAuthError::Answer(format!("it is by {}", shown(&issuer)))));
        }
        Some(match (field("code"), field("error")) {
            (Some(code), None) if !code.is_empty() => Ok(Password::new(code)),
            (_, Some(error)) if error == "access_denied" => Err(OAuthError::Denied),
            (_, Some(error)) => {
                let description = shown(&field("error_description").unwrap_or_default());
                Err(OAuthError::Refused { code: shown(&error), description })
            }
            _ => Err(OAuthError::Answer(String::from("no code"))),
        })
    }
}

/// Reads a request, answers it, and hands out what it asked for.
async fn converse(mut stream: TcpStream) -> Option<String> {
    let mut request = Vec::new();
    let (reading, mut writing) = stream.split();
    let mut reading = reading.take(REQUEST_BYTES_MAX);
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        if reading.read_buf(&mut request).await.ok()? == 0 {
            return None;
        }
    }
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n{PAGE}",
        PAGE.len()
    );
    let _ = writing.write_all(answer.as_bytes()).await;
    let _ = writing.shutdown().await;
    let text = String::from_utf8(request).ok()?;
    let mut words = text.lines().next()?.split(' ');
    (words.next() == Some("GET")).then(|| words.next().map(str::to_owned)).flatten()
}

/// Undoes the encoding of forms; what is no escape stays as it is.
fn percent_decode(text: &str) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&octet, behind)) = rest.split_first() {
        let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let escaped = match (octet, behind) {
            (b'%', [high, low, ..]) => digit(*high).zip(digit(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                octets.push(high << 4 | low);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                octets.push(if octet == b'+' { b' ' } else { octet });
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    async fn request(issuer: Option<&str>) -> CodeRequest {
        let server = AuthorizationServer {
            issuer: issuer.map(str::to_owned),
            token_endpoint: "https://a.example/token".parse().unwrap(),
            authorization_endpoint: Some("https://a.example/authorize?x=y".parse().unwrap()),
            device_endpoint: None,
        };
        let client = ClientIdentity { id: String::from("me & you"), secret: None };
        begin_code(&server, &client, "mail offline", &CodeOptions::default()).await.unwrap()
    }

    #[tokio::test]
    async fn the_address_carries_a_hash_of_the_verifier_and_not_the_verifier() {
        let request = request(None).await;
        let start = "https://a.example/authorize?x=y&response_type=code&client_id=me%20%26%20you&redirect_uri=http%3A%2F%2F127.0.0.1%3A";
        assert!(request.address.starts_with(start), "{}", request.address);
        assert!(!request.address.contains(request.verifier.expose()));
        assert_eq!(request.verifier.len(), 43);
        assert!(request.address.contains("&scope=mail%20offline&") && request.address.ends_with("_method=S256"));
    }

    #[tokio::test]
    async fn only_an_answer_to_this_request_counts() {
        let request = request(Some("https://a.example")).await;
        let state = &request.state;
        assert!(request.judge("").is_none());
        assert!(request.judge("code=x&state=y").is_none());
        let code = |query: &str| request.judge(query).unwrap().map(|code| code.expose().to_owned());
        assert_eq!(code(&format!("code=a%2Fb+c&state={state}")).unwrap(), "a/b c");
        assert!(code(&format!("code=a&iss=https%3A%2F%2Fa.example%2F&state={state}")).is_ok());
        assert!(matches!(code(&format!("code=a&iss=https://b.example&state={state}")), Err(OAuthError::Answer(_))));
        assert!(matches!(code(&format!("error=access_denied&state={state}")), Err(OAuthError::Denied)));
        assert!(matches!(code(&format!("state={state}&error=x&code=y")), Err(OAuthError::Refused { .. })));
        assert!(matches!(code(&format!("state={state}")), Err(OAuthError::Answer(_))));
    }

    // RFC 7636 appendix B
    #[test]
    fn the_challenge_is_that_of_the_standard() {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(b"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        assert_eq!(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    proptest! {
        #[test]
        fn forms_are_read_as_they_were_written(value in any::<String>()) {
            let form = encode_form(&[("a", &value)]);
            prop_assert_eq!(percent_decode(form.strip_prefix("a=").unwrap()), value);
        }

        #[test]
        fn anything_can_be_decoded(text in "\\PC*") {
            let _ = percent_decode(&text);
        }
    }
}
