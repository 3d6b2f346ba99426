//! A server that says what stands in a script, and hears nothing else.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::JoinHandle;

/// A conversation written down.
pub(super) struct Script<'a> {
    pub(super) text: &'a str,
    /// Literals by their names.
    pub(super) literals: &'a [(&'a str, &'a [u8])],
}

impl Script<'_> {
    /// Plays the server's part; the stream is the client's end.
    pub(super) fn play(&self) -> (DuplexStream, JoinHandle<()>) {
        let (client, server) = duplex(1 << 16);
        let lines: Vec<(bool, Vec<u8>)> =
            self.text.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| self.line(line)).collect();
        (client, tokio::spawn(serve(server, lines)))
    }

    /// Whether the server says it, and its octets.
    fn line(&self, line: &str) -> (bool, Vec<u8>) {
        let (side, text) = line.split_at(3);
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
        while !heard.ends_with(b"\r\n") {
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
