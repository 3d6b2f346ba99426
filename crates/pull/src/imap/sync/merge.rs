//! What two sides that changed come to: pure, one message at a time.
//!
//! The base is what both sides had when they last agreed. A flag is a thing of its own: whoever changed it since then
//! wins, and as it can only be there or not, two that both changed it agree. Where there is no base, because the two were
//! only now recognised as one, no flag is lost. A removal is followed unless the other side changed the message meanwhile:
//! then the change is the newer word, and the message stays. `\Deleted` is no such change: it is how IMAP removes.

use crate::imap::flags::FlagSet;

/// One side's view of a message, as it is now.
pub(crate) type Side<'a> = Option<&'a FlagSet>;

/// What is to be done for a message that both sides had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Both have it; it is to have these flags.
    Keep(FlagSet),
    /// It was removed there, and goes here.
    RemoveHere,
    /// It was removed here, and goes there.
    RemoveThere,
    /// It was removed there and changed here: it goes there again.
    SendAgain,
    /// It was removed here and changed there: it comes here again.
    FetchAgain,
    /// Both removed it.
    Forget,
}

/// Decides. The flags of a side are given as far as the other side can have them: what cannot be told there is no change.
pub(crate) fn decide(base: &FlagSet, here: Side<'_>, there: Side<'_>) -> Decision {
    match (here, there) {
        (Some(here), Some(there)) => Decision::Keep(merge(base, here, there)),
        (Some(here), None) if is_changed(base, here) => Decision::SendAgain,
        (Some(_), None) => Decision::RemoveHere,
        (None, Some(there)) if is_changed(base, there) => Decision::FetchAgain,
        (None, Some(_)) => Decision::RemoveThere,
        (None, None) => Decision::Forget,
    }
}

/// Flag by flag: what one side alone changed since the base is as that side has it.
pub(crate) fn merge(base: &FlagSet, here: &FlagSet, there: &FlagSet) -> FlagSet {
    let kept = here.intersection(there);
    let added = here.union(there).without(base);
    kept.union(&added)
}

fn is_changed(base: &FlagSet, now: &FlagSet) -> bool {
    base.clone().without_deleted() != now.clone().without_deleted()
}

#[cfg(test)]
mod tests {
    use postrider_store::Flag;
    use proptest::prelude::*;

    use super::*;

    /// `S`een, `F`lagged, `A`nswered, `D`eleted, and keywords in small letters.
    fn flags(text: &str) -> FlagSet {
        let flags: Vec<Flag> = text
            .chars()
            .map(|letter| match letter {
                'S' => Flag::Seen,
                'F' => Flag::Flagged,
                'A' => Flag::Answered,
                'D' => Flag::Deleted,
                keyword => Flag::Keyword(keyword.to_string()),
            })
            .collect();
        FlagSet::from_store(&flags)
    }

    #[test]
    fn the_table_of_conflicts() {
        use Decision::{FetchAgain, Forget, RemoveHere, RemoveThere, SendAgain};
        let keep = |text: &str| Decision::Keep(flags(text));
        for (base, here, there, expected) in [
            // Nothing changed.
            ("", Some(""), Some(""), keep("")),
            ("Sk", Some("Sk"), Some("Sk"), keep("Sk")),
            // Added on one side.
            ("", Some("S"), Some(""), keep("S")),
            ("", Some(""), Some("S"), keep("S")),
            ("S", Some("Sk"), Some("S"), keep("Sk")),
            // Removed on one side.
            ("S", Some(""), Some("S"), keep("")),
            ("Sk", Some("Sk"), Some("k"), keep("k")),
            // Different flags on both sides.
            ("", Some("S"), Some("F"), keep("SF")),
            ("SF", Some("S"), Some("F"), keep("")),
            ("S", Some("SA"), Some(""), keep("A")),
            ("Sk", Some("SkF"), Some("Skj"), keep("SkFj")),
            // The same on both sides.
            ("", Some("S"), Some("S"), keep("S")),
            ("S", Some(""), Some(""), keep("")),
            // Marked as deleted is a flag as others are.
            ("S", Some("SD"), Some("S"), keep("SD")),
            ("SD", Some("S"), Some("SDF"), keep("SF")),
            // Removed on one side, untouched on the other.
            ("S", None, Some("S"), RemoveThere),
            ("S", Some("S"), None, RemoveHere),
            ("", None, Some(""), RemoveThere),
            // Removed on one side, changed on the other: the change wins.
            ("S", None, Some("SF"), FetchAgain),
            ("S", None, Some(""), FetchAgain),
            ("S", Some("SF"), None, SendAgain),
            ("", Some("k"), None, SendAgain),
            // To be marked as deleted keeps nothing alive, nor does it to be unmarked.
            ("S", None, Some("SD"), RemoveThere),
            ("S", Some("SD"), None, RemoveHere),
            ("SD", Some("S"), None, RemoveHere),
            ("S", Some("SDF"), None, SendAgain),
            // Removed on both.
            ("S", None, None, Forget),
        ] {
            let (here_flags, there_flags) = (here.map(flags), there.map(flags));
            let decision = decide(&flags(base), here_flags.as_ref(), there_flags.as_ref());
            assert_eq!(decision, expected, "{base:?} {here:?} {there:?}");
        }
    }

    #[test]
    fn two_that_are_only_now_one_lose_no_flag() {
        let (here, there) = (flags("SFk"), flags("FA"));
        assert_eq!(merge(&here.intersection(&there), &here, &there), flags("SFkA"));
    }

    proptest! {
        #[test]
        fn a_merge_is_the_same_from_both_sides_and_settles(base in "[SFADkj]{0,5}", here in "[SFADkj]{0,5}", there in "[SFADkj]{0,5}") {
            let (base, here, there) = (flags(&base), flags(&here), flags(&there));
            let merged = merge(&base, &here, &there);
            prop_assert_eq!(&merged, &merge(&base, &there, &here));
            prop_assert_eq!(&merged, &merge(&merged, &merged, &merged));
            // A run that was interrupted after one side was changed comes to the same.
            prop_assert_eq!(&merged, &merge(&base, &merged, &there));
            prop_assert_eq!(&merged, &merge(&base, &here, &merged));
        }
    }
}
