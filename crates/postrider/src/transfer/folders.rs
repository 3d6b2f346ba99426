//! Which mailbox a folder of files goes to.

use std::collections::{BTreeSet, HashMap};

use postrider_archive::{self as archive, Folder};
use postrider_store::{AccountState, BlobHash, INBOX, SEPARATOR, SpecialUse, StoreOptions};

/// Where a folder's messages go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// The mailbox's name.
    pub name: String,
    /// What it is for, if it has to be made.
    pub special_use: Option<SpecialUse>,
}

/// The targets of all folders, which stand in the order of their names.
///
/// A folder with a special use goes to the account's mailbox of that use, whatever that is called; only the first one of
/// each use, so that "Sent" and "Sent Items" stay apart. Folders below it follow it. All others keep their names.
pub(super) fn targets(
    folders: &[Folder],
    state: &AccountState,
    under: Option<&str>,
    options: &StoreOptions,
) -> Vec<Target> {
    let mut uses = BTreeSet::new();
    let mut moved: HashMap<&[String], String> = HashMap::new();
    let mut targets = Vec::with_capacity(folders.len());
    for folder in folders {
        // Below another mailbox it is a copy of something old, and the account's own is another.
        let wanted = folder.special_use.filter(|_| under.is_none()).map(special_use);
        let special_use = wanted.filter(|kind| uses.insert(*kind));
        let own = special_use.and_then(|kind| state.find_special(kind));
        let name = match own {
            Some(mailbox) => {
                moved.insert(&folder.name, mailbox.record.name.clone());
                mailbox.record.name.clone()
            }
            None => legal_name(&levels_of(&folder.name, &moved, under), options),
        };
        targets.push(Target { name, special_use });
    }
    targets
}

/// The levels of a folder's mailbox, legal or not.
fn levels_of(name: &[String], moved: &HashMap<&[String], String>, under: Option<&str>) -> Vec<String> {
    let split = |text: &str| text.split(SEPARATOR).map(str::to_owned).collect::<Vec<_>>();
    for end in (1..name.len()).rev() {
        let (above, below) = name.split_at(end);
        if let Some(new) = moved.get(above) {
            return [split(new), below.to_vec()].concat();
        }
    }
    let above = under.map(|under| under.trim_matches(SEPARATOR)).filter(|under| !under.is_empty());
    [above.map(split).unwrap_or_default(), name.to_vec()].concat()
}

/// A name that the store takes, as near to the wanted one as can be.
fn legal_name(levels: &[String], options: &StoreOptions) -> String {
    let mut levels: Vec<String> = levels.iter().map(|level| legal_level(level)).collect();
    let levels_max = options.mailbox_levels_max.max(1);
    if levels.len() > levels_max {
        let deepest = levels.split_off(levels_max - 1);
        levels.push(deepest.join("_"));
    }
    if let Some(first) = levels.first_mut().filter(|first| first.eq_ignore_ascii_case(INBOX)) {
        INBOX.clone_into(first);
    }
    let name = levels.join(&SEPARATOR.to_string());
    if name.len() <= options.mailbox_name_bytes_max {
        return name;
    }
    // What is cut off must not make two names one.
    let end = format!("-{:.8}", BlobHash::of(name.as_bytes()).to_string());
    let mut cut = options.mailbox_name_bytes_max.saturating_sub(end.len());
    while !name.is_char_boundary(cut) {
        cut -= 1;
    }
    let kept = name.get(..cut).unwrap_or_default().trim_end_matches(SEPARATOR);
    format!("{kept}{end}")
}

fn legal_level(level: &str) -> String {
    let is_bad = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | SEPARATOR);
    let level: String = level.chars().map(|c| if is_bad(c) { '_' } else { c }).collect();
    match level.as_str() {
        "" | "." => "_".to_owned(),
        ".." => "__".to_owned(),
        _ => level,
    }
}

/// What the store calls a special use.
fn special_use(kind: archive::SpecialUse) -> SpecialUse {
    match kind {
        archive::SpecialUse::Archive => SpecialUse::Archive,
        archive::SpecialUse::Drafts => SpecialUse::Drafts,
        archive::SpecialUse::Junk => SpecialUse::Junk,
        archive::SpecialUse::Sent => SpecialUse::Sent,
        archive::SpecialUse::Trash => SpecialUse::Trash,
    }
}

/// What files call it.
pub(super) fn file_special_use(kind: SpecialUse) -> archive::SpecialUse {
    match kind {
        SpecialUse::Archive => archive::SpecialUse::Archive,
        SpecialUse::Drafts => archive::SpecialUse::Drafts,
        SpecialUse::Junk => archive::SpecialUse::Junk,
        SpecialUse::Sent => archive::SpecialUse::Sent,
        SpecialUse::Trash => archive::SpecialUse::Trash,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_legal() {
        let options = StoreOptions { mailbox_levels_max: 3, mailbox_name_bytes_max: 20, ..StoreOptions::default() };
        for (levels, expected) in [
            (&["inbox", "a"][..], "INBOX/a"),
            (&[".", "..", "x\u{2028}y"], "_/__/x_y"),
            (&["a", "b", "c", "d"], "a/b/c_d"),
        ] {
            let levels: Vec<String> = levels.iter().map(|level| (*level).to_owned()).collect();
            assert_eq!(legal_name(&levels, &options), expected);
        }
        let long = |end: &str| legal_name(&[format!("größergrößer größer{end}")], &options);
        assert_ne!(long("1"), long("2"));
        assert!(long("1").len() <= 20, "{}", long("1"));
    }

    #[test]
    fn folders_below_one_that_moved_follow_it() {
        let above = vec!["Sent Items".to_owned()];
        let moved = HashMap::from([(above.as_slice(), "Sent".to_owned())]);
        let name = ["Sent Items".to_owned(), "2019".to_owned()];
        assert_eq!(levels_of(&name, &moved, None), ["Sent", "2019"]);
        assert_eq!(levels_of(&name, &HashMap::new(), Some("/Old/")), ["Old", "Sent Items", "2019"]);
    }
}
