//! What is true of each command, in one table: the dispatcher and the order of responses follow from it.

use postrider_imap_proto::command::{CommandBody, Numbering};

/// The state of a connection that a command needs (RFC 9051 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// It works always.
    Nothing,
    /// Nobody may be logged in.
    NotAuthenticated,
    /// Somebody must be logged in.
    Authenticated,
    /// A mailbox must be selected.
    Selected,
}

/// What may be told while the command is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tells {
    /// No news of the mailbox.
    Nothing,
    /// News, but no EXPUNGE: the client counts on sequence numbers while it waits (RFC 9051 §7.5.1).
    NoExpunge,
    /// All news.
    Everything,
}

/// The facts about a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) name: &'static str,
    pub(crate) needs: Needs,
    pub(crate) tells: Tells,
}

/// Looks the command up.
pub(crate) fn facts(command: &CommandBody) -> Facts {
    use CommandBody as C;
    use Needs::{Authenticated, NotAuthenticated, Nothing, Selected};
    use Tells::{Everything, NoExpunge};
    // UID forms name messages in a way that no EXPUNGE can shift.
    let by_number = |numbering: Numbering| match numbering {
        Numbering::Sequence => NoExpunge,
        Numbering::Uid => Everything,
    };
    let (name, needs, tells) = match command {
        C::Capability => ("CAPABILITY", Nothing, Everything),
        C::Noop => ("NOOP", Nothing, Everything),
        C::Logout => ("LOGOUT", Nothing, Tells::Nothing),
        C::Id(_) => ("ID", Nothing, Everything),
        C::StartTls => ("STARTTLS", NotAuthenticated, Tells::Nothing),
        C::Authenticate { .. } => ("AUTHENTICATE", NotAuthenticated, Tells::Nothing),
        C::Login { .. } => ("LOGIN", NotAuthenticated, Tells::Nothing),
        C::Unauthenticate => ("UNAUTHENTICATE", Authenticated, Tells::Nothing),
        C::Enable(_) => ("ENABLE", Authenticated, Everything),
        C::Select(_) => ("SELECT", Authenticated, Tells::Nothing),
        C::Examine(_) => ("EXAMINE", Authenticated, Tells::Nothing),
        C::Create { .. } => ("CREATE", Authenticated, Everything),
        C::Delete(_) => ("DELETE", Authenticated, Everything),
        C::Rename { .. } => ("RENAME", Authenticated, Everything),
        C::Subscribe(_) => ("SUBSCRIBE", Authenticated, Everything),
        C::Unsubscribe(_) => ("UNSUBSCRIBE", Authenticated, Everything),
        C::List(_) => ("LIST", Authenticated, Everything),
        C::Lsub { .. } => ("LSUB", Authenticated, Everything),
        C::Namespace => ("NAMESPACE", Authenticated, Everything),
        C::Status { .. } => ("STATUS", Authenticated, Everything),
        C::Append { .. } => ("APPEND", Authenticated, Everything),
        C::Idle => ("IDLE", Authenticated, Everything),
        C::Check => ("CHECK", Selected, Everything),
        C::Close => ("CLOSE", Selected, Tells::Nothing),
        C::Unselect => ("UNSELECT", Selected, Tells::Nothing),
        C::Expunge(_) => ("EXPUNGE", Selected, Everything),
        C::Search(search) => ("SEARCH", Selected, by_number(search.numbering)),
        C::Sort(sort) => ("SORT", Selected, by_number(sort.search.numbering)),
        C::Thread(thread) => ("THREAD", Selected, by_number(thread.search.numbering)),
        C::Fetch(fetch) => ("FETCH", Selected, by_number(fetch.numbering)),
        C::Store(store) => ("STORE", Selected, by_number(store.numbering)),
        C::Copy(_) => ("COPY", Selected, Everything),
        C::Move(_) => ("MOVE", Selected, Everything),
    };
    Facts { name, needs, tells }
}
