//! SEARCH (RFC 9051 §6.4.4, RFC 4731, RFC 5182, RFC 5032, RFC 7162 §3.1.5, RFC 8474, RFC 8514).

use super::parser::{Fault, Parse, Parser};
use super::string::text_of;
use crate::command::{CommandBody, Flag, Numbering, Search, SearchKey, SearchReturn};

impl Parser<'_> {
    /// `search = "SEARCH" [search-return-opts] SP search-program`
    pub(super) fn search(&mut self, numbering: Numbering) -> Parse<CommandBody> {
        self.space()?;
        let returns = self.search_return_options()?;
        let mut charset = None;
        if self.eat_word("CHARSET") {
            self.space()?;
            charset = Some(self.charset()?);
            self.space()?;
        }
        let keys = self.spaced(|parser| parser.search_key(0))?;
        Ok(CommandBody::Search(Search { numbering, returns, charset, keys }))
    }

    /// `search-criteria = charset 1*(SP search-key)` (RFC 5256 §5), what SORT and THREAD end with
    pub(super) fn search_criteria(&mut self, numbering: Numbering, returns: Option<SearchReturn>) -> Parse<Search> {
        let charset = Some(self.charset()?);
        self.space()?;
        let keys = self.spaced(|parser| parser.search_key(0))?;
        Ok(Search { numbering, returns, charset, keys })
    }

    /// The name of a charset, in capitals.
    fn charset(&mut self) -> Parse<String> {
        self.astring().map(|name| String::from_utf8_lossy(&name).to_ascii_uppercase())
    }

    /// `["RETURN" SP search-return-opts SP]`
    pub(super) fn search_return_options(&mut self) -> Parse<Option<SearchReturn>> {
        if !self.eat_word("RETURN") {
            return Ok(None);
        }
        self.space()?;
        let returns = self.search_returns()?;
        self.space()?;
        Ok(Some(returns))
    }

    /// `"(" [search-return-opt *(SP search-return-opt)] ")"`
    fn search_returns(&mut self) -> Parse<SearchReturn> {
        let mut returns = SearchReturn::default();
        let options = self.list_or_empty(|parser| {
            let name = parser.word().to_ascii_uppercase();
            match name.as_slice() {
                b"MIN" => returns.min = true,
                b"MAX" => returns.max = true,
                b"ALL" => returns.all = true,
                b"COUNT" => returns.count = true,
                b"SAVE" => returns.save = true,
                _ => return Err(Fault::syntax("unknown result option of SEARCH")),
            }
            Ok(())
        })?;
        // RFC 4731 §3.1: no option is ALL.
        returns.all |= options.is_empty();
        Ok(returns)
    }

    /// `search-key`, within so many others
    fn search_key(&mut self, depth: usize) -> Parse<SearchKey> {
        if depth > self.limits.search_depth_max {
            return Err(Fault::too_deep("search keys are nested too deep"));
        }
        self.search_keys += 1;
        if self.search_keys > self.limits.search_keys_max {
            return Err(Fault::too_many("too many search keys"));
        }
        match self.peek() {
            Some(b'(') => return self.list(|parser| parser.search_key(depth + 1)).map(SearchKey::And),
            Some(b'0'..=b'9' | b'*' | b'$') => return self.sequence_set().map(SearchKey::Sequence),
            _ => {}
        }
        if self.eat_word("NOT") {
            return Ok(SearchKey::Not(Box::new(self.search_key_argument(depth)?)));
        }
        if self.eat_word("OR") {
            let first = Box::new(self.search_key_argument(depth)?);
            return Ok(SearchKey::Or(first, Box::new(self.search_key_argument(depth)?)));
        }
        self.simple_search_key()
    }

    fn search_key_argument(&mut self, depth: usize) -> Parse<SearchKey> {
        self.space()?;
        self.search_key(depth + 1)
    }

    /// The keys that hold no others. Apart from the recursion, so that a level of that needs little stack.
    #[inline(never)]
    fn simple_search_key(&mut self) -> Parse<SearchKey> {
        let name = self.word().to_ascii_uppercase();
        Ok(match name.as_slice() {
            b"ALL" => SearchKey::All,
            b"ANSWERED" => SearchKey::Flag(Flag::Answered),
            b"DELETED" => SearchKey::Flag(Flag::Deleted),
            b"DRAFT" => SearchKey::Flag(Flag::Draft),
            b"FLAGGED" => SearchKey::Flag(Flag::Flagged),
            b"RECENT" => SearchKey::Flag(Flag::Recent),
            b"SEEN" => SearchKey::Flag(Flag::Seen),
            b"UNANSWERED" => SearchKey::NotFlag(Flag::Answered),
            b"UNDELETED" => SearchKey::NotFlag(Flag::Deleted),
            b"UNDRAFT" => SearchKey::NotFlag(Flag::Draft),
            b"UNFLAGGED" => SearchKey::NotFlag(Flag::Flagged),
            b"UNSEEN" => SearchKey::NotFlag(Flag::Seen),
            b"NEW" => SearchKey::New,
            b"OLD" => SearchKey::Old,
            b"SAVEDATESUPPORTED" => SearchKey::SaveDateSupported,
            _ => {
                self.space().map_err(|_| Fault::syntax("unknown search key, or its argument is missing"))?;
                self.search_key_with_argument(&name)?
            }
        })
    }

    fn search_key_with_argument(&mut self, name: &[u8]) -> Parse<SearchKey> {
        Ok(match name {
            b"KEYWORD" => SearchKey::Flag(Flag::Keyword(self.atom()?)),
            b"UNKEYWORD" => SearchKey::NotFlag(Flag::Keyword(self.atom()?)),
            b"BCC" | b"CC" | b"FROM" | b"SUBJECT" | b"TO" => {
                SearchKey::Header { field: text_of(name), text: self.astring()? }
            }
            b"HEADER" => {
                let field = String::from_utf8(self.astring()?)
                    .map_err(|_| Fault::syntax("a header field's name is not valid UTF-8"))?;
                self.space()?;
                SearchKey::Header { field, text: self.astring()? }
            }
            b"BODY" => SearchKey::Body(self.astring()?),
            b"TEXT" => SearchKey::Text(self.astring()?),
            b"LARGER" => SearchKey::Larger(self.number64()?),
            b"SMALLER" => SearchKey::Smaller(self.number64()?),
            b"UID" => SearchKey::Uid(self.sequence_set()?),
            b"BEFORE" => SearchKey::Before(self.date()?),
            b"ON" => SearchKey::On(self.date()?),
            b"SINCE" => SearchKey::Since(self.date()?),
            b"SENTBEFORE" => SearchKey::SentBefore(self.date()?),
            b"SENTON" => SearchKey::SentOn(self.date()?),
            b"SENTSINCE" => SearchKey::SentSince(self.date()?),
            b"SAVEDBEFORE" => SearchKey::SavedBefore(self.date()?),
            b"SAVEDON" => SearchKey::SavedOn(self.date()?),
            b"SAVEDSINCE" => SearchKey::SavedSince(self.date()?),
            b"OLDER" => SearchKey::Older(self.nonzero_number()?.get()),
            b"YOUNGER" => SearchKey::Younger(self.nonzero_number()?.get()),
            b"MODSEQ" => self.search_modseq()?,
            b"EMAILID" => SearchKey::EmailId(self.object_id()?),
            b"THREADID" => SearchKey::ThreadId(self.object_id()?),
            _ => return Err(Fault::syntax("unknown search key")),
        })
    }

    /// `[entry-name SP entry-type-req SP] mod-sequence-valzer` behind `MODSEQ SP`
    fn search_modseq(&mut self) -> Parse<SearchKey> {
        if self.peek() == Some(b'"') {
            self.string()?;
            self.space()?;
            if !(self.eat_word("priv") || self.eat_word("shared") || self.eat_word("all")) {
                return Err(Fault::syntax("the entry type of MODSEQ must be priv, shared or all"));
            }
            self.space()?;
        }
        self.number64().map(SearchKey::ModSeq)
    }

    /// `objectid = 1*255(ALPHA / DIGIT / "_" / "-")` (RFC 8474 §7)
    fn object_id(&mut self) -> Parse<String> {
        let id = self.take_while(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-'));
        if (1..=255).contains(&id.len()) { Ok(text_of(id)) } else { Err(Fault::syntax("an object id is malformed")) }
    }
}
