//! Whose certificates are believed.

use std::{
    fmt, io,
    path::PathBuf,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use sha2::{Digest, Sha256};

use crate::error::{CertificateProblem, PullError};

/// Whose certificates are believed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Trust {
    /// Those of the authorities that this machine trusts.
    #[default]
    System,
    /// Those of the authorities in a PEM file, and of nobody else. A server's own certificate may stand in it, too.
    Authorities {
        /// The file's name, for messages.
        path: PathBuf,
        /// What it holds.
        pem: Vec<u8>,
    },
    /// This one certificate, whatever stands in it.
    Pinned(Fingerprint),
}

/// The SHA-256 hash of a certificate, written as `AB:CD:…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

/// Why a text is no fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a fingerprint is 64 hexadecimal digits, colons between them or not, as `openssl x509 -fingerprint -sha256` prints it"
)]
pub struct NotAFingerprint;

impl Fingerprint {
    fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets: Vec<String> = self.0.iter().map(|octet| format!("{octet:02X}")).collect();
        f.write_str(&octets.join(":"))
    }
}

impl FromStr for Fingerprint {
    type Err = NotAFingerprint;

    fn from_str(text: &str) -> Result<Self, NotAFingerprint> {
        let text = text.trim();
        let digits = match text.get(..7) {
            Some(name) if name.eq_ignore_ascii_case("sha256:") => text.get(7..).unwrap_or_default(),
            _ => text,
        };
        let digits: Vec<u8> = digits
            .chars()
            .filter(|c| *c != ':')
            .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()).ok_or(NotAFingerprint))
            .collect::<Result<_, _>>()?;
        let (pairs, []) = digits.as_chunks::<2>() else { return Err(NotAFingerprint) };
        let octets: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
        octets.try_into().map(Self).map_err(|_| NotAFingerprint)
    }
}

/// Decides about certificates, and remembers the one that was shown.
#[derive(Debug)]
pub(super) struct Verifier {
    believed: Believed,
    algorithms: WebPkiSupportedAlgorithms,
    shown: Mutex<Option<Fingerprint>>,
}

#[derive(Debug)]
enum Believed {
    Authorities { verifier: Arc<WebPkiServerVerifier>, given: Vec<CertificateDer<'static>> },
    Pinned(Fingerprint),
}

/// Marks the refusal of a certificate that is not the pinned one.
#[derive(Debug, thiserror::Error)]
#[error("not the pinned certificate")]
struct OtherThanPinned;

impl Verifier {
    pub(super) fn new(trust: &Trust) -> Result<Self, PullError> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        let believed = match trust {
            Trust::Pinned(fingerprint) => Believed::Pinned(*fingerprint),
            Trust::System => {
                let found = rustls_native_certs::load_native_certs();
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(found.certs);
                if roots.is_empty() {
                    let reasons: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
                    return Err(PullError::NoAuthorities(reasons.join("; ")));
                }
                let verifier = authorities(roots).map_err(PullError::NoAuthorities)?;
                Believed::Authorities { verifier, given: Vec::new() }
            }
            Trust::Authorities { path, pem } => {
                let unusable = |reason: String| PullError::AuthorityFile { path: path.clone(), reason };
                let given: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
                let given = given.map_err(|error| unusable(format!("damaged PEM: {error}")))?;
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(given.iter().cloned());
                if roots.is_empty() {
                    return Err(unusable(String::from("there is no certificate in PEM format in it")));
                }
                Believed::Authorities { verifier: authorities(roots).map_err(unusable)?, given }
            }
        };
        Ok(Self { believed, algorithms, shown: Mutex::default() })
    }

    /// What a failed handshake means.
    pub(super) fn explain(&self, host: &str, error: &io::Error) -> PullError {
        let host = host.to_owned();
        let shown = *self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        match (cause, shown) {
            (Some(Error::InvalidCertificate(error)), Some(fingerprint)) => {
                PullError::Certificate { host, problem: problem(error), fingerprint }
            }
            _ => PullError::Tls { host, reason: error.to_string() },
        }
    }
}

fn authorities(roots: RootCertStore) -> Result<Arc<WebPkiServerVerifier>, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    builder.build().map_err(|error| error.to_string())
}

fn problem(error: &CertificateError) -> CertificateProblem {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => CertificateProblem::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => CertificateProblem::NotYetValid,
        CertificateError::Revoked => CertificateProblem::Revoked,
        // A signature that does not fit an authority's key is by somebody else of the same name.
        CertificateError::UnknownIssuer
        | CertificateError::BadSignature
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            CertificateProblem::UnknownAuthority
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            CertificateProblem::WrongName
        }
        CertificateError::Other(other) if other.0.is::<OtherThanPinned>() => CertificateProblem::NotPinned,
        // A certificate that is an authority itself is what `openssl req -x509` makes: self-signed.
        CertificateError::Other(_) => CertificateProblem::UnknownAuthority,
        other => CertificateProblem::Unusable(other.to_string()),
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = Fingerprint::of(end_entity);
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
        match &self.believed {
            Believed::Pinned(fingerprint) if *fingerprint == shown => Ok(ServerCertVerified::assertion()),
            Believed::Pinned(_) => {
                let reason = OtherError(Arc::new(OtherThanPinned));
                Err(Error::InvalidCertificate(CertificateError::Other(reason)))
            }
            Believed::Authorities { verifier, given } => {
                let verified = verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
                // The library takes no authority's certificate for a server's, as which many self-signed ones are marked.
                // Where the very certificate was given, nobody needs to vouch for it.
                match verified {
                    Err(Error::InvalidCertificate(CertificateError::Other(_)))
                        if given.iter().any(|one| one.as_ref() == end_entity.as_ref()) =>
                    {
                        Ok(ServerCertVerified::assertion())
                    }
                    other => other,
                }
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_as_openssl_prints_them() {
        let fingerprint = Fingerprint::of(b"x");
        let text = fingerprint.to_string();
        assert_eq!(text.len(), 95);
        for form in [
            text.clone(),
            text.to_ascii_lowercase(),
            text.replace(':', ""),
            format!("SHA256:{text}"),
            format!(" sha256:{text}\n"),
        ] {
            assert_eq!(form.parse(), Ok(fingerprint), "{form}");
        }
        for wrong in ["", "AB", "ä", &text[..93], &format!("{text}:00"), &text.replace('A', "G").replace('B', "H")] {
            assert_eq!(wrong.parse::<Fingerprint>(), Err(NotAFingerprint), "{wrong}");
        }
    }
}
