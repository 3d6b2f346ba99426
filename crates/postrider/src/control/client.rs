//! The command line's side: one request, through the socket or straight to the handlers.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, anyhow, bail};
use axum::{Router, body::Body};
use http_body_util::BodyExt;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Bytes,
    client::conn::http1,
    header::{CONTENT_TYPE, HOST},
    service::Service,
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use postrider_net::connect_local;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{Instant, sleep};

use super::{
    api::Failure,
    job::Event,
    server::{Administration, router},
};
use crate::{
    advice::{Advise, with_hint},
    backup::Safe,
    config::Config,
    pull::PullBoard,
    storage::{Storage, is_in_use},
    turns::Turns,
};

/// How long another process, such as a server that is just starting, is waited for.
const WAIT_MAX: Duration = Duration::from_secs(3);
/// How often it is tried.
const WAIT_STEP: Duration = Duration::from_millis(50);

/// The name of the control socket within the data folder.
pub const SOCKET: &str = "control.sock";

/// The way to the accounts and the mail.
pub enum Control {
    /// Through the socket of a running server.
    Server(http1::SendRequest<Body>),
    /// By the same handlers in this process, which holds the data.
    Here(Box<TowerToHyperService<Router>>),
}

impl Control {
    /// Asks the running server, or opens the data if none runs.
    pub async fn open(config: &Config) -> Result<Self> {
        let socket = config.data().join(SOCKET);
        let deadline = Instant::now() + WAIT_MAX;
        loop {
            if let Some(control) = Self::connect(&socket).await {
                return Ok(control);
            }
            match Storage::open(config).await {
                Ok(storage) => {
                    let router = router(Administration {
                        storage,
                        server: None,
                        turns: Turns::default(),
                        pulls: PullBoard::default(),
                        safe: Safe::new(config),
                    });
                    return Ok(Self::Here(Box::new(TowerToHyperService::new(router))));
                }
                // Its owner may be about to listen, or about to leave.
                Err(error) if is_in_use(&error) && Instant::now() < deadline => sleep(WAIT_STEP).await,
                Err(error) if is_in_use(&error) => {
                    let socket = socket.display();
                    return Err(error)
                        .advise(format!("that process does not answer on {socket}; end it and try again"));
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn connect(socket: &Path) -> Option<Self> {
        let stream = connect_local(socket).await.ok()?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("control socket: {error}");
            }
        });
        Some(Self::Server(sender))
    }

    /// Reads.
    pub async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T> {
        self.ask(Method::GET, path, Body::empty()).await
    }

    /// Does something that answers.
    pub async fn post<T: DeserializeOwned>(&mut self, path: &str, body: &impl Serialize) -> Result<T> {
        self.ask(Method::POST, path, json(body)?).await
    }

    /// Does something that has no more to say than that it is done.
    pub async fn order(&mut self, method: Method, path: &str, body: &impl Serialize) -> Result<()> {
        self.send(method, path, json(body)?).await.map(drop)
    }

    /// Does long work; `told` gets the events before its outcome. Ctrl-C ends it, with an error that says whether the same
    /// command goes on.
    pub async fn run<T: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &impl Serialize,
        told: impl FnMut(&Event<serde_json::Value>),
    ) -> Result<T> {
        let stopped = stopped(path, &serde_json::to_value(body).context("cannot ask")?);
        let request = request(Method::POST, path, json(body)?)?;
        let work = async {
            match self {
                Self::Server(sender) => {
                    let response = send_through(sender, request).await?;
                    follow(response, told).await
                }
                Self::Here(service) => {
                    let Ok(response) = service.call(request).await;
                    follow(response, told).await
                }
            }
        };
        tokio::select! {
            done = work => done,
            pressed = tokio::signal::ctrl_c() => {
                pressed.context("cannot wait for Ctrl-C")?;
                Err(stopped)
            }
        }
    }

    async fn ask<T: DeserializeOwned>(&mut self, method: Method, path: &str, body: Body) -> Result<T> {
        let bytes = self.send(method, path, body).await?;
        serde_json::from_slice(&bytes).context("the server's answer cannot be understood")
    }

    async fn send(&mut self, method: Method, path: &str, body: Body) -> Result<Bytes> {
        let request = request(method, path, body)?;
        match self {
            Self::Server(sender) => {
                let response = send_through(sender, request).await?;
                let (parts, body) = response.into_parts();
                let bytes = body.collect().await.map_err(broke_off)?.to_bytes();
                outcome(&Response::from_parts(parts, bytes))
            }
            Self::Here(service) => {
                let Ok(response) = service.call(request).await;
                let (parts, body) = response.into_parts();
                let bytes = body.collect().await.context("the answer broke off")?.to_bytes();
                outcome(&Response::from_parts(parts, bytes))
            }
        }
    }
}

/// Sends a request; behind another one, the connection takes a moment until it can take it.
async fn send_through(
    sender: &mut http1::SendRequest<Body>,
    request: Request<Body>,
) -> Result<Response<hyper::body::Incoming>> {
    sender.ready().await.map_err(broke_off)?;
    sender.send_request(request).await.map_err(broke_off)
}

fn request(method: Method, path: &str, body: Body) -> Result<Request<Body>> {
    let request = Request::builder().method(method).uri(path).header(HOST, "localhost");
    request.header(CONTENT_TYPE, "application/json").body(body).context("cannot ask")
}

/// Reads events up to the last one.
async fn follow<T: DeserializeOwned, B>(
    response: Response<B>,
    mut told: impl FnMut(&Event<serde_json::Value>),
) -> Result<T>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let (parts, mut body) = response.into_parts();
    if !parts.status.is_success() {
        let bytes = body.collect().await.map_err(broke_off)?.to_bytes();
        outcome(&Response::from_parts(parts, bytes))?;
        bail!("the server's answer cannot be understood");
    }
    let mut unread: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        // A report may be a line of megabytes: what was looked through is not looked through again.
        let mut from = unread.len();
        unread.extend_from_slice(frame.map_err(broke_off)?.data_ref().map_or(&[][..], |data| data));
        while let Some(end) = unread.iter().skip(from).position(|octet| *octet == b'\n') {
            let line: Vec<u8> = unread.drain(..=from + end).collect();
            from = 0;
            match serde_json::from_slice(&line).context("the server's answer cannot be understood")? {
                Event::Done(done) => {
                    return serde_json::from_value(done).context("the server's answer cannot be understood");
                }
                Event::Failed(failure) => return Err(failed(failure)),
                event => told(&event),
            }
        }
    }
    Err(broke_off(UNFINISHED))
}

/// Long work that was ended by Ctrl-C.
#[derive(Debug)]
pub struct Stopped(&'static str);

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Stopped {}

/// What is said when the person stopped the work at `path`.
fn stopped(path: &str, body: &serde_json::Value) -> anyhow::Error {
    const GO_ON: &str = "give the same command again: it goes on where this one stopped";
    const ANEW: &str = "the same command given again begins anew";
    let changes_nothing = body.get("dry_run").is_some_and(|dry_run| dry_run == true);
    let (message, hint) = match path {
        _ if changes_nothing => ("stopped; nothing was changed", ANEW),
        "/v1/import" => ("stopped; what was imported so far is there", GO_ON),
        "/v1/export" if body.get("pack").is_some_and(|pack| pack == "zip") => ("stopped; nothing was kept", ANEW),
        "/v1/export" => ("stopped; what was written so far is kept", GO_ON),
        "/v1/pull" => ("stopped; what was fetched so far is here", GO_ON),
        "/v1/backup/run" => ("stopped; what was written so far is kept, but is no backup yet", GO_ON),
        "/v1/backup/restore" => ("stopped; what was restored so far is there", GO_ON),
        "/v1/check" | "/v1/backup/verify" => ("stopped; nothing was found out", ANEW),
        _ => ("stopped before it was done", "give the same command again to have it done"),
    };
    with_hint(Stopped(message).into(), hint)
}

/// What is said of a connection that ended within an answer.
const UNFINISHED: &str = "no more came";

/// The connection to the server ended; how, says nothing to people.
fn broke_off(cause: impl std::fmt::Display) -> anyhow::Error {
    tracing::debug!("control socket: {cause}");
    let hint = "the server ended meanwhile; its log says why. Start it, and give the same command again";
    with_hint(anyhow!("the server broke off before it was done"), hint)
}

fn failed(failure: Failure) -> anyhow::Error {
    let error = anyhow!(failure.error);
    match failure.hint {
        Some(hint) => with_hint(error, hint),
        None => error,
    }
}

fn outcome(response: &Response<Bytes>) -> Result<Bytes> {
    if response.status().is_success() {
        return Ok(response.body().clone());
    }
    match serde_json::from_slice::<Failure>(response.body()) {
        Ok(failure) => Err(failed(failure)),
        Err(_) if response.status() == StatusCode::NOT_FOUND => bail!("the server does not know this request"),
        Err(_) => bail!("the server answered {}", response.status()),
    }
}

fn json(body: &impl Serialize) -> Result<Body> {
    Ok(Body::from(serde_json::to_vec(body).context("cannot ask")?))
}

/// A piece of a path, with everything but letters, digits and a few signs escaped (RFC 3986 §2.3).
pub fn segment(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'@' => {
                escaped.push(char::from(byte))
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::advice;

    #[test]
    fn a_path_segment_holds_any_text() {
        assert_eq!(segment("a b/c@example.org"), "a%20b%2Fc@example.org");
        assert_eq!(segment("ä"), "%C3%A4");
    }

    #[test]
    fn failures_keep_their_hint() {
        let response = Response::builder().status(404).body(Bytes::from(r#"{"error":"no","hint":"look"}"#)).unwrap();
        let error = outcome(&response).unwrap_err();
        assert_eq!((error.to_string().as_str(), advice::hint(&error)), ("no", Some("look")));
        let silent = Response::builder().status(500).body(Bytes::new()).unwrap();
        assert!(outcome(&silent).unwrap_err().to_string().contains("500"));
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_says_what_to_do() {
        let line = "{\"note\":\"found: a file\"}\n{\"prog";
        let mut told = 0;
        let response = Response::new(Body::from(line));
        let error = follow::<(), _>(response, |_| told += 1).await.unwrap_err();
        assert_eq!(told, 1);
        assert_eq!(advice::one_line(&error), "the server broke off before it was done");
        assert!(advice::hint(&error).unwrap().contains("its log says why. Start it"));
    }

    #[test]
    fn work_that_was_stopped_says_whether_the_same_command_goes_on() {
        let cases = [
            ("/v1/import", json!({"dry_run": false}), "give the same command again: it goes on where this one stopped"),
            ("/v1/import", json!({"dry_run": true}), "the same command given again begins anew"),
            ("/v1/export", json!({"pack": "folder"}), "give the same command again: it goes on where this one stopped"),
            ("/v1/export", json!({"pack": "zip"}), "the same command given again begins anew"),
            ("/v1/backup/run", json!({}), "give the same command again: it goes on where this one stopped"),
            ("/v1/check", json!({}), "the same command given again begins anew"),
            ("/v1/undelete", json!({}), "give the same command again to have it done"),
        ];
        for (path, body, hint) in cases {
            let error = stopped(path, &body);
            assert!(error.is::<Stopped>() && advice::one_line(&error).starts_with("stopped"), "{path}");
            assert_eq!(advice::hint(&error), Some(hint), "{path} {body}");
        }
    }
}
