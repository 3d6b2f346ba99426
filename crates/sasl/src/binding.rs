//! Channel binding data, which ties a login to the TLS connection it happens on.

use std::fmt;

/// What this side knows of the TLS connection.
///
/// For a server, having the data means that it offers SCRAM-SHA-256-PLUS here; a client that says "I could bind,
/// but you do not offer it" was then lied to by somebody in the middle, and is refused (RFC 5802 §6).
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum ChannelBinding {
    /// No channel binding: no TLS, or no exporter at hand.
    #[default]
    None,
    /// `tls-exporter`: 32 bytes exported with the label `EXPORTER-Channel-Binding` and an empty context (RFC 9266 §2).
    TlsExporter([u8; 32]),
}

impl ChannelBinding {
    /// The registered name of the only binding type spoken here.
    pub(crate) const TLS_EXPORTER: &'static str = "tls-exporter";

    /// The data, where there is some.
    pub(crate) fn data(&self) -> Option<&[u8; 32]> {
        match self {
            Self::None => None,
            Self::TlsExporter(data) => Some(data),
        }
    }
}

impl From<Option<[u8; 32]>> for ChannelBinding {
    fn from(exporter: Option<[u8; 32]>) -> Self {
        exporter.map_or(Self::None, Self::TlsExporter)
    }
}

impl fmt::Debug for ChannelBinding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::None => "None",
            Self::TlsExporter(_) => "TlsExporter(…)",
        })
    }
}
