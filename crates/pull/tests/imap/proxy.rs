//! Passes octets on, until so many have come from the server.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Listens for one connection to the server's port and cuts it after `bytes` octets from there. Answers its own port.
pub async fn cutting_proxy(server: u16, bytes: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let up = tokio::spawn(async move {
            let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
        });
        let mut rest = bytes;
        let mut buffer = vec![0; 16 * 1024];
        while rest > 0 {
            let room = rest.min(buffer.len());
            match from_server.read(&mut buffer[..room]).await {
                Ok(0) | Err(_) => break,
                Ok(read) => {
                    rest -= read;
                    if to_client.write_all(&buffer[..read]).await.is_err() {
                        break;
                    }
                }
            }
        }
        up.abort();
    });
    port
}
