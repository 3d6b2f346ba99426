//! What a server says it can do.

/// Names of capabilities, as told by CAPABILITY responses and codes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities {
    names: Vec<String>,
}

impl Capabilities {
    /// The names, which are put in capitals.
    pub fn new<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Self {
        Self { names: names.into_iter().map(|name| name.as_ref().to_ascii_uppercase()).collect() }
    }

    /// All names, in capitals, in the order told.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether a capability was told, in any case of letters. IMAP4rev2 stands for the extensions that it took in
    /// (RFC 9051, Appendix E).
    pub fn has(&self, name: &str) -> bool {
        let told = |name: &str| self.names.iter().any(|told| told.eq_ignore_ascii_case(name));
        told(name) || (PART_OF_REVISION_2.iter().any(|part| part.eq_ignore_ascii_case(name)) && told("IMAP4rev2"))
    }

    /// SASL mechanisms: what follows `AUTH=`.
    pub fn mechanisms(&self) -> impl Iterator<Item = &str> {
        self.values("AUTH=")
    }

    /// The largest message that APPEND takes, in octets, where it is the same for all mailboxes (RFC 7889 §3).
    pub fn append_limit(&self) -> Option<u64> {
        self.values("APPENDLIMIT=").find_map(|value| value.parse().ok())
    }

    /// What follows a prefix such as `AUTH=` in the names that begin with it.
    pub fn values(&self, prefix: &str) -> impl Iterator<Item = &str> {
        self.names.iter().filter_map(move |name| name.strip_prefix(prefix))
    }
}

/// Extensions that are part of IMAP4rev2, whether told or not. Of BINARY, SPECIAL-USE and the several patterns of
/// LIST-EXTENDED it has only a part (Appendix B and C), so the first two count only where they are told.
const PART_OF_REVISION_2: [&str; 14] = [
    "ENABLE",
    "ESEARCH",
    "IDLE",
    "LIST-EXTENDED",
    "LIST-STATUS",
    "LITERAL-",
    "MOVE",
    "NAMESPACE",
    "SASL-IR",
    "SEARCHRES",
    "STATUS=SIZE",
    "UIDPLUS",
    "UNSELECT",
    "CHILDREN",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_found_in_any_case() {
        let told = Capabilities::new(["imap4rev1", "Idle", "AUTH=PLAIN", "auth=XOAUTH2", "APPENDLIMIT=35651584"]);
        assert!(told.has("IDLE") && told.has("IMAP4rev1") && !told.has("MOVE"));
        assert_eq!(told.mechanisms().collect::<Vec<_>>(), ["PLAIN", "XOAUTH2"]);
        assert_eq!(told.append_limit(), Some(35_651_584));
    }

    #[test]
    fn revision_2_brings_its_extensions() {
        let told = Capabilities::new(["IMAP4rev2", "STARTTLS"]);
        assert!(told.has("MOVE") && told.has("literal-") && !told.has("CONDSTORE") && !told.has("LITERAL+"));
    }
}
