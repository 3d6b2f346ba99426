//! TLS settings: certificates from PEM files, exchangeable while the server runs, or made on the spot.
//!
//! The settings are immutable and stand behind one atomic pointer. A reload builds new ones completely and only then
//! swaps the pointer, so a broken file leaves the old certificate in service. Key files are made readable by
//! their owner only, from the moment they exist.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::tls_stream::TlsStream;

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is there, but holds no certificate or no private key in PEM.
    #[error("{path}: no {wanted} in PEM format found")]
    Missing {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        wanted: &'static str,
    },
    /// A file's PEM is damaged.
    #[error("{path}: damaged PEM: {reason}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Certificate and key do not fit together, or the TLS library refuses them.
    #[error("the certificate and its key cannot be used: {0}")]
    Refused(#[from] rustls::Error),
    /// A self-signed certificate could not be made.
    #[error("cannot make a self-signed certificate: {0}")]
    Generate(#[from] rcgen::Error),
}

/// What a client and a server say they will speak inside TLS (ALPN, RFC 7301).
///
/// A client that names no protocol is welcome; one that names only others is refused, which protects its users against
/// being redirected here from another service (RFC 9325 §3.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApplicationProtocol {
    /// No ALPN at all.
    Unnamed,
    /// `imap`
    Imap,
    /// `pop3`
    Pop3,
}

/// The server's certificate and TLS parameters, exchangeable while connections are open.
pub struct TlsSettings {
    certificate: PathBuf,
    key: PathBuf,
    current: ArcSwap<Configurations>,
}

/// One complete configuration for each protocol name.
struct Configurations {
    unnamed: Arc<ServerConfig>,
    imap: Arc<ServerConfig>,
    pop3: Arc<ServerConfig>,
}

impl std::fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsSettings").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl TlsSettings {
    /// Loads a certificate chain (the server's own certificate first) and its private key from PEM files.
    pub fn load(certificate: &Path, key: &Path) -> Result<Arc<Self>, TlsError> {
        let current = ArcSwap::from_pointee(Configurations::load(certificate, key)?);
        Ok(Arc::new(Self { certificate: certificate.to_owned(), key: key.to_owned(), current }))
    }

    /// Reads the same files again. New connections get what they hold now; on an error nothing changes.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.current.store(Arc::new(Configurations::load(&self.certificate, &self.key)?));
        Ok(())
    }

    /// What a protocol's connections do their handshakes with. It follows every later reload.
    pub fn acceptor(self: &Arc<Self>, protocol: ApplicationProtocol) -> TlsAcceptor {
        TlsAcceptor { settings: Arc::clone(self), protocol }
    }
}

impl Configurations {
    fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let chain = read_chain(certificate)?;
        let key = read_key(key)?;
        let mut unnamed = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        unnamed.ticketer = aws_lc_rs::Ticketer::new()?;
        // One for the next connection; a session that resumes gets another.
        unnamed.send_tls13_tickets = 1;
        // The greeting does not wait for the client's end of the handshake. It says nothing that is not told to everybody, and
        // nothing else is said before that end: all that follows answers a client that has finished it.
        unnamed.send_half_rtt_data = true;
        let named = |name: &[u8]| {
            let mut configuration = unnamed.clone();
            configuration.alpn_protocols = vec![name.to_vec()];
            Arc::new(configuration)
        };
        Ok(Self { imap: named(b"imap"), pop3: named(b"pop3"), unnamed: Arc::new(unnamed) })
    }
}

/// Does TLS handshakes with the newest settings. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TlsAcceptor {
    settings: Arc<TlsSettings>,
    protocol: ApplicationProtocol,
}

impl TlsAcceptor {
    /// Takes the server's part in a handshake. The caller sets the time limit.
    pub(crate) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<TlsStream<S>> {
        let current = self.settings.current.load_full();
        let configuration = match self.protocol {
            ApplicationProtocol::Unnamed => &current.unnamed,
            ApplicationProtocol::Imap => &current.imap,
            ApplicationProtocol::Pop3 => &current.pop3,
        };
        TlsStream::accept(stream, Arc::clone(configuration)).await
    }
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read(path)?;
    let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| TlsError::Pem { path: path.to_owned(), reason: error.to_string() })?;
    if chain.is_empty() {
        return Err(TlsError::Missing { path: path.to_owned(), wanted: "certificate" });
    }
    Ok(chain)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    use rustls::pki_types::pem::Error;
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|error| match error {
        Error::NoItemsFound => TlsError::Missing { path: path.to_owned(), wanted: "private key" },
        other => TlsError::Pem { path: path.to_owned(), reason: other.to_string() },
    })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::File { path: path.to_owned(), source })
}

/// Where a certificate came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateOrigin {
    /// The files were there.
    Found,
    /// A self-signed certificate was made, which mail programs will warn of.
    MadeSelfSigned,
}

/// Makes a self-signed certificate unless one of the two files exists already.
pub fn ensure_certificate(certificate: &Path, key: &Path, names: &[String]) -> Result<CertificateOrigin, TlsError> {
    if certificate.exists() || key.exists() {
        return Ok(CertificateOrigin::Found);
    }
    create_self_signed(certificate, key, names)?;
    Ok(CertificateOrigin::MadeSelfSigned)
}

/// Makes a key and a self-signed certificate for `localhost`, the loopback addresses and `names`, and writes both as PEM.
/// Neither file may exist. The key's is readable by its owner only.
pub fn create_self_signed(certificate: &Path, key: &Path, names: &[String]) -> Result<(), TlsError> {
    let mut all = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    for name in names {
        if !all.contains(name) {
            all.push(name.clone());
        }
    }
    let common_name = names.first().map_or("localhost", String::as_str).to_owned();
    let mut parameters = rcgen::CertificateParams::new(all)?;
    parameters.distinguished_name.push(rcgen::DnType::CommonName, common_name);
    parameters.extended_key_usages.push(rcgen::ExtendedKeyUsagePurpose::ServerAuth);
    let key_pair = rcgen::KeyPair::generate()?;
    let signed = parameters.self_signed(&key_pair)?;
    write_new(key, 0o600, key_pair.serialize_pem().as_bytes())?;
    write_new(certificate, 0o644, signed.pem().as_bytes())
}

/// Writes a file that must not exist yet, with its final mode from the first moment.
fn write_new(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), TlsError> {
    let write = || -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file: File = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|source| TlsError::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_self_signed_certificate_can_be_loaded_and_its_key_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("tls/cert.pem"), folder.path().join("tls/key.pem"));
        let names = ["mail.example.org".to_owned()];
        assert_eq!(ensure_certificate(&certificate, &key, &names).unwrap(), CertificateOrigin::MadeSelfSigned);
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        let settings = TlsSettings::load(&certificate, &key).unwrap();
        assert_eq!(ensure_certificate(&certificate, &key, &names).unwrap(), CertificateOrigin::Found);
        settings.reload().unwrap();
    }

    #[test]
    fn a_failed_reload_keeps_the_certificate_in_service() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        create_self_signed(&certificate, &key, &[]).unwrap();
        let settings = TlsSettings::load(&certificate, &key).unwrap();
        let before = settings.current.load_full();
        fs::write(&certificate, "garbage").unwrap();
        assert!(matches!(settings.reload(), Err(TlsError::Missing { wanted: "certificate", .. })));
        assert!(Arc::ptr_eq(&before, &settings.current.load_full()));
    }

    #[test]
    fn errors_name_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        let absent = TlsSettings::load(&certificate, &key).unwrap_err().to_string();
        assert!(absent.contains("cert.pem"), "{absent}");
        create_self_signed(&certificate, &key, &[]).unwrap();
        fs::write(&key, "").unwrap();
        let empty = TlsSettings::load(&certificate, &key).unwrap_err().to_string();
        assert!(empty.contains("key.pem: no private key"), "{empty}");
    }

    #[test]
    fn files_are_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        create_self_signed(&certificate, &key, &[]).unwrap();
        assert!(matches!(create_self_signed(&certificate, &key, &[]), Err(TlsError::File { .. })));
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        create_self_signed(&path("a.pem"), &path("a.key"), &[]).unwrap();
        create_self_signed(&path("b.pem"), &path("b.key"), &[]).unwrap();
        assert!(matches!(TlsSettings::load(&path("a.pem"), &path("b.key")), Err(TlsError::Refused(_))));
    }
}
