//! The workloads: one subject, one file. [`table`] is the list of them all.

mod append;
mod copy;
mod fetch;
mod idle;
mod lmtp;
mod login;
mod mixed;
mod pop3;
mod push;
mod search;
mod select;
mod sort;
mod store;
mod table;

use anyhow::Result;

pub use table::{ALL, TLS};

use crate::server::Kind;
use crate::site::{Sample, Site};

/// What the figure of a workload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// So many of these per second; more is better.
    PerSecond(&'static str),
    /// In this unit; less is better.
    Least(&'static str),
    /// In this unit; more is better.
    Most(&'static str),
}

impl Figure {
    /// What is counted.
    pub const fn unit(self) -> &'static str {
        let (Self::PerSecond(unit) | Self::Least(unit) | Self::Most(unit)) = self;
        unit
    }
}

/// When the product's goal is reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// So many times as good as the peer.
    Ratio(f64),
    /// The figure itself is at most this.
    AtMost(f64),
    /// The figure itself is at least this.
    AtLeast(f64),
    /// There is none; the row is there to be known.
    None,
}

/// Whether a workload changes what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It only reads.
    Reads,
    /// It writes; what is left in the kernel's buffers is written out before the next workload begins.
    Writes,
}

/// How often a workload runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounds {
    /// In every round.
    Every,
    /// In every round, each time on a server that was just started.
    AfterStart,
    /// Once, before all others, on servers that were just started: processes and memory that were left by other
    /// workloads would hide what is looked for.
    Once,
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Workload {
    /// What is done.
    pub name: &'static str,
    /// The same in few words, for the chart; empty if the name is short enough.
    pub label: &'static str,
    /// What the figure is.
    pub figure: Figure,
    /// The goal.
    pub target: Target,
    /// Whether it writes.
    pub effect: Effect,
    /// How often it runs.
    pub rounds: Rounds,
    /// The IMAP capability without which a server cannot do it.
    pub needs: Option<&'static str>,
    /// What one must know to judge the row, whoever the peer is.
    pub note: &'static str,
    /// What one must know if the peer is Dovecot; its syncing above all.
    pub dovecot: &'static str,
    /// What one must know if the peer is Cyrus.
    pub cyrus: &'static str,
    /// What keeps the row from its goal, and what would close the distance; shown only if the goal is missed.
    pub missed: &'static str,
    /// Runs it.
    pub run: fn(&Site<'_>) -> Result<Sample>,
}

impl Workload {
    /// What one must know to judge the row beside this peer.
    pub fn remark(&self, peer: Option<Kind>) -> String {
        let of_peer = match peer {
            Some(Kind::Dovecot) => self.dovecot,
            Some(Kind::Cyrus) => self.cyrus,
            Some(Kind::Postrider) | None => "",
        };
        [self.note, of_peer].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ")
    }

    /// What the chart calls it.
    pub const fn label(&self) -> &'static str {
        if self.label.is_empty() { self.name } else { self.label }
    }
}
