use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, pem::PemObject},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::error::CertificateProblem;

struct Server {
    pem: Vec<u8>,
    acceptor: TlsAcceptor,
}

/// A server with a certificate of its own for `mail.example.org`; marked as an authority or not.
fn server(is_authority: bool) -> Server {
    let mut parameters = rcgen::CertificateParams::new(vec![String::from("mail.example.org")]).unwrap();
    if is_authority {
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    }
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    let secret = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], secret)
        .unwrap();
    Server { pem: certificate.pem().into_bytes(), acceptor: TlsAcceptor::from(Arc::new(config)) }
}

async fn handshake(server: &Server, host: &str, trust: Trust) -> Result<Connection, PullError> {
    let (near, far) = duplex(64 * 1024);
    let acceptor = server.acceptor.clone();
    tokio::spawn(async move {
        if let Ok(mut stream) = acceptor.accept(far).await {
            let _ = stream.write_all(b"+OK\r\n").await;
            let _ = stream.flush().await;
            let _ = stream.read(&mut [0; 1]).await;
        }
    });
    let remote: Remote = format!("pop3s://alice@{host}").parse().unwrap();
    let options = ConnectOptions { trust, ..ConnectOptions::default() };
    Connection::over(near, options.silence_time_max).start_tls(&remote, &options).await
}

fn file(server: &Server) -> Trust {
    Trust::Authorities { path: "ca.pem".into(), pem: server.pem.clone() }
}

#[tokio::test]
async fn a_certificate_in_the_given_file_is_believed() {
    for is_authority in [false, true] {
        let server = server(is_authority);
        let mut connection = handshake(&server, "mail.example.org", file(&server)).await.unwrap();
        let mut greeting = [0; 5];
        connection.read_exact(&mut greeting).await.unwrap();
        assert_eq!(&greeting, b"+OK\r\n");
        assert!(connection.is_encrypted());
        assert!(matches!(connection.channel_binding(), ChannelBinding::TlsExporter(_)));
    }
}

#[tokio::test]
async fn a_refused_certificate_is_told_with_a_fingerprint_that_can_be_pinned() {
    let (ours, other) = (server(false), server(false));
    let wrong = [("mail.example.org", file(&other)), ("pop.example.org", file(&ours))];
    let problems = [CertificateProblem::UnknownAuthority, CertificateProblem::WrongName];
    for ((host, trust), expected) in wrong.into_iter().zip(problems) {
        let error = handshake(&ours, host, trust).await.unwrap_err();
        let PullError::Certificate { problem, fingerprint, .. } = &error else { panic!("{error}") };
        assert_eq!(*problem, expected);
        assert!(error.hint().unwrap().contains(&fingerprint.to_string()));
        assert!(handshake(&ours, host, Trust::Pinned(*fingerprint)).await.is_ok());
        let error = handshake(&other, host, Trust::Pinned(*fingerprint)).await.unwrap_err();
        assert!(matches!(error, PullError::Certificate { problem: CertificateProblem::NotPinned, .. }), "{error}");
    }
}

#[tokio::test]
async fn what_is_no_tls_is_told_as_such() {
    let (near, mut far) = duplex(1024);
    far.write_all(b"+OK POP3 ready, and no TLS here\r\n").await.unwrap();
    let remote: Remote = "pop3s://alice@mail.example.org".parse().unwrap();
    let options = ConnectOptions { trust: Trust::Pinned(Fingerprint([0; 32])), ..ConnectOptions::default() };
    let error = Connection::over(near, options.silence_time_max).start_tls(&remote, &options).await.unwrap_err();
    assert!(matches!(error, PullError::Tls { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn silence_ends_a_connection() {
    let (near, _far) = duplex(16);
    let mut connection = Connection::over(near, Duration::from_secs(5));
    let error = PullError::from(connection.read_u8().await.unwrap_err());
    assert!(matches!(error, PullError::Silence { after } if after == Duration::from_secs(5)), "{error}");
    let error = PullError::from(connection.write_all(&[0; 100]).await.unwrap_err());
    assert!(matches!(error, PullError::Silence { .. }), "{error}");
}

#[tokio::test]
async fn who_cannot_be_reached_is_told_apart() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let options = ConnectOptions::default();
    let remote: Remote = format!("pop3s://alice@127.0.0.1:{port}").parse().unwrap();
    let error = connect(&remote, &options).await.unwrap_err();
    assert!(matches!(error, PullError::Refused { .. }), "{error}");
    let remote: Remote = "pop3s://alice@does-not-exist.invalid".parse().unwrap();
    let error = connect(&remote, &options).await.unwrap_err();
    assert!(matches!(error, PullError::NameNotFound { .. }), "{error}");
    assert!(error.hint().is_some());
}
