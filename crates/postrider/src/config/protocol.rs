//! The sections whose bounds other crates enforce; their defaults are those crates' own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! empty { ($($n:ident),*) => { $(
/// x
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct $n {
    /// x
    pub x_max: Option<u8>
})* } }
empty!(Imap, Pop3, Login, Smtp, Store);
