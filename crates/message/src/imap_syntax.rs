//! A strict reader of what the renderers write, for tests: the rules of RFC 9051 §9 and nothing more.

/// Reads `envelope`; panics where `text` is anything else.
pub(crate) fn check_envelope(text: &[u8]) {
    let mut reader = Reader { text };
    reader.envelope();
    assert!(reader.text.is_empty(), "left over: {:?}", String::from_utf8_lossy(reader.text));
}

/// Reads `body`; panics where `text` is anything else.
pub(crate) fn check_body(text: &[u8], extension: bool) {
    let mut reader = Reader { text };
    reader.body(extension);
    assert!(reader.text.is_empty(), "left over: {:?}", String::from_utf8_lossy(reader.text));
}

struct Reader<'a> {
    text: &'a [u8],
}

impl Reader<'_> {
    fn peek(&self) -> u8 {
        *self.text.first().expect("text ends early")
    }

    fn expect(&mut self, token: &[u8]) {
        assert!(self.text.starts_with(token), "{:?} is not {token:?}", String::from_utf8_lossy(self.text));
        self.text = &self.text[token.len()..];
    }

    fn number(&mut self, max: u64) -> u64 {
        let length = self.text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let digits = std::str::from_utf8(&self.text[..length]).unwrap();
        self.text = &self.text[length..];
        let number = digits.parse().unwrap();
        assert!(number <= max);
        number
    }

    fn string(&mut self) -> Vec<u8> {
        if self.peek() == b'{' {
            self.expect(b"{");
            let length = self.number(u64::MAX) as usize;
            self.expect(b"}\r\n");
            let (content, rest) = self.text.split_at(length);
            assert!(!content.contains(&0));
            self.text = rest;
            return content.to_vec();
        }
        self.expect(b"\"");
        let mut content = Vec::new();
        loop {
            let byte = self.peek();
            self.text = &self.text[1..];
            match byte {
                b'"' => return content,
                b'\\' => {
                    assert!(matches!(self.peek(), b'"' | b'\\'));
                    content.push(self.peek());
                    self.text = &self.text[1..];
                }
                _ => {
                    assert!(byte != 0 && byte != b'\r' && byte != b'\n' && byte.is_ascii());
                    content.push(byte);
                }
            }
        }
    }

    fn nstring(&mut self) -> Option<Vec<u8>> {
        if self.text.starts_with(b"NIL") {
            self.expect(b"NIL");
            return None;
        }
        Some(self.string())
    }

    fn space(&mut self) {
        self.expect(b" ");
    }

    fn envelope(&mut self) {
        self.expect(b"(");
        self.nstring();
        self.space();
        self.nstring();
        for _ in 0..6 {
            self.space();
            self.addresses();
        }
        self.space();
        self.nstring();
        self.space();
        self.nstring();
        self.expect(b")");
    }

    fn addresses(&mut self) {
        if self.text.starts_with(b"NIL") {
            return self.expect(b"NIL");
        }
        self.expect(b"(");
        let mut in_group = false;
        while self.peek() != b')' {
            self.expect(b"(");
            self.nstring();
            self.space();
            self.nstring();
            self.space();
            let mailbox = self.nstring();
            self.space();
            let host = self.nstring();
            self.expect(b")");
            match (mailbox, host) {
                (Some(_), None) => assert!(!std::mem::replace(&mut in_group, true)),
                (None, None) => assert!(std::mem::replace(&mut in_group, false)),
                (Some(_), Some(_)) => {}
                (None, Some(_)) => panic!("an address without mailbox"),
            }
        }
        assert!(!in_group);
        self.expect(b")");
    }

    fn body(&mut self, extension: bool) {
        self.expect(b"(");
        if self.peek() == b'(' {
            while self.peek() == b'(' {
                self.body(extension);
            }
            self.space();
            self.string();
            if extension {
                self.space();
                self.parameters();
            }
        } else {
            self.single_part(extension);
        }
        if extension {
            self.common_extension();
        }
        self.expect(b")");
    }

    fn single_part(&mut self, extension: bool) {
        let media_type = self.string();
        self.space();
        let subtype = self.string();
        self.space();
        self.parameters();
        self.space();
        self.nstring();
        self.space();
        self.nstring();
        self.space();
        self.string();
        self.space();
        self.number(u64::from(u32::MAX));
        assert_ne!(media_type, b"multipart");
        if media_type == b"message" && (subtype == b"rfc822" || subtype == b"global") {
            self.space();
            self.envelope();
            self.space();
            self.body(extension);
        }
        if media_type == b"text" || (media_type == b"message" && (subtype == b"rfc822" || subtype == b"global")) {
            self.space();
            self.number(i64::MAX as u64);
        }
        if extension {
            self.space();
            self.nstring();
        }
    }

    fn parameters(&mut self) {
        if self.text.starts_with(b"NIL") {
            return self.expect(b"NIL");
        }
        self.expect(b"(");
        loop {
            self.string();
            self.space();
            self.string();
            if self.peek() == b')' {
                return self.expect(b")");
            }
            self.space();
        }
    }

    fn common_extension(&mut self) {
        self.space();
        if self.text.starts_with(b"NIL") {
            self.expect(b"NIL");
        } else {
            self.expect(b"(");
            self.string();
            self.space();
            self.parameters();
            self.expect(b")");
        }
        self.space();
        if self.peek() == b'(' {
            self.expect(b"(");
            self.string();
            while self.peek() == b' ' {
                self.space();
                self.string();
            }
            self.expect(b")");
        } else {
            self.nstring();
        }
        self.space();
        self.nstring();
    }
}
