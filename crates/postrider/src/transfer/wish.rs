//! What is asked for, as it goes over the control socket.

use std::path::PathBuf;

use clap::ValueEnum;
use postrider_archive::{Format, Packing, WriteFormat};
use serde::{Deserialize, Serialize};

/// Files to be imported: `POST /v1/import`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportWish {
    /// The address of the account.
    pub account: String,
    /// Where the files are; absolute, since the server has a folder of its own.
    pub path: PathBuf,
    /// The mailbox below which everything goes.
    pub under: Option<String>,
    /// What the files are.
    pub form: SourceForm,
    /// Only look, and tell what would be done.
    pub dry_run: bool,
    /// Begin anew, passing over what is there.
    pub again: bool,
    /// Keep neither UIDs nor POP3 unique-ids.
    pub new_uids: bool,
    /// Dovecot's `pop3_uidl_format`.
    pub pop3_uidl_format: String,
}

/// Mail to be exported: `POST /v1/export`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportWish {
    /// The address of the account.
    pub account: String,
    /// Where the files go; absolute.
    pub path: PathBuf,
    /// What the files are.
    pub form: TargetForm,
    /// In what they lie.
    pub pack: Pack,
    /// Which mailboxes; all if there is no pattern.
    pub mailboxes: Vec<String>,
    /// Whether what is there is replaced.
    pub replace: bool,
}

/// The forms in which mail is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum SourceForm {
    /// Whatever is found, also several forms together
    #[default]
    Detect,
    /// Mbox files: Thunderbird, Google Takeout, mutt, Eudora
    Mbox,
    /// Maildir: Dovecot, Courier, mutt
    Maildir,
    /// One message in each file: .eml, and MH folders
    Eml,
    /// Apple Mail
    Emlx,
    /// What `postrider export` writes
    Tree,
}

impl From<SourceForm> for Format {
    fn from(form: SourceForm) -> Self {
        match form {
            SourceForm::Detect => Self::Detect,
            SourceForm::Mbox => Self::Mbox,
            SourceForm::Maildir => Self::Maildir,
            SourceForm::Eml => Self::Eml,
            SourceForm::Emlx => Self::Emlx,
            SourceForm::Tree => Self::Tree,
        }
    }
}

/// The forms in which mail is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum TargetForm {
    /// Folders of .eml files, each with a folder.json: holds everything
    #[default]
    Tree,
    /// Maildir++ with Dovecot's files for UIDs and keywords
    Maildir,
    /// Mbox files, in folders as Thunderbird has them; a PATH that ends in .mbox is one file for one mailbox
    Mbox,
}

impl TargetForm {
    /// What the archive calls it; an mbox may be one file.
    pub(super) fn write_format(self, path: &std::path::Path) -> WriteFormat {
        match self {
            Self::Tree => WriteFormat::Tree,
            Self::Maildir => WriteFormat::Maildir,
            Self::Mbox if path.extension().is_some_and(|end| end.eq_ignore_ascii_case("mbox")) => WriteFormat::MboxFile,
            Self::Mbox => WriteFormat::Mbox,
        }
    }
}

/// In what exported files lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Pack {
    /// A folder
    #[default]
    Folder,
    /// One tar file
    Tar,
    /// One zip file
    Zip,
}

impl From<Pack> for Packing {
    fn from(pack: Pack) -> Self {
        match pack {
            Pack::Folder => Self::Directory,
            Pack::Tar => Self::Tar,
            Pack::Zip => Self::Zip,
        }
    }
}
