//! A server for tests: it answers requests over TLS with a certificate of its own authority, and keeps what it was asked.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::HttpsOptions;
use crate::connect::Trust;

/// A request as it came: its first line, and its body.
pub(crate) type Asked = (String, String);

/// What is answered: a status line's rest, header fields, and a body.
pub(crate) type Answer = (&'static str, String, String);

pub(crate) struct Stub {
    pub(crate) address: SocketAddr,
    pub(crate) authority: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// An acceptor with a fresh certificate for these names, and that certificate in PEM.
pub(crate) fn acceptor(names: &[&str]) -> (TlsAcceptor, String) {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let certificate: CertificateDer<'static> = made.cert.der().clone();
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = builder.with_single_cert(vec![certificate], key).unwrap();
    (TlsAcceptor::from(Arc::new(config)), made.cert.pem())
}

impl Stub {
    /// Answers with what the function says for host, request line and body.
    pub(crate) async fn start(
        names: &[&str],
        answer: impl Fn(&str, &str, &str) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let (acceptor, authority) = acceptor(names);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (keeper, answer) = (Arc::clone(&asked), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, keeper, answer) = (acceptor.clone(), Arc::clone(&keeper), Arc::clone(&answer));
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let Some((host, line, body)) = read_request(&mut stream).await else { return };
                    keeper.lock().unwrap().push((line.clone(), body.clone()));
                    let (status, fields, body) = answer(&host, &line, &body);
                    let length = body.len();
                    let head =
                        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{fields}\r\n");
                    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self { address, authority, asked }
    }

    /// Options under which these names lead here and its certificate is believed.
    pub(crate) fn options(&self, names: &[&str]) -> HttpsOptions {
        let places = names.iter().map(|name| (name.to_string(), self.address)).collect::<BTreeMap<_, _>>();
        let mut options = HttpsOptions { places, ..HttpsOptions::default() };
        let pem = self.authority.clone().into_bytes();
        options.connect.trust = Trust::Authorities { path: PathBuf::from("test"), pem };
        options
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn read_request(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Option<(String, String, String)> {
    let mut octets = Vec::new();
    loop {
        if let Some(end) = octets.windows(4).position(|end| end == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&octets[..end]).into_owned();
            let field = |name: &str| {
                head.lines().find_map(|line| {
                    let (found, value) = line.split_once(':')?;
                    found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
                })
            };
            let length: usize = field("content-length").map_or(0, |length| length.parse().unwrap());
            if octets.len() >= end + 4 + length {
                let body = String::from_utf8_lossy(&octets[end + 4..]).into_owned();
                return Some((field("host")?, head.lines().next()?.to_owned(), body));
            }
        }
        if stream.read_buf(&mut octets).await.ok()? == 0 {
            return None;
        }
    }
}
