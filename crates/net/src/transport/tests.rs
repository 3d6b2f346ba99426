use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Buf;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{
    io::{DuplexStream, duplex},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client};

use super::*;
use crate::{ApplicationProtocol, TlsSettings, create_self_signed};

fn peer() -> Peer {
    Peer { remote: "192.0.2.1:4000".parse().unwrap(), local: "192.0.2.2:143".parse().unwrap() }
}

fn pair() -> (DuplexStream, Transport<DuplexStream>) {
    let (client, server) = duplex(1024 * 1024);
    (client, Transport::plain(server, peer(), Timeouts::default()))
}

fn acceptor(protocol: ApplicationProtocol) -> (tempfile::TempDir, TlsAcceptor) {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    create_self_signed(&certificate, &key, &[]).unwrap();
    let settings = TlsSettings::load(&certificate, &key).unwrap();
    (folder, settings.acceptor(protocol))
}

/// Trusts any certificate: the tests ask what is inside TLS, not who answers.
#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

fn connector(version: &'static rustls::SupportedProtocolVersion, protocols: &[&str]) -> TlsConnector {
    let mut configuration = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate))
        .with_no_client_auth();
    configuration.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsConnector::from(Arc::new(configuration))
}

fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

/// The server's end of a handshake, when it is over.
async fn accepted<S: Stream>(stream: S, acceptor: &TlsAcceptor) -> io::Result<Transport<S>> {
    let mut transport = Transport::tls(stream, peer(), Timeouts::default(), acceptor).await?;
    transport.finish_handshake().await?;
    Ok(transport)
}

/// The client's and the server's end of a handshake.
async fn handshake(
    version: &'static rustls::SupportedProtocolVersion,
    named: &[&str],
    protocol: ApplicationProtocol,
) -> (io::Result<client::TlsStream<DuplexStream>>, io::Result<Transport<DuplexStream>>) {
    let (_folder, acceptor) = acceptor(protocol);
    let (client, server) = duplex(64 * 1024);
    let connector = connector(version, named);
    tokio::join!(connector.connect(localhost(), client), accepted(server, &acceptor))
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn what_arrives_is_appended_to_what_was_not_consumed() {
    let (mut client, mut transport) = pair();
    client.write_all(b"a1 NO").await.unwrap();
    assert_eq!(transport.fill(LONG).await.unwrap(), 5);
    transport.input().advance(3);
    client.write_all(b"OP\r\n").await.unwrap();
    assert_eq!(transport.fill(LONG).await.unwrap(), 4);
    assert_eq!(&transport.input()[..], b"NOOP\r\n");
    drop(client);
    assert_eq!(transport.fill(LONG).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_times_out_and_may_still_speak_later() {
    let (mut client, mut transport) = pair();
    assert_eq!(transport.fill(LONG).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    client.write_all(b"late").await.unwrap();
    assert_eq!(transport.fill(LONG).await.unwrap(), 4);
}

#[tokio::test]
async fn a_fill_that_was_dropped_lost_nothing() {
    let (mut client, mut transport) = pair();
    tokio::select! {
        biased;
        _ = transport.fill(LONG) => panic!("there was nothing to read"),
        () = std::future::ready(()) => {}
    }
    client.write_all(b"x").await.unwrap();
    assert_eq!(transport.fill(LONG).await.unwrap(), 1);
}

#[tokio::test]
async fn reads_grow_with_an_upload_and_buffers_are_given_back() {
    let (mut client, mut transport) = pair();
    client.write_all(&vec![b'x'; 500_000]).await.unwrap();
    let mut fills = 0;
    while transport.input().len() < 500_000 {
        transport.fill(LONG).await.unwrap();
        fills += 1;
    }
    assert!(fills < 20, "{fills}");
    transport.free_buffers();
    assert_eq!(transport.input().len(), 500_000);
    transport.input().clear();
    transport.free_buffers();
    assert_eq!(transport.input().capacity(), 0);
}

#[tokio::test]
async fn a_message_that_is_expected_is_read_at_once() {
    let (mut client, server) = duplex(64 * 1024);
    let mut transport = Transport::plain(server, peer(), Timeouts::default());
    client.write_all(&[b'x'; 20_000]).await.unwrap();
    transport.expect_message();
    assert_eq!(transport.fill(LONG).await.unwrap(), 20_000);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_dropped_and_a_slow_one_is_served() {
    let (mut client, server) = duplex(10);
    let mut transport = Transport::plain(server, peer(), Timeouts::default());
    let slow = tokio::spawn(async move {
        let mut piece = [0; 10];
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_secs(100)).await;
            client.read_exact(&mut piece).await.unwrap();
        }
        client
    });
    transport.write(&[b'x'; 100]).await.unwrap();
    let client = slow.await.unwrap();
    assert_eq!(transport.write(&[b'x'; 100]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    drop(client);
}

#[tokio::test]
async fn both_sides_of_tls_1_3_derive_the_same_channel_binding() {
    let (client, server) = handshake(&rustls::version::TLS13, &["imap"], ApplicationProtocol::Imap).await;
    let (client, server) = (client.unwrap(), server.unwrap());
    let ours = client.get_ref().1.export_keying_material([0_u8; 32], b"EXPORTER-Channel-Binding", Some(b"")).unwrap();
    let Security::Tls(details) = server.security() else { panic!("not protected") };
    assert_eq!((server.can_bind_channel(), server.channel_binding()), (true, Some(ours)));
    assert_eq!(details.version, "TLSv1.3");
    assert!(details.cipher.starts_with("TLS_"), "{}", details.cipher);
    assert_eq!(client.get_ref().1.alpn_protocol(), Some(b"imap".as_slice()));
    assert!(server.is_protected());
}

#[tokio::test]
async fn keys_are_agreed_on_in_a_way_that_outlasts_quantum_computers_if_the_client_can() {
    let (client, _) = handshake(&rustls::version::TLS13, &[], ApplicationProtocol::Imap).await;
    let group = client.unwrap().get_ref().1.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, rustls::NamedGroup::X25519MLKEM768);
}

#[tokio::test]
async fn tls_1_2_is_spoken_without_a_channel_binding() {
    let (client, server) = handshake(&rustls::version::TLS12, &[], ApplicationProtocol::Pop3).await;
    client.unwrap();
    let server = server.unwrap();
    let Security::Tls(details) = server.security() else { panic!("not protected") };
    assert_eq!(details.version, "TLSv1.2");
    assert_eq!((server.can_bind_channel(), server.channel_binding()), (false, None));
}

#[tokio::test]
async fn a_client_that_wants_another_protocol_is_refused() {
    let (client, server) = handshake(&rustls::version::TLS13, &["http/1.1"], ApplicationProtocol::Imap).await;
    assert!(client.is_err() && server.is_err());
    let (client, server) = handshake(&rustls::version::TLS13, &["http/1.1"], ApplicationProtocol::Unnamed).await;
    assert!(client.is_ok() && server.is_ok());
}

#[tokio::test]
async fn commands_sent_ahead_of_the_handshake_are_discarded() {
    let (_folder, acceptor) = acceptor(ApplicationProtocol::Imap);
    let (mut client, mut transport) = pair();
    client.write_all(b"a1 STARTTLS\r\na2 INJECTED\r\n").await.unwrap();
    transport.fill(LONG).await.unwrap();
    transport.input().advance(b"a1 STARTTLS\r\n".len());
    let connector = connector(&rustls::version::TLS13, &[]);
    let sent = async {
        let mut client = connector.connect(localhost(), client).await.unwrap();
        client.write_all(b"a3 NOOP\r\n").await.unwrap();
        client
    };
    let received = async {
        transport.start_tls(&acceptor).await.unwrap();
        transport.fill(LONG).await.unwrap();
    };
    let (mut client, ()) = tokio::join!(sent, received);
    assert_eq!(&transport.input()[..], b"a3 NOOP\r\n");
    assert!(transport.start_tls(&acceptor).await.is_err());
    transport.write(b"a3 OK\r\n").await.unwrap();
    transport.close().await;
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"a3 OK\r\n");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_never_comes_is_given_up() {
    let (_folder, acceptor) = acceptor(ApplicationProtocol::Imap);
    let (_client, server) = duplex(1024);
    let error = Transport::tls(server, peer(), Timeouts::default(), &acceptor).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_large_answer_crosses_real_sockets_and_an_abrupt_end_reads_as_the_end() {
    let (_folder, acceptor) = acceptor(ApplicationProtocol::Imap);
    let listener = crate::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let local = listener.local_addr().unwrap();
    let client = tokio::spawn(async move {
        let stream = TcpStream::connect(local).await.unwrap();
        let mut client = connector(&rustls::version::TLS13, &[]).connect(localhost(), stream).await.unwrap();
        let mut answer = vec![0; 3_000_000];
        client.read_exact(&mut answer).await.unwrap();
        // Dropped without close_notify, as many programs do.
        answer
    });
    let (stream, remote) = listener.accept().await.unwrap();
    let peer = Peer { remote, local };
    assert!(peer.is_loopback());
    let mut transport = Transport::tls(stream, peer, Timeouts::default(), &acceptor).await.unwrap();
    let sent: Vec<u8> = (0..3_000_000_u32).map(|number| number.to_le_bytes()[1]).collect();
    transport.write(&sent).await.unwrap();
    assert!(client.await.unwrap() == sent);
    assert_eq!(transport.fill(LONG).await.unwrap(), 0);
}

/// Counts writes.
struct Counted(DuplexStream, Arc<AtomicUsize>);

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.0).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn what_tls_says_by_itself_travels_with_what_the_session_says() {
    let (_folder, acceptor) = acceptor(ApplicationProtocol::Imap);
    let (client, server) = duplex(64 * 1024);
    let writes = Arc::new(AtomicUsize::new(0));
    let server = Counted(server, Arc::clone(&writes));
    let connector = connector(&rustls::version::TLS13, &[]);
    let client = async {
        let mut client = connector.connect(localhost(), client).await.unwrap();
        let mut greeting = [0; 6];
        client.read_exact(&mut greeting).await.unwrap();
        client.write_all(b"a1 NOOP\r\n").await.unwrap();
        let mut answer = [0; 7];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(client.get_ref().1.tls13_tickets_received(), 1);
        let mut goodbye = Vec::new();
        // Without close_notify this would be an error.
        client.read_to_end(&mut goodbye).await.unwrap();
        assert_eq!(goodbye, b"* BYE\r\n");
    };
    let server = async {
        let mut server = Transport::tls(server, peer(), Timeouts::default(), &acceptor).await.unwrap();
        assert_eq!(
            (server.can_bind_channel(), server.channel_binding()),
            (true, None),
            "the client has still to finish"
        );
        server.write(b"* OK\r\n").await.unwrap();
        assert_eq!(writes.load(Ordering::Relaxed), 1, "the server's part of the handshake, and the greeting");
        server.fill(LONG).await.unwrap();
        assert!(server.channel_binding().is_some());
        server.write(b"a1 OK\r\n").await.unwrap();
        assert_eq!(writes.load(Ordering::Relaxed), 2, "ticket and first answer");
        server.close_with(b"* BYE\r\n").await;
        assert_eq!(writes.load(Ordering::Relaxed), 3, "last answer and close_notify");
    };
    tokio::join!(client, server);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_finishes_the_handshake_is_given_up_and_one_that_finished_has_time() {
    let (_folder, acceptor) = acceptor(ApplicationProtocol::Imap);
    let (mut client, server) = duplex(64 * 1024);
    let configuration = Arc::clone(connector(&rustls::version::TLS13, &[]).config());
    let mut hello = Vec::new();
    ClientConnection::new(configuration, localhost()).unwrap().write_tls(&mut hello).unwrap();
    client.write_all(&hello).await.unwrap();
    let mut transport = Transport::tls(server, peer(), Timeouts::default(), &acceptor).await.unwrap();
    let begun = tokio::time::Instant::now();
    assert_eq!(transport.fill(LONG).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(begun.elapsed(), Timeouts::default().handshake);

    let (client, server) = handshake(&rustls::version::TLS13, &[], ApplicationProtocol::Imap).await;
    let (_client, mut server) = (client.unwrap(), server.unwrap());
    let begun = tokio::time::Instant::now();
    assert_eq!(server.fill(LONG).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(begun.elapsed(), LONG);
}

#[tokio::test]
async fn a_client_that_must_first_choose_another_key_exchange_is_served_too() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = CryptoProvider { kx_groups: vec![aws_lc_rs::kx_group::SECP384R1], ..aws_lc_rs::default_provider() };
    let mut configuration = rustls::ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    configuration.send_half_rtt_data = true;
    let (client, server) = duplex(64 * 1024);
    let client = async {
        let client = connector(&rustls::version::TLS13, &[]).connect(localhost(), client).await.unwrap();
        let kind = client.get_ref().1.handshake_kind();
        assert_eq!(kind, Some(rustls::HandshakeKind::FullWithHelloRetryRequest));
    };
    let ((), server) = tokio::join!(client, TlsStream::accept(server, Arc::new(configuration)));
    assert!(!server.unwrap().connection().is_handshaking());
}

#[tokio::test]
async fn an_upload_through_tls_arrives_whole_whatever_the_pieces() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let (client, server) = handshake(version, &[], ApplicationProtocol::Imap).await;
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        let sent: Vec<u8> = (0..1_000_000_u32).map(|number| number.to_le_bytes()[1]).collect();
        let upload = async {
            let mut rest = &sent[..];
            for size in (1..).map(|step: usize| step * step * 7) {
                let (piece, left) = rest.split_at(size.min(rest.len()));
                client.write_all(piece).await.unwrap();
                client.flush().await.unwrap();
                rest = left;
                if rest.is_empty() {
                    break;
                }
            }
            client.shutdown().await.unwrap();
        };
        let download = async { while server.fill(LONG).await.unwrap() > 0 {} };
        tokio::join!(upload, download);
        assert!(server.input()[..] == sent[..]);
        // The client only said that it says no more.
        server.write(b"+OK\r\n").await.unwrap();
        let mut answer = [0; 5];
        client.read_exact(&mut answer).await.unwrap();
    }
}

#[tokio::test]
async fn garbage_inside_tls_is_an_error_and_the_client_is_told() {
    let (client, server) = handshake(&rustls::version::TLS13, &[], ApplicationProtocol::Imap).await;
    let (client, mut server) = (client.unwrap(), server.unwrap());
    let (mut below, mut connection) = client.into_inner();
    below.write_all(b"\x17\x03\x03\x00\x20this is no ciphertext of 32 byte").await.unwrap();
    assert_eq!(server.fill(LONG).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    server.close().await;
    let mut alert = Vec::new();
    below.read_to_end(&mut alert).await.unwrap();
    let mut alert = &alert[..];
    while !alert.is_empty() {
        connection.read_tls(&mut alert).unwrap();
    }
    assert!(matches!(connection.process_new_packets(), Err(rustls::Error::AlertReceived(_))));
}
