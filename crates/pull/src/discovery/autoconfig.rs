//! Configuration files of mail providers (draft-ietf-mailmaint-autoconfig, versions 1.1 and 1.2).
//!
//! What is unknown in one is passed over, what is no XML is refused as a whole, and so is one that declares a document type: no
//! entity is ever looked up. Parts that are too long or too many are left out.

use quick_xml::{
    Reader,
    events::{BytesRef, BytesStart, Event},
};

use super::{Address, Authentication, MailServer, OAuthDetails, Service, Source, Told, address::host_name, shown};
use crate::remote::Security;

/// Bounds on a configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AutoconfigLimits {
    /// The longest file, in bytes.
    pub file_bytes_max: usize,
    /// How deep elements may lie in one another, in elements.
    pub depth_max: usize,
    /// How many servers are looked at.
    pub servers_max: usize,
    /// The longest content of an element that is looked at, in bytes.
    pub text_bytes_max: usize,
}

impl Default for AutoconfigLimits {
    fn default() -> Self {
        Self { file_bytes_max: 256 * 1024, depth_max: 16, servers_max: 32, text_bytes_max: 2048 }
    }
}

/// Why a file says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AutoconfigError {
    /// It is no text, or no XML.
    #[error("it is no XML: {0}")]
    NotXml(String),
    /// It is XML that a configuration file has no use for.
    #[error("it has {0} in it, which is not accepted")]
    Unwanted(&'static str),
    /// It is too large or too deep.
    #[error("it is too large")]
    TooLarge,
    /// It is another kind of file.
    #[error("it is no configuration of mail")]
    NotAConfiguration,
}

/// What a file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Autoconfig {
    display_name: String,
    servers: Vec<Entry>,
    oauth: OAuthDetails,
}

/// One server, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Entry {
    kind: String,
    hostname: String,
    port: String,
    socket_type: String,
    username: String,
    authentication: Vec<String>,
}

/// Reads a file.
///
/// # Errors
/// When it is no configuration, or breaks a bound.
pub fn parse_autoconfig(file: &[u8], limits: &AutoconfigLimits) -> Result<Autoconfig, AutoconfigError> {
    if file.len() > limits.file_bytes_max {
        return Err(AutoconfigError::TooLarge);
    }
    let text = std::str::from_utf8(file).map_err(|_| AutoconfigError::NotXml(String::from("it is not in UTF-8")))?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    reader.config_mut().expand_empty_elements = true;
    let mut gathering = Gathering {
        limits,
        path: Vec::new(),
        text: String::new(),
        config: Autoconfig::default(),
        entry: None,
        is_ours: false,
    };
    loop {
        match reader.read_event().map_err(|error| AutoconfigError::NotXml(shown(&error.to_string())))? {
            Event::Start(element) => gathering.begin(&element)?,
            Event::End(_) => gathering.end(),
            Event::Text(text) => gathering.push(&text.xml10_content()),
            Event::CData(text) => gathering.push(&text.xml10_content()),
            Event::GeneralRef(reference) => gathering.push_reference(&reference)?,
            Event::DocType(_) => return Err(AutoconfigError::Unwanted("a document type")),
            Event::Eof => break,
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
    if !gathering.path.is_empty() {
        return Err(AutoconfigError::NotXml(String::from("it ends too early")));
    }
    if gathering.is_ours { Ok(gathering.config) } else { Err(AutoconfigError::NotAConfiguration) }
}

/// What has been read so far.
struct Gathering<'a> {
    limits: &'a AutoconfigLimits,
    /// The names of the elements that are open.
    path: Vec<String>,
    /// The content of the innermost one.
    text: String,
    config: Autoconfig,
    entry: Option<Entry>,
    is_ours: bool,
}

impl Gathering<'_> {
    fn begin(&mut self, element: &BytesStart<'_>) -> Result<(), AutoconfigError> {
        if self.path.len() >= self.limits.depth_max {
            return Err(AutoconfigError::TooLarge);
        }
        let name = element.name().0.to_owned();
        if self.path.is_empty() {
            self.is_ours = name == "clientConfig";
        }
        if self.path.len() == 2 && matches!(name.as_str(), "incomingServer" | "outgoingServer") {
            let kind = element.try_get_attribute("type");
            let kind = kind.map_err(|error| AutoconfigError::NotXml(shown(&error.to_string())))?;
            let kind = kind.map(|kind| kind.value.into_owned()).unwrap_or_default();
            self.entry = Some(Entry { kind, ..Entry::default() });
        }
        self.path.push(name);
        self.text.clear();
        Ok(())
    }

    fn push(&mut self, text: &str) {
        // What is too long is of no use, and must not look like something else.
        if self.text.len() <= self.limits.text_bytes_max {
            self.text.push_str(text);
        }
    }

    fn push_reference(&mut self, reference: &BytesRef<'_>) -> Result<(), AutoconfigError> {
        let unknown = AutoconfigError::Unwanted("an entity that XML itself does not define");
        let referred = match reference.resolve_char_ref() {
            Ok(Some(character)) => character,
            Ok(None) => match &**reference {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                "apos" => '\'',
                _ => return Err(unknown),
            },
            Err(_) => return Err(unknown),
        };
        self.push(referred.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    fn end(&mut self) {
        let text = std::mem::take(&mut self.text);
        let text = if text.len() > self.limits.text_bytes_max { String::new() } else { text.trim().to_owned() };
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        match (path.as_slice(), &mut self.entry) {
            (["clientConfig", "emailProvider", "displayName"], _) => keep(&mut self.config.display_name, text),
            (["clientConfig", "emailProvider", _, field], Some(entry)) => entry.set(field, text),
            (["clientConfig", "emailProvider", "incomingServer" | "outgoingServer"], _) => {
                let entry = self.entry.take();
                if self.config.servers.len() < self.limits.servers_max {
                    self.config.servers.extend(entry);
                }
            }
            (["clientConfig", "oAuth2", field], _) => set_oauth(&mut self.config.oauth, field, text),
            _ => {}
        }
        self.path.pop();
    }
}

impl Entry {
    fn set(&mut self, field: &str, text: String) {
        match field {
            "hostname" => keep(&mut self.hostname, text),
            "port" => keep(&mut self.port, text),
            "socketType" => keep(&mut self.socket_type, text),
            "username" => keep(&mut self.username, text),
            "authentication" if self.authentication.len() < 8 => self.authentication.push(text),
            _ => {}
        }
    }

    /// The server, if it is complete, of a kind that is known, and speaks TLS.
    fn server(&self, address: &Address, source: Source) -> Option<MailServer> {
        let service = match self.kind.to_ascii_lowercase().as_str() {
            "imap" => Service::Imap,
            "pop3" => Service::Pop3,
            "smtp" => Service::Submission,
            _ => return None,
        };
        let security = match self.socket_type.to_ascii_uppercase().as_str() {
            "SSL" | "TLS" => Security::Tls,
            "STARTTLS" => Security::StartTls,
            _ => return None,
        };
        let port = self.port.parse().ok().filter(|port| *port != 0)?;
        let host = host_name(&replaced(&self.hostname, address))?;
        let user = replaced(&self.username, address);
        let user = if user.is_empty() { address.to_string() } else { user };
        let authentication: Vec<_> = self.authentication.iter().map(|way| authentication(way)).collect();
        (!user.chars().any(char::is_control)).then_some(MailServer {
            service,
            host,
            port,
            security,
            user,
            authentication,
            source,
        })
    }
}

/// The first one counts.
fn keep(into: &mut String, text: String) {
    if into.is_empty() {
        *into = text;
    }
}

fn set_oauth(oauth: &mut OAuthDetails, field: &str, text: String) {
    let into = match field {
        "issuer" => &mut oauth.issuer,
        "authURL" => &mut oauth.authorization_endpoint,
        "tokenURL" => &mut oauth.token_endpoint,
        "scope" => &mut oauth.scope,
        "clientID" => &mut oauth.client_id,
        _ => return,
    };
    if into.is_none() && !text.is_empty() && !text.chars().any(char::is_control) {
        *into = Some(text);
    }
}

/// `authentication` of the draft, and the words that older files have; names of SASL mechanisms count as well.
fn authentication(way: &str) -> Authentication {
    match way {
        "password-cleartext" | "plain" | "password-encrypted" | "secure" | "PLAIN" | "LOGIN" => {
            Authentication::Password
        }
        "OAuth2" | "OAuth" | "OAUTHBEARER" | "XOAUTH2" => Authentication::OAuth2,
        scram if scram.starts_with("SCRAM-SHA-256") => Authentication::Password,
        other => Authentication::Other(shown(other)),
    }
}

/// Fills the placeholders in; what looks like one in the address itself stays as it is.
fn replaced(text: &str, address: &Address) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('%') {
        replaced.push_str(before);
        let known = behind.split_once('%').and_then(|(name, behind)| match name {
            "EMAILADDRESS" => Some((address.to_string(), behind)),
            "EMAILLOCALPART" => Some((address.local().to_owned(), behind)),
            "EMAILDOMAIN" => Some((address.domain().to_owned(), behind)),
            _ => None,
        });
        match known {
            Some((value, behind)) => {
                replaced.push_str(&value);
                rest = behind;
            }
            None => {
                replaced.push('%');
                rest = behind;
            }
        }
    }
    replaced.push_str(rest);
    replaced
}

impl Autoconfig {
    /// What it says for an address.
    pub(super) fn told(&self, address: &Address, source: Source) -> Told {
        let oauth = (self.oauth != OAuthDetails::default()).then(|| self.oauth.clone());
        let provider = (!self.display_name.is_empty()).then(|| shown(&self.display_name));
        Told { provider, servers: self.servers(address, source), oauth }
    }

    /// The servers with TLS that it names for an address, in its order.
    pub fn servers(&self, address: &Address, source: Source) -> Vec<MailServer> {
        self.servers.iter().filter_map(|entry| entry.server(address, source)).collect()
    }
}

#[cfg(test)]
mod tests;
