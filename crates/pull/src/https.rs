//! A small HTTPS client: for tokens and for configuration files of mail providers.
//!
//! It opens a connection for each request, over the same TLS as mail is fetched, and gives up on what is too long or too slow.
//! Answers to GET may lead elsewhere a few times, but only to another `https` address; a form with secrets in it is
//! sent nowhere but where it was meant to go. It knows no proxies, no cookies, no compression and no `http`.

use std::{collections::BTreeMap, fmt, net::SocketAddr, str::FromStr, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{
    Method, Request, Response, Uri,
    body::Incoming,
    client::conn::http1,
    header::{ACCEPT, CONTENT_TYPE, HOST, HeaderValue, LOCATION, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::{
    connect::{ConnectOptions, connect_tls},
    counted::counted,
    error::PullError,
};

/// How requests are made, and their bounds.
#[derive(Debug, Clone)]
pub struct HttpsOptions {
    /// How connections are made, and whose certificates are believed.
    pub connect: ConnectOptions,
    /// How long a request may take, all its redirects included.
    pub request_time_max: Duration,
    /// The longest body of an answer, in bytes.
    pub body_bytes_max: usize,
    /// How often an answer to GET may lead elsewhere, in answers.
    pub redirects_max: usize,
    /// Where names lead, whatever DNS says. Certificates must be for the name all the same.
    pub places: BTreeMap<String, SocketAddr>,
}

impl Default for HttpsOptions {
    fn default() -> Self {
        Self {
            connect: ConnectOptions { connect_time_max: Duration::from_secs(15), ..ConnectOptions::default() },
            request_time_max: Duration::from_secs(30),
            body_bytes_max: 256 * 1024,
            redirects_max: 3,
            places: BTreeMap::new(),
        }
    }
}

/// An address that begins with `https://`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpsUrl(Uri);

/// Why a request brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum HttpsError {
    /// The text is no address of this kind.
    #[error("{0:?} is no https:// address")]
    NotHttps(String),
    /// No connection came about.
    #[error("{host} cannot be reached")]
    Connect {
        /// The server.
        host: String,
        /// Why not.
        #[source]
        source: Box<PullError>,
    },
    /// The request or its answer broke off.
    #[error("the request to {host} failed: {reason}")]
    Request {
        /// The server.
        host: String,
        /// Why.
        reason: String,
    },
    /// It took too long.
    #[error("{host} took longer than {}", counted(.after.as_secs(), "second"))]
    Timeout {
        /// The server.
        host: String,
        /// How long was waited.
        after: Duration,
    },
    /// The answer is too long.
    #[error("{host} sent more than {bytes_max} bytes")]
    TooLong {
        /// The server.
        host: String,
        /// What is accepted.
        bytes_max: usize,
    },
    /// An answer led where we do not go.
    #[error("{host} leads elsewhere once too often, or to what is no https:// address")]
    Redirect {
        /// The server.
        host: String,
    },
}

/// An answer, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpsResponse {
    /// The status, as in 200.
    pub status: u16,
    /// The media type without its parameters, in small letters.
    pub media_type: String,
    /// The body.
    pub body: Vec<u8>,
}

impl HttpsUrl {
    /// The name or address of the server.
    pub fn host(&self) -> &str {
        self.0.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
    }

    fn port(&self) -> u16 {
        self.0.port_u16().unwrap_or(443)
    }

    fn target(&self) -> &str {
        self.0.path_and_query().map_or("/", |target| target.as_str())
    }

    /// Where an answer from here leads.
    fn join(&self, location: &str) -> Option<Self> {
        if location.starts_with('/') && !location.starts_with("//") {
            let authority = self.0.authority()?;
            return format!("https://{authority}{location}").parse().ok();
        }
        location.parse().ok()
    }
}

impl FromStr for HttpsUrl {
    type Err = HttpsError;

    fn from_str(text: &str) -> Result<Self, HttpsError> {
        let wrong = || HttpsError::NotHttps(text.chars().take(200).collect());
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let is_https = uri.scheme_str() == Some("https");
        let authority = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
        // Who writes a name before an @ wants the address to look like another.
        if !is_https || uri.host().is_none_or(str::is_empty) || authority.contains('@') {
            return Err(wrong());
        }
        Ok(Self(uri))
    }
}

impl fmt::Display for HttpsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Makes requests.
#[derive(Debug, Clone, Default)]
pub struct HttpsClient {
    options: HttpsOptions,
}

impl HttpsClient {
    /// A client with these options.
    pub fn new(options: HttpsOptions) -> Self {
        Self { options }
    }

    /// Fetches what is there, or where it leads to.
    ///
    /// # Errors
    /// When there is no answer within the bounds.
    pub async fn get(&self, url: &HttpsUrl, accept: &'static str) -> Result<HttpsResponse, HttpsError> {
        let work = async {
            let mut url = url.clone();
            for _ in 0..=self.options.redirects_max {
                let request = self.request(&url, Method::GET, accept)?;
                let response = self.send(&url, request.map(|()| Full::default())).await?;
                if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                    return self.read(&url, response).await;
                }
                let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
                let next = location.and_then(|location| url.join(location));
                url = next.ok_or_else(|| HttpsError::Redirect { host: url.host().to_owned() })?;
            }
            Err(HttpsError::Redirect { host: url.host().to_owned() })
        };
        self.in_time(url, work).await
    }

    /// Sends a form, and follows no redirects: what is in it is for this address only.
    ///
    /// # Errors
    /// When there is no answer within the bounds.
    pub async fn post_form(&self, url: &HttpsUrl, fields: &[(&str, &str)]) -> Result<HttpsResponse, HttpsError> {
        let form = encode_form(fields);
        let work = async {
            let mut request = self.request(url, Method::POST, "application/json")?;
            let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
            request.headers_mut().insert(CONTENT_TYPE, form_type);
            let body = Full::new(Bytes::copy_from_slice(form.as_bytes()));
            let response = self.send(url, request.map(|()| body)).await?;
            self.read(url, response).await
        };
        self.in_time(url, work).await
    }

    async fn in_time<T>(
        &self,
        url: &HttpsUrl,
        work: impl Future<Output = Result<T, HttpsError>>,
    ) -> Result<T, HttpsError> {
        let after = self.options.request_time_max;
        match timeout(after, work).await {
            Ok(outcome) => outcome,
            Err(_) => Err(HttpsError::Timeout { host: url.host().to_owned(), after }),
        }
    }

    fn request(&self, url: &HttpsUrl, method: Method, accept: &'static str) -> Result<Request<()>, HttpsError> {
        let authority = url.0.authority().map_or("", |authority| authority.as_str());
        let request = Request::builder().method(method).uri(url.target()).header(HOST, authority);
        let request = request.header(ACCEPT, accept);
        let request = request.header(USER_AGENT, concat!("postrider/", env!("CARGO_PKG_VERSION")));
        request.body(()).map_err(|error| failed(url, &error))
    }

    async fn send(&self, url: &HttpsUrl, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, HttpsError> {
        let host = url.host().to_owned();
        let place = self.options.places.get(&host).copied();
        let connection = connect_tls(&host, url.port(), place, &self.options.connect).await;
        let connection = connection.map_err(|source| HttpsError::Connect { host, source: Box::new(source) })?;
        let (mut sender, driver) =
            http1::handshake(TokioIo::new(connection)).await.map_err(|error| failed(url, &error))?;
        // It ends with the answer's body, or when nobody waits for that any more.
        tokio::spawn(driver);
        sender.send_request(request).await.map_err(|error| failed(url, &error))
    }

    async fn read(&self, url: &HttpsUrl, response: Response<Incoming>) -> Result<HttpsResponse, HttpsError> {
        let status = response.status().as_u16();
        let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = media_type.and_then(|value| value.split(';').next()).unwrap_or_default();
        let media_type = media_type.trim().to_ascii_lowercase();
        let bytes_max = self.options.body_bytes_max;
        match Limited::new(response.into_body(), bytes_max).collect().await {
            Ok(body) => Ok(HttpsResponse { status, media_type, body: body.to_bytes().to_vec() }),
            Err(error) if error.is::<LengthLimitError>() => {
                Err(HttpsError::TooLong { host: url.host().to_owned(), bytes_max })
            }
            Err(error) => Err(failed(url, error.as_ref())),
        }
    }
}

fn failed(url: &HttpsUrl, error: &(dyn std::error::Error + 'static)) -> HttpsError {
    HttpsError::Request { host: url.host().to_owned(), reason: error.to_string() }
}

/// `application/x-www-form-urlencoded`; the text may hold secrets.
pub(crate) fn encode_form(fields: &[(&str, &str)]) -> Zeroizing<String> {
    let mut form = Zeroizing::new(String::new());
    for (name, value) in fields {
        if !form.is_empty() {
            form.push('&');
        }
        percent_encode(name, &mut form);
        form.push('=');
        percent_encode(value, &mut form);
    }
    form
}

/// Escapes all but RFC 3986 §2.3's unreserved characters, a space as well: forms read `%20` as they read `+`.
fn percent_encode(text: &str, into: &mut String) {
    for octet in text.bytes() {
        match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => into.push(char::from(octet)),
            _ => into.push_str(&format!("%{octet:02X}")),
        }
    }
}

#[cfg(test)]
pub(crate) mod stub;
#[cfg(test)]
mod tests;
