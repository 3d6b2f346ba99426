//! A server that says what stands in a script, and hears nothing else.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A conversation written down.
pub(in crate::imap) struct Script<'a> {
    pub(in crate::imap) text: &'a str,
    /// Literals by their names.
    pub(in crate::imap) literals: &'a [(&'a str, &'a [u8])],
}

impl Script<'_> {
    /// Plays the server's part; the stream is the client's end.
    pub(in crate::imap) fn play(&self) -> (DuplexStream, JoinHandle<()>) {
        let (client, server) = duplex(1 << 16);
        (client, tokio::spawn(serve(server, self.lines())))
    }

    /// Plays one script for each connection to a port of this machine, one connection after the other. Answers the port.
    pub(in crate::imap) async fn listen(scripts: &[Script<'_>]) -> (u16, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let parts: Vec<Vec<(bool, Vec<u8>)>> = scripts.iter().map(Script::lines).collect();
        let server = tokio::spawn(async move {
            for lines in parts {
                let (mut there, _) = listener.accept().await.unwrap();
                let (mut client, server) = duplex(1 << 16);
                let played = tokio::spawn(serve(server, lines));
                let _ = tokio::io::copy_bidirectional(&mut there, &mut client).await;
                played.await.unwrap();
            }
        });
        (port, server)
    }

    fn lines(&self) -> Vec<(bool, Vec<u8>)> {
        self.text.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| self.line(line)).collect()
    }

    /// Whether the server says it, and its octets.
    fn line(&self, line: &str) -> (bool, Vec<u8>) {
        let (side, text) = line.split_at(3.min(line.len()));
        if let Some(name) = text.strip_prefix('@') {
            let (_, content) = self.literals.iter().find(|(known, _)| *known == name).expect("a literal of that name");
            return (side == "S: ", [content, b"\r\n".as_slice()].concat());
        }
        let mut octets = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('<') {
            let Some((name, after)) = after.split_once('>') else { break };
            octets.extend_from_slice(before.as_bytes());
            let (_, content) = self.literals.iter().find(|(known, _)| *known == name).expect("a literal of that name");
            octets.extend_from_slice(format!("{{{}}}\r\n", content.len()).as_bytes());
            octets.extend_from_slice(content);
            rest = after;
        }
        octets.extend_from_slice(rest.as_bytes());
        octets.extend_from_slice(b"\r\n");
        (side == "S: ", octets)
    }
}

async fn serve(mut stream: DuplexStream, lines: Vec<(bool, Vec<u8>)>) {
    for (is_ours, octets) in lines {
        if is_ours {
            stream.write_all(&octets).await.unwrap();
            continue;
        }
        let mut heard = Vec::new();
        // A message has lines of its own.
        let length = if octets.iter().filter(|octet| **octet == b'\n').count() > 1 { octets.len() } else { 0 };
        while !heard.ends_with(b"\r\n") || heard.len() < length {
            match stream.read_u8().await {
                Ok(octet) => heard.push(octet),
                Err(_) => break,
            }
        }
        let (heard, expected) = (String::from_utf8_lossy(&heard), String::from_utf8_lossy(&octets));
        assert_eq!(heard, expected, "the client says something else than the script");
    }
    // Whoever says more than stands in the script finds nobody there.
}
