//! The simplest of POP3 clients, to see what a server has.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
};

use postrider_testkit::server::Account;

/// All messages of a mailbox.
pub fn contents(port: u16, account: &Account) -> Vec<Vec<u8>> {
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).unwrap());
    let _ = answer(&mut stream);
    let _ = say(&mut stream, &format!("USER {}", account.address));
    let _ = say(&mut stream, &format!("PASS {}", account.password));
    let count: usize = say(&mut stream, "STAT").split(' ').nth(1).unwrap().parse().unwrap();
    let messages = (1..=count).map(|number| retrieve(&mut stream, number)).collect();
    let _ = say(&mut stream, "QUIT");
    messages
}

fn say(stream: &mut BufReader<TcpStream>, command: &str) -> String {
    stream.get_mut().write_all(format!("{command}\r\n").as_bytes()).unwrap();
    answer(stream)
}

fn answer(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    let _ = stream.read_line(&mut line).unwrap();
    assert!(line.starts_with("+OK"), "{line}");
    line
}

fn retrieve(stream: &mut BufReader<TcpStream>, number: usize) -> Vec<u8> {
    let _ = say(stream, &format!("RETR {number}"));
    let mut message = Vec::new();
    loop {
        let start = message.len();
        assert!(stream.read_until(b'\n', &mut message).unwrap() > 0, "the server closed the connection");
        if &message[start..] == b".\r\n" {
            message.truncate(start);
            return message;
        }
        if message[start..].starts_with(b".") {
            message.remove(start);
        }
    }
}
