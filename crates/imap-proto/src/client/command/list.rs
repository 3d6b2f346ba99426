//! SELECT, EXAMINE, LIST and STATUS (RFC 9051 §6.3, RFC 7162 §3, RFC 5258, RFC 5819, RFC 6154).

use super::Encode;
use super::writer::Writer;
use crate::command::{List, ListSelection, Qresync, Select, StatusItem};

impl Writer<'_> {
    /// `select / examine`
    pub(super) fn select(&mut self, name: &str, select: &Select) -> Encode {
        self.raw(name);
        self.raw(" ");
        self.mailbox(&select.mailbox)?;
        match (select.condstore, &select.qresync) {
            (false, None) => {}
            (true, None) => self.raw(" (CONDSTORE)"),
            (condstore, Some(qresync)) => {
                self.raw(if condstore { " (CONDSTORE QRESYNC " } else { " (QRESYNC " });
                self.qresync(qresync)?;
                self.raw(")");
            }
        }
        Ok(())
    }

    /// `select-param =/ "QRESYNC" SP "(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")"`
    fn qresync(&mut self, qresync: &Qresync) -> Encode {
        self.raw("(");
        self.number(qresync.uid_validity);
        self.raw(" ");
        self.number(qresync.modseq);
        if let Some(known) = &qresync.known_uids {
            self.raw(" ");
            self.set(known)?;
        }
        if let Some((sequence, uids)) = &qresync.sequence_match {
            self.raw(" (");
            self.set(sequence)?;
            self.raw(" ");
            self.set(uids)?;
            self.raw(")");
        }
        self.raw(")");
        Ok(())
    }

    /// `list`, in the basic form unless an option or several patterns are asked for
    pub(super) fn list_command(&mut self, list: &List) -> Encode {
        self.raw("LIST ");
        let selection = selection_words(&list.selection);
        if !selection.is_empty() {
            self.words(&selection)?;
            self.raw(" ");
        }
        self.string(&list.reference)?;
        self.raw(" ");
        match list.patterns.as_slice() {
            [pattern] => self.string(pattern)?,
            patterns => self.parenthesised(patterns, |writer, pattern| writer.string(pattern))?,
        }
        self.return_options(list, selection.is_empty() && list.patterns.len() == 1)
    }

    fn return_options(&mut self, list: &List, looks_basic: bool) -> Encode {
        let mut words = Vec::new();
        for (wanted, word) in [
            (list.returns.subscribed, "SUBSCRIBED"),
            (list.returns.children, "CHILDREN"),
            (list.returns.special_use, "SPECIAL-USE"),
        ] {
            words.extend(wanted.then_some(word));
        }
        match (&list.returns.status, words.as_slice()) {
            (None, []) => {
                // RFC 5258 §3: any sign of the extended syntax, such as this one, makes the command extended.
                self.raw(if list.extended && looks_basic { " RETURN ()" } else { "" });
                return Ok(());
            }
            (None, words) => {
                self.raw(" RETURN ");
                return self.words(words);
            }
            (Some(_), []) => self.raw(" RETURN (STATUS "),
            (Some(_), words) => {
                self.raw(" RETURN (");
                self.raw(&words.join(" "));
                self.raw(" STATUS ");
            }
        }
        self.status_items(list.returns.status.as_deref().unwrap_or_default())?;
        self.raw(")");
        Ok(())
    }

    fn words(&mut self, words: &[&str]) -> Encode {
        self.parenthesised(words, |writer, word| {
            writer.raw(word);
            Ok(())
        })
    }

    pub(super) fn status_items(&mut self, items: &[StatusItem]) -> Encode {
        self.parenthesised(items, |writer, item| {
            writer.raw(match item {
                StatusItem::Messages => "MESSAGES",
                StatusItem::Recent => "RECENT",
                StatusItem::UidNext => "UIDNEXT",
                StatusItem::UidValidity => "UIDVALIDITY",
                StatusItem::Unseen => "UNSEEN",
                StatusItem::Deleted => "DELETED",
                StatusItem::Size => "SIZE",
                StatusItem::HighestModseq => "HIGHESTMODSEQ",
                StatusItem::AppendLimit => "APPENDLIMIT",
                StatusItem::MailboxId => "MAILBOXID",
            });
            Ok(())
        })
    }
}

fn selection_words(selection: &ListSelection) -> Vec<&'static str> {
    let all = [
        (selection.subscribed, "SUBSCRIBED"),
        (selection.remote, "REMOTE"),
        (selection.recursive_match, "RECURSIVEMATCH"),
        (selection.special_use, "SPECIAL-USE"),
    ];
    all.iter().filter(|(wanted, _)| *wanted).map(|&(_, word)| word).collect()
}
