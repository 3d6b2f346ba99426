#![allow(missing_docs, dead_code, clippy::all)]
use std::{sync::Arc, time::Duration};
use tokio::io::{AsyncRead, AsyncWrite};
#[derive(Debug, Clone, Default)]
pub struct F {
    pub line_bytes_max: usize,
    pub literal_bytes_max: u64,
    pub append_bytes_max: u64,
    pub command_bytes_max: u64,
    pub append_command_bytes_max: u64,
    pub literals_max: usize,
}
#[derive(Debug, Clone, Default)]
pub struct P {
    pub search_depth_max: usize,
    pub search_keys_max: usize,
    pub list_elements_max: usize,
    pub set_ranges_max: usize,
}
#[derive(Debug, Clone)]
pub struct ImapOptions {
    pub login_timeout: Duration,
    pub idle_timeout: Duration,
    pub keepalive: Duration,
    pub errors_max: u32,
    pub frames: F,
    pub parse: P,
    pub append_bytes_max: u64,
    pub output_bytes: usize,
}
pub struct ImapService {
    pub store: Arc<postrider_store::Store>,
    pub accounts: Arc<postrider_accounts::Accounts>,
    pub tls: Option<postrider_net::TlsAcceptor>,
    pub options: ImapOptions,
    pub shutdown: postrider_net::Shutdown,
}
pub async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send>(
    mut transport: postrider_net::Transport<S>,
    service: Arc<ImapService>,
) {
    let _ = transport.write(b"* OK\r\n").await;
    let mut s = service.shutdown.clone();
    s.requested().await;
    transport.close().await
}

impl Default for ImapOptions {
    fn default() -> Self {
        Self {
            login_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(1800),
            keepalive: Duration::from_secs(120),
            errors_max: 20,
            frames: F {
                line_bytes_max: 65536,
                literal_bytes_max: 65536,
                append_bytes_max: 1 << 26,
                command_bytes_max: 1 << 18,
                append_command_bytes_max: 1 << 27,
                literals_max: 1000,
            },
            parse: P { search_depth_max: 200, search_keys_max: 4096, list_elements_max: 4096, set_ranges_max: 16384 },
            append_bytes_max: 50 << 20,
            output_bytes: 65536,
        }
    }
}
