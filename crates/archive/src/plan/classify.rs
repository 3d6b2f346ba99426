//! What a file or directory is, going by its name, its neighbours and its first bytes.

use crate::{
    error::ArchiveError,
    finding::begins_with_field,
    options::{Format, ReadOptions},
    tree::{Container, DirectoryId, FileId, METADATA_NAMES, Tree},
};

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    Mbox,
    Eml,
    Emlx,
    /// Mail in a form that we do not read, and what to do instead.
    Foreign(&'static str, &'static str),
    /// A mail program's own file beside the mail.
    Sidecar,
    Other,
}

/// Endings of files that mail programs put beside mail.
const SIDECAR_ENDS: [&str; 14] = [
    ".msf",
    ".lock",
    ".cmeta",
    ".ibex.index",
    ".ibex.index.data",
    ".ev-summary",
    ".ev-summary-meta",
    ".plist",
    ".rc",
    ".dat",
    ".idx",
    ".emlxpart",
    ".sqlite",
    ".mozmsgs",
];

const FOREIGN_ENDS: [(&str, &str, &str); 5] = [
    (".pst", "an Outlook data file", "export it from Outlook, or convert it with readpst to mbox"),
    (".ost", "an Outlook cache", "fetch the mail by IMAP from where Outlook has it"),
    (".olm", "an Outlook for Mac archive", "import it into a mail program and export it as mbox"),
    (".dbx", "an Outlook Express folder", "convert it with readdbx to mbox"),
    (".msg", "an Outlook message", "save it as .eml"),
];

/// How files begin that are packed in a way that is not read.
const PACKED: [(&[u8], &str, &str); 3] = [
    (b"BZh", "a file compressed with bzip2", "unpack it with bunzip2 first, and import what comes out"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it with 7z x first, and import the folder that comes out"),
    (b"Rar!\x1a\x07", "a RAR archive", "unpack it with unrar x first, and import the folder that comes out"),
];

/// What the file is. `id` lies in `directory`.
pub(super) fn classify(
    tree: &Tree,
    options: &ReadOptions,
    directory: DirectoryId,
    id: FileId,
    name: &str,
) -> Result<FileKind, ArchiveError> {
    let lower = name.to_lowercase();
    let wants = |format| matches!(options.format, Format::Detect) || options.format == format;
    let gated = |kind, format| if wants(format) { kind } else { FileKind::Other };
    let alone = matches!(tree.container, Container::File(_));
    if alone && options.format == Format::Mbox {
        return Ok(FileKind::Mbox);
    }
    if lower.ends_with(".emlx") {
        return Ok(gated(FileKind::Emlx, Format::Emlx));
    }
    if lower.ends_with(".eml") || alone && options.format == Format::Eml {
        return Ok(gated(FileKind::Eml, Format::Eml));
    }
    if let Some((_, what, instead)) = FOREIGN_ENDS.iter().find(|(end, ..)| lower.ends_with(end)) {
        return Ok(FileKind::Foreign(what, instead));
    }
    if is_sidecar(&lower) {
        return Ok(FileKind::Sidecar);
    }
    let size = tree.file(id).map_or(0, |file| file.size);
    if size == 0 && !alone {
        // An empty folder; an empty file of another kind is nothing to speak of.
        let is_folder = lower.ends_with(".mbox") || tree.file_in(directory, &format!("{name}.msf")).is_some();
        return Ok(if is_folder { gated(FileKind::Mbox, Format::Mbox) } else { FileKind::Other });
    }
    let head = tree.head(id)?;
    let text = head.trim_ascii_start();
    if text.starts_with(b"From ") || text.is_empty() && alone {
        return Ok(gated(FileKind::Mbox, Format::Mbox));
    }
    let is_numbered = lower.bytes().all(|byte| byte.is_ascii_digit());
    if (is_numbered || alone) && begins_with_field(&head) {
        return Ok(gated(FileKind::Eml, Format::Eml));
    }
    // One packed file among others may be anything; alone it is what was meant as mail.
    let packed = PACKED.iter().find(|(begin, ..)| alone && head.starts_with(begin));
    Ok(match packed {
        _ if head.starts_with(b"!BDN") => {
            FileKind::Foreign("an Outlook data file", "export it from Outlook, or convert it with readpst to mbox")
        }
        Some((_, what, instead)) => FileKind::Foreign(what, instead),
        None => FileKind::Other,
    })
}

fn is_sidecar(lower: &str) -> bool {
    METADATA_NAMES.contains(&lower)
        || SIDECAR_ENDS.iter().any(|end| lower.ends_with(end))
        || ["dovecot", "courierimap", "maildirsize", "maildirfolder", ".", "table_of_contents", "msgfilterrules"]
            .iter()
            .any(|begin| lower.starts_with(begin))
}

/// Whether a directory says nothing about the folders in it: Apple's `V10`, Thunderbird's `Mail` and `ImapMail`.
pub(super) fn is_transparent(name: &str) -> bool {
    let version = name.strip_prefix('V').is_some_and(|digits| digits.parse::<u8>().is_ok());
    version || matches!(name, "Mail" | "ImapMail" | "MailData")
}

/// Whether this is a name as Apple Mail gives it to an account.
pub(super) fn is_uuid(name: &str) -> bool {
    name.len() == 36 && name.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// Whether a directory holds mail of Dovecot's dbox formats.
pub(super) fn is_dbox(tree: &Tree, name: &str, directory: DirectoryId) -> bool {
    let is_numbered =
        |name: &str, letter| name.strip_prefix(letter).is_some_and(|number| number.parse::<u32>().is_ok());
    match name {
        "dbox-Mails" => true,
        "storage" => tree.files_in(directory).any(|(_, file)| is_numbered(&file.name, "m.")),
        _ => false,
    }
}

/// The name of the folder in a file: without what only says how it is kept.
pub(super) fn folder_of_file(name: &str) -> &str {
    let without = |name, ends: &[&str]| {
        let stem_before = |end: &&str| {
            let at = str::len(name).checked_sub(end.len()).filter(|at| *at > 0)?;
            let (stem, ending) = name.split_at_checked(at)?;
            ending.eq_ignore_ascii_case(end).then_some(stem)
        };
        ends.iter().find_map(stem_before).unwrap_or(name)
    };
    let unpacked = without(name, &[".gz", ".zst", ".xz"]);
    without(unpacked, &[".mbox", ".mbx", ".eml", ".emlx", ".tgz", ".tar", ".zip"])
}
