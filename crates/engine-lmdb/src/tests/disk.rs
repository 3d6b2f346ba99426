//! A disk that fails when it is told to, and that loses at a power cut what was not synced.
//!
//! It writes to the real files and remembers, block by block, what they held at their last sync. A power cut puts any
//! of these blocks back, in any mixture, as a disk may that reorders writes; and nothing is written from then on.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{self, IoSlice},
    os::{
        fd::AsRawFd as _,
        unix::fs::{FileExt as _, MetadataExt as _},
    },
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::disk::{Disk, SystemDisk};

/// LMDB needs some room.
const ROOM_TO_APPLY: u64 = 64 << 10;

/// A failure to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A write fails when it has written half of a frame.
    Write,
    /// The same, because the device is full.
    WriteFull,
    /// A sync fails; what it should have made durable is in the file.
    Sync,
}

#[derive(Debug, Default)]
struct State {
    fault: Option<Fault>,
    /// Fails at once, and each time, when LMDB is to be written.
    apply_fault: Option<io::ErrorKind>,
    /// Bytes by which files may grow.
    room: Option<u64>,
    /// Writes and syncs until the power is cut.
    until_cut: Option<u32>,
    is_off: bool,
    keeps_tails: bool,
    /// How much is written at one time.
    write_bytes_max: Option<usize>,
    /// What each file's blocks held when it was last synced; nothing for one beyond its end.
    unsynced: HashMap<u64, BTreeMap<u64, Vec<u8>>>,
    syncs: u64,
}

/// The disk.
#[derive(Debug)]
pub(crate) struct TestDisk {
    block_bytes: u64,
    state: Mutex<State>,
}

impl TestDisk {
    /// A disk that works, with blocks of this size.
    pub fn new(block_bytes: u64) -> Self {
        Self { block_bytes, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a failure come once, when a frame is next written or synced, or none.
    pub fn fail_once(&self, fault: Option<Fault>) {
        self.lock().fault = fault;
    }

    /// Lets files grow by so many bytes in all, and what is cut off them; LMDB is not counted, but does nothing on a full
    /// disk.
    pub fn leave_room(&self, bytes: Option<u64>) {
        self.lock().room = bytes;
    }

    /// Lets no transaction of LMDB through while there is an error.
    pub fn fail_applying(&self, error: Option<io::ErrorKind>) {
        self.lock().apply_fault = error;
    }

    /// Writes no more than this at one time.
    pub fn cut_writes(&self, bytes_max: usize) {
        self.lock().write_bytes_max = Some(bytes_max);
    }

    /// Cuts the power after so many more writes and syncs.
    pub fn cut_power_after(&self, operations: u32) {
        self.lock().until_cut = Some(operations);
    }

    /// Keeps what is behind the last frame of a file, as a disk may from which the power is cut before that is gone.
    pub fn keep_tails(&self) {
        self.lock().keeps_tails = true;
    }

    /// Cuts the power now.
    pub fn cut_power(&self) {
        self.lock().is_off = true;
    }

    /// Has the power on again. What was not synced may still be lost, as after a process was killed.
    pub fn restore_power(&self) {
        let mut state = self.lock();
        (state.is_off, state.keeps_tails) = (false, false);
    }

    /// Puts blocks of the files in a folder back that were not synced, those for which `is_lost` says so.
    pub fn lose(&self, folder: &Path, mut is_lost: impl FnMut() -> bool) {
        let mut state = self.lock();
        for found in std::fs::read_dir(folder).unwrap() {
            let path = found.unwrap().path();
            let file = File::options().write(true).open(path).unwrap();
            let Some(blocks) = state.unsynced.remove(&file.metadata().unwrap().ino()) else { continue };
            for (block, before) in blocks {
                if is_lost() {
                    // A block beyond the old end comes back as zeros, or not at all if it is the last.
                    let mut bytes = before;
                    bytes.resize(usize::try_from(self.block_bytes).unwrap(), 0);
                    file.write_all_at(&bytes, block * self.block_bytes).unwrap();
                }
            }
        }
    }

    fn step(&self, state: &mut State) -> io::Result<()> {
        if let Some(left) = &mut state.until_cut {
            *left = left.saturating_sub(1);
            state.is_off |= *left == 0;
        }
        if state.is_off { Err(power_is_off()) } else { Ok(()) }
    }

    /// Keeps what the blocks that are about to be written hold.
    fn remember(&self, state: &mut State, file: &File, offset: u64, length: u64) -> io::Result<()> {
        let reader = File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        let blocks = state.unsynced.entry(file.metadata()?.ino()).or_default();
        for block in offset / self.block_bytes..=(offset + length) / self.block_bytes {
            blocks.entry(block).or_insert_with(|| {
                let mut before = vec![0; usize::try_from(self.block_bytes).unwrap()];
                let read = reader.read_at(&mut before, block * self.block_bytes).unwrap_or_default();
                before.truncate(read);
                before
            });
        }
        Ok(())
    }
}

fn power_is_off() -> io::Error {
    io::Error::other("the power is off")
}

impl Disk for TestDisk {
    fn write(&self, file: &File, pieces: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let mut state = self.lock();
        let is_frame = pieces.first().is_some_and(|piece| piece.starts_with(b"pfrm"));
        if state.is_off {
            return Err(power_is_off());
        }
        let failure = match state.fault {
            Some(Fault::Write) if is_frame => Some(io::Error::other("injected")),
            Some(Fault::WriteFull) if is_frame => Some(io::ErrorKind::StorageFull.into()),
            _ => self.step(&mut state).err(),
        };
        let all: usize = pieces.iter().map(|piece| piece.len()).sum();
        let growth = (offset + all as u64).saturating_sub(file.metadata()?.len());
        if let Some(room) = &mut state.room {
            *room = room.checked_sub(growth).ok_or(io::ErrorKind::StorageFull)?;
        }
        let length = match failure {
            Some(_) => all / 2,
            None => all.min(state.write_bytes_max.unwrap_or(usize::MAX)),
        };
        let bytes: Vec<u8> = pieces.iter().flat_map(|piece| piece.iter().copied()).take(length).collect();
        self.remember(&mut state, file, offset, length as u64)?;
        let written = SystemDisk.write(file, &[IoSlice::new(&bytes)], offset);
        match failure {
            Some(error) => {
                state.fault = None;
                Err(error)
            }
            None => written,
        }
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        let mut state = self.lock();
        self.step(&mut state)?;
        state.syncs += 1;
        if state.fault == Some(Fault::Sync) {
            state.fault = None;
            return Err(io::Error::other("injected"));
        }
        state.unsynced.remove(&file.metadata()?.ino());
        Ok(())
    }

    fn cut(&self, file: &File, length: u64) -> io::Result<()> {
        let mut state = self.lock();
        if state.is_off || state.keeps_tails {
            return Ok(());
        }
        let before = file.metadata()?.len();
        state.room = state.room.map(|room| room + before.saturating_sub(length));
        SystemDisk.cut(file, length)
    }

    fn before_apply(&self) -> io::Result<()> {
        let state = self.lock();
        match state.apply_fault {
            _ if state.is_off => Err(power_is_off()),
            Some(kind) => Err(kind.into()),
            None if state.room.is_some_and(|room| room < ROOM_TO_APPLY) => Err(io::ErrorKind::StorageFull.into()),
            None => Ok(()),
        }
    }
}
