//! A repository that can be opened.

use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustic_core::{
    ConfigOptions, Credentials, FileType, Id, IndexedFullStatus, IndexedIdsStatus, KeyOptions, OpenStatus,
    Repository as Library, RepositoryBackends, RepositoryOptions, RusticError, RusticResult, WriteBackend,
    repofile::MasterKey,
};

use crate::{
    blocking::blocking,
    error::BackupError,
    gate::{Gate, Ledger},
    leftovers,
    location::{Location, Passphrase},
    unfinished::Unfinished,
};

/// A repository, its passphrase proven. Cheap to clone; holds no files open between calls.
///
/// Reading calls may go on beside everything else: files in a repository are written once and removed only by
/// [`Repository::prune`], and there not before they were marked for a while. Of calls that write, runs and prunes, one goes on at a
/// time, also across processes if the repository is a folder; a second one is told [`BackupError::Busy`].
#[derive(Clone)]
pub struct Repository {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    site: Site,
    /// As it stands in messages.
    pub(crate) name: String,
    credentials: Credentials,
    writing: Arc<tokio::sync::Mutex<()>>,
}

/// Where a repository is, and how its files are reached.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) name: String,
    pub(crate) folder: Option<PathBuf>,
    pub(crate) storage: Storage,
}

/// Gives access to files.
pub(crate) type Storage = Arc<dyn Fn() -> Result<Arc<dyn WriteBackend>, BackupError> + Send + Sync>;

impl Site {
    pub(crate) fn new(location: Location) -> Self {
        let name = location.to_string();
        let folder = location.as_folder().map(Path::to_owned);
        let told = name.clone();
        let storage = move || {
            let backends = location.backend_options()?.to_backends();
            Ok(backends.map_err(|error| BackupError::of_library(&told, &error))?.repository())
        };
        Self { name, folder, storage: Arc::new(storage) }
    }
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Repository({})", self.inner.name)
    }
}

impl Repository {
    /// Makes a repository (version 2, which restic reads from 0.14 on) and opens it. Without the passphrase nobody
    /// ever opens it again. If it fails, what it made in a folder is removed again; what one that was killed left there is gone
    /// on with.
    ///
    /// # Errors
    /// [`BackupError::RepositoryExists`]; [`BackupError::BadLocation`] for a folder in which something else lies;
    /// [`BackupError::Busy`] while another one is at it.
    pub async fn init(location: Location, passphrase: &Passphrase) -> Result<Self, BackupError> {
        let credentials = Credentials::password(passphrase.expose());
        blocking(move |_| init(Site::new(location), &credentials)).await
    }

    /// Opens a repository.
    ///
    /// # Errors
    /// [`BackupError::NoRepository`], [`BackupError::WrongPassphrase`].
    pub async fn open(location: Location, passphrase: &Passphrase) -> Result<Self, BackupError> {
        let credentials = Credentials::password(passphrase.expose());
        blocking(move |_| open(Site::new(location), &credentials)).await
    }

    /// Adds a passphrase that opens the repository too.
    pub async fn add_passphrase(&self, passphrase: &Passphrase) -> Result<(), BackupError> {
        let (inner, passphrase) = (Arc::clone(&self.inner), passphrase.clone());
        blocking(move |_| {
            let library = inner.open(&Arc::default())?;
            library.add_key(passphrase.expose(), &KeyOptions::default()).map(drop).map_err(|e| inner.error(&e))
        })
        .await
    }

    /// Where it is, as it stands in messages.
    pub fn location(&self) -> &str {
        &self.inner.name
    }
}

/// Makes a repository.
pub(crate) fn init(site: Site, credentials: &Credentials) -> Result<Repository, BackupError> {
    let Some(folder) = site.folder.clone() else { return make(site, credentials) };
    let was_there = folder.try_exists().unwrap_or(true);
    // Where this fails the library says why.
    let _ = std::fs::create_dir_all(&folder);
    let _alone = lock_folder(&folder, &site.name)?;
    let is_repository = || folder.join(FileType::Config.dirname()).exists();
    if is_repository() {
        return make(site, credentials);
    }
    let name = site.name.clone();
    match Unfinished::find(&folder) {
        Ok(Some(unfinished)) => unfinished
            .remove_files()
            .map_err(|error| BackupError::NotWritable { location: name.clone(), reason: error.to_string() })?,
        Ok(None) => {
            let reason = String::from("the folder is not empty, and what is in it is no repository");
            return Err(BackupError::BadLocation { location: name, reason });
        }
        Err(_) => return make(site, credentials),
    }
    make(site, credentials).inspect_err(|_| {
        if !is_repository()
            && let Err(error) = remove_unfinished(&folder, was_there)
        {
            tracing::warn!(%error, "cannot remove what was made at {name} of a backup repository");
        }
    })
}

/// Removes what was made in a folder, and the folder if it was made, too.
fn remove_unfinished(folder: &Path, was_there: bool) -> io::Result<()> {
    let Some(unfinished) = Unfinished::find(folder)? else { return Ok(()) };
    unfinished.remove()?;
    if was_there { Ok(()) } else { std::fs::remove_dir(folder) }
}

/// Keeps others of ours from making a repository in the folder at the same time: each would take the other's for left behind.
fn lock_folder(folder: &Path, name: &str) -> Result<Option<File>, BackupError> {
    let Ok(file) = File::open(folder) else { return Ok(None) };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(BackupError::Busy { location: name.to_owned() }),
        // Not every network file system has locks.
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

fn make(site: Site, credentials: &Credentials) -> Result<Repository, BackupError> {
    let failed = |error: Box<RusticError>| BackupError::of_library(&site.name, &error);
    let library = new_library(&site, &Arc::default())?;
    if library.config_id().map_err(failed)?.is_some() {
        return Err(BackupError::RepositoryExists { location: site.name });
    }
    let made = library.init(credentials, &KeyOptions::default(), &ConfigOptions::default()).map_err(failed)?;
    Ok(Repository::new(site, made.key()))
}

/// Opens a repository.
pub(crate) fn open(site: Site, credentials: &Credentials) -> Result<Repository, BackupError> {
    let failed = |error: Box<RusticError>| BackupError::of_library(&site.name, &error);
    let library = new_library(&site, &Arc::default())?;
    if library.config_id().map_err(failed)?.is_none() {
        if site.folder.is_none() {
            return Err(why_no_repository(&site));
        }
        let refusal = site.folder.as_deref().and_then(|folder| std::fs::read_dir(folder).err());
        return Err(match refusal.filter(|error| error.kind() != io::ErrorKind::NotFound) {
            Some(error) => BackupError::NotWritable { location: site.name, reason: error.to_string() },
            None => BackupError::NoRepository { location: site.name },
        });
    }
    let opened = library.open(credentials).map_err(failed)?;
    Ok(Repository::new(site, opened.key()))
}

/// What a place that is no folder says when asked for the file that every repository has. Some answer "there is none" to
/// whatever goes wrong when they are only asked whether it is there.
fn why_no_repository(site: &Site) -> BackupError {
    let asked = (site.storage)().map(|storage| storage.read_full(FileType::Config, &Id::default()));
    match asked {
        Err(error) => error,
        Ok(Err(error)) => match BackupError::of_library(&site.name, &error) {
            BackupError::Storage { reason, .. } if is_absence(&reason) => {
                BackupError::NoRepository { location: site.name.clone() }
            }
            other => other,
        },
        Ok(Ok(_)) => BackupError::NoRepository { location: site.name.clone() },
    }
}

fn is_absence(reason: &str) -> bool {
    let reason = reason.to_ascii_lowercase();
    ["404", "not found", "notfound", "nosuchkey"].iter().any(|word| reason.contains(word))
}

fn new_library(site: &Site, ledger: &Arc<Ledger>) -> Result<Library<()>, BackupError> {
    let gate = Gate {
        inner: (site.storage)()?,
        location: site.name.clone(),
        folder: site.folder.clone(),
        ledger: Arc::clone(ledger),
    };
    let backends = RepositoryBackends::new(Arc::new(gate), None);
    // A cache would lie in somebody's home folder, and folders do not need one.
    let options = RepositoryOptions::default().no_cache(true);
    Library::new(&options, &backends).map_err(|error| BackupError::of_library(&site.name, &error))
}

impl Repository {
    fn new(site: Site, key: MasterKey) -> Self {
        let (name, writing) = (site.name.clone(), Arc::default());
        // Deriving a key from a passphrase is slow by design, and the passphrase need not stay in memory.
        let credentials = Credentials::Masterkey(key);
        Self { inner: Arc::new(Inner { site, name, credentials, writing }) }
    }
}

/// While it lives nobody else writes.
pub(crate) struct Writing {
    _here: tokio::sync::OwnedMutexGuard<()>,
    /// The lock, where there is one.
    elsewhere: Option<File>,
}

impl Inner {
    pub(crate) fn error(&self, error: &RusticError) -> BackupError {
        BackupError::of_library(&self.name, error)
    }

    pub(crate) fn checked<T>(&self, outcome: RusticResult<T>) -> Result<T, BackupError> {
        outcome.map_err(|error| self.error(&error))
    }

    pub(crate) fn damaged(&self, what: impl Into<String>) -> BackupError {
        BackupError::Damaged { location: self.name.clone(), what: what.into() }
    }

    /// Opens it; what is written is noted in `ledger`.
    pub(crate) fn open(&self, ledger: &Arc<Ledger>) -> Result<Library<OpenStatus>, BackupError> {
        let library = new_library(&self.site, ledger)?;
        let config = self.checked(library.config_id())?;
        if config.is_none() {
            return Err(BackupError::NoRepository { location: self.name.clone() });
        }
        self.checked(library.open(&self.credentials))
    }

    /// Opens it with an index of all that it holds.
    pub(crate) fn open_to_read(&self) -> Result<Library<IndexedFullStatus>, BackupError> {
        self.checked(self.open(&Arc::default())?.to_indexed())
    }

    /// Opens it with an index of names, which is what writing needs.
    pub(crate) fn open_to_write(&self, ledger: &Arc<Ledger>) -> Result<Library<IndexedIdsStatus>, BackupError> {
        self.checked(self.open(ledger)?.to_indexed_ids())
    }

    /// The files, without any check.
    pub(crate) fn storage(&self) -> Result<Arc<dyn WriteBackend>, BackupError> {
        (self.site.storage)()
    }

    /// Takes the right to write.
    pub(crate) fn begin_writing(&self) -> Result<Writing, BackupError> {
        let busy = || BackupError::Busy { location: self.name.clone() };
        let here = Arc::clone(&self.writing).try_lock_owned().map_err(|_| busy())?;
        let Some(folder) = &self.site.folder else {
            return Ok(Writing { _here: here, elsewhere: None });
        };
        // The lock is on a file that is there anyway: others than ours have no name in a repository.
        let file = match File::open(folder.join(FileType::Config.dirname())) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(BackupError::NoRepository { location: self.name.clone() });
            }
            Err(error) => {
                return Err(BackupError::NotWritable { location: self.name.clone(), reason: error.to_string() });
            }
        };
        match file.try_lock() {
            Ok(()) => Ok(Writing { _here: here, elsewhere: Some(file) }),
            Err(TryLockError::WouldBlock) => Err(busy()),
            // Not every network file system has locks; one run at a time in this process is still ours to see to.
            Err(TryLockError::Error(_)) => Ok(Writing { _here: here, elsewhere: None }),
        }
    }

    /// Removes what a run that was killed left behind. Failing to do so harms nothing but the space.
    pub(crate) fn remove_leftovers(&self, writing: &Writing) {
        let Some(folder) = &self.site.folder else { return };
        let age = if writing.elsewhere.is_some() { leftovers::AGE } else { leftovers::AGE_UNLOCKED };
        match leftovers::remove(folder, age) {
            Ok(removed) if removed.files > 0 => {
                let (files, bytes) = (removed.files, removed.bytes);
                tracing::info!(files, bytes, "removed half-written files that a backup which was killed left behind");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "cannot remove what a backup that was killed left behind"),
        }
    }
}
