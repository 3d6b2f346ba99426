//! SEARCH, SORT and THREAD (RFC 9051 §6.4.4, RFC 4731, RFC 5256).

use super::writer::Writer;
use super::{Encode, EncodeError};
use crate::calendar::CivilDateTime;
use crate::command::{
    Date, Flag, Search, SearchKey, SearchReturn, Sort, SortDirection, SortKey, Thread, ThreadAlgorithm,
};

const SECONDS_PER_DAY: i64 = 86_400;

impl Writer<'_> {
    /// `search`
    pub(super) fn search(&mut self, search: &Search) -> Encode {
        self.numbering(search.numbering);
        self.raw("SEARCH");
        self.search_return(search.returns);
        if let Some(charset) = &search.charset {
            self.raw(" CHARSET ");
            self.astring(charset.as_bytes())?;
        }
        self.raw(" ");
        self.keys(&search.keys)
    }

    /// `sort`
    pub(super) fn sort(&mut self, sort: &Sort) -> Encode {
        self.numbering(sort.search.numbering);
        self.raw("SORT");
        self.search_return(sort.search.returns);
        self.raw(" ");
        self.parenthesised(&sort.criteria, |writer, criterion| {
            writer.raw(if criterion.direction == SortDirection::Descending { "REVERSE " } else { "" });
            writer.raw(sort_word(criterion.key));
            Ok(())
        })?;
        self.charset_and_keys(&sort.search)
    }

    /// `thread`
    pub(super) fn thread(&mut self, thread: &Thread) -> Encode {
        self.numbering(thread.search.numbering);
        self.raw(match thread.algorithm {
            ThreadAlgorithm::OrderedSubject => "THREAD ORDEREDSUBJECT",
            ThreadAlgorithm::References => "THREAD REFERENCES",
        });
        self.charset_and_keys(&thread.search)
    }

    /// RFC 5256 §3: SORT and THREAD always name a charset.
    fn charset_and_keys(&mut self, search: &Search) -> Encode {
        self.raw(" ");
        self.astring(search.charset.as_deref().unwrap_or("UTF-8").as_bytes())?;
        self.raw(" ");
        self.keys(&search.keys)
    }

    /// Options without any are written `(ALL)`, which they mean: Exchange answers `RETURN ()` with nothing.
    fn search_return(&mut self, returns: Option<SearchReturn>) {
        let Some(returns) = returns else { return };
        let words = [
            (returns.min, "MIN"),
            (returns.max, "MAX"),
            (returns.all, "ALL"),
            (returns.count, "COUNT"),
            (returns.save, "SAVE"),
        ];
        let wanted: Vec<&str> = words.iter().filter(|(wanted, _)| *wanted).map(|&(_, word)| word).collect();
        self.raw(" RETURN (");
        self.raw(&if wanted.is_empty() { String::from("ALL") } else { wanted.join(" ") });
        self.raw(")");
    }

    fn keys(&mut self, keys: &[SearchKey]) -> Encode {
        self.spaced(keys, |writer, key| writer.key(key))
    }

    /// `search-key`
    fn key(&mut self, key: &SearchKey) -> Encode {
        match key {
            SearchKey::All => self.raw("ALL"),
            SearchKey::New => self.raw("NEW"),
            SearchKey::Old => self.raw("OLD"),
            SearchKey::SaveDateSupported => self.raw("SAVEDATESUPPORTED"),
            SearchKey::And(keys) => {
                self.raw("(");
                self.keys(keys)?;
                self.raw(")");
            }
            SearchKey::Or(one, other) => {
                self.raw("OR ");
                self.key(one)?;
                self.raw(" ");
                self.key(other)?;
            }
            SearchKey::Not(key) => {
                self.raw("NOT ");
                self.key(key)?;
            }
            SearchKey::Sequence(set) => self.set(set)?,
            SearchKey::Uid(set) => {
                self.raw("UID ");
                self.set(set)?;
            }
            SearchKey::Flag(flag) => self.flag_key("", flag)?,
            SearchKey::NotFlag(flag) => self.flag_key("UN", flag)?,
            SearchKey::Header { field, text } => self.header_key(field, text)?,
            SearchKey::Body(text) => self.text_key("BODY ", text)?,
            SearchKey::Text(text) => self.text_key("TEXT ", text)?,
            SearchKey::Larger(octets) => self.number_key("LARGER ", *octets),
            SearchKey::Smaller(octets) => self.number_key("SMALLER ", *octets),
            SearchKey::Older(seconds) => self.number_key("OLDER ", u64::from(*seconds)),
            SearchKey::Younger(seconds) => self.number_key("YOUNGER ", u64::from(*seconds)),
            SearchKey::ModSeq(modseq) => self.number_key("MODSEQ ", *modseq),
            SearchKey::Before(date) => self.date_key("BEFORE ", *date),
            SearchKey::On(date) => self.date_key("ON ", *date),
            SearchKey::Since(date) => self.date_key("SINCE ", *date),
            SearchKey::SentBefore(date) => self.date_key("SENTBEFORE ", *date),
            SearchKey::SentOn(date) => self.date_key("SENTON ", *date),
            SearchKey::SentSince(date) => self.date_key("SENTSINCE ", *date),
            SearchKey::SavedBefore(date) => self.date_key("SAVEDBEFORE ", *date),
            SearchKey::SavedOn(date) => self.date_key("SAVEDON ", *date),
            SearchKey::SavedSince(date) => self.date_key("SAVEDSINCE ", *date),
            SearchKey::EmailId(id) => {
                self.raw("EMAILID ");
                self.atom(id)?;
            }
            SearchKey::ThreadId(id) => {
                self.raw("THREADID ");
                self.atom(id)?;
            }
        }
        Ok(())
    }

    fn flag_key(&mut self, negation: &str, flag: &Flag) -> Encode {
        let word = match flag {
            Flag::Answered => "ANSWERED",
            Flag::Deleted => "DELETED",
            Flag::Draft => "DRAFT",
            Flag::Flagged => "FLAGGED",
            Flag::Seen => "SEEN",
            // RFC 3501 has RECENT, and OLD for what is not.
            Flag::Recent => {
                self.raw(if negation.is_empty() { "RECENT" } else { "OLD" });
                return Ok(());
            }
            Flag::Keyword(keyword) => {
                self.raw(negation);
                self.raw("KEYWORD ");
                return self.atom(keyword);
            }
            // No key asks for other system flags.
            Flag::Extension(_) => return Err(EncodeError::NotAnAtom),
        };
        self.raw(negation);
        self.raw(word);
        Ok(())
    }

    fn header_key(&mut self, field: &str, text: &[u8]) -> Encode {
        let short = ["BCC", "CC", "FROM", "SUBJECT", "TO"].iter().find(|short| field.eq_ignore_ascii_case(short));
        // An empty text asks for the field's presence, which the short keys do not promise.
        match short.filter(|_| !text.is_empty()) {
            Some(short) => self.raw(short),
            None => {
                self.raw("HEADER ");
                self.astring(field.as_bytes())?;
            }
        }
        self.raw(" ");
        self.string(text)
    }

    fn text_key(&mut self, name: &str, text: &[u8]) -> Encode {
        self.raw(name);
        self.string(text)
    }

    fn number_key(&mut self, name: &str, number: u64) {
        self.raw(name);
        self.number(number);
    }

    /// `date-text`, without quotes
    fn date_key(&mut self, name: &str, date: Date) {
        let civil = CivilDateTime::from_unix(date.unix_days.saturating_mul(SECONDS_PER_DAY), 0);
        self.raw(name);
        self.number(civil.day);
        self.raw("-");
        self.buffer().extend_from_slice(civil.month_name().as_ref());
        self.raw(&format!("-{:04}", civil.year));
    }
}

fn sort_word(key: SortKey) -> &'static str {
    match key {
        SortKey::Arrival => "ARRIVAL",
        SortKey::Cc => "CC",
        SortKey::Date => "DATE",
        SortKey::DisplayFrom => "DISPLAYFROM",
        SortKey::DisplayTo => "DISPLAYTO",
        SortKey::From => "FROM",
        SortKey::Size => "SIZE",
        SortKey::Subject => "SUBJECT",
        SortKey::To => "TO",
    }
}
