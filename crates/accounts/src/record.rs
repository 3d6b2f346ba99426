//! The records as they are stored: JSON, each with the version of its format.
//!
//! A record of a newer version is refused, never misread: an older program must not drop fields that it does not know
//! when it writes the record back.

use std::fmt;

use postrider_sasl::ScramKeys;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{AccountSettings, AccountsError};

/// The version that this program writes, and the newest that it reads.
pub(crate) const VERSION: u32 = 2;

/// An account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AccountRecord {
    pub(crate) version: u32,
    pub(crate) address: String,
    /// Seconds since 1970.
    pub(crate) created: u64,
    pub(crate) settings: AccountSettings,
    pub(crate) password: PasswordRecord,
    pub(crate) app_passwords: Vec<AppPasswordRecord>,
}

/// What is kept of a password.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct PasswordRecord {
    /// The Argon2id hash as a PHC string, which carries its own parameters.
    pub(crate) argon2: String,
    /// SCRAM keys, where SCRAM was offered when the password was set.
    pub(crate) scram: Option<ScramRecord>,
}

/// SCRAM-SHA-256 keys.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ScramRecord {
    #[serde(with = "bytes")]
    salt: Vec<u8>,
    iterations: u32,
    #[serde(with = "bytes")]
    stored_key: [u8; 32],
    #[serde(with = "bytes")]
    server_key: [u8; 32],
}

/// What is kept of an app password.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct AppPasswordRecord {
    pub(crate) label: String,
    /// Seconds since 1970.
    pub(crate) created: u64,
    #[serde(with = "bytes")]
    pub(crate) hash: [u8; 32],
    /// The secret it was hashed with, where that is another store's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<CarriedSecret>,
}

/// A secret that stands in a record of its own kind, away from its store.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct CarriedSecret(#[serde(with = "bytes")] pub(crate) [u8; 32]);

/// Where an alias leads.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AliasRecord {
    pub(crate) version: u32,
    pub(crate) targets: Vec<String>,
}

/// An account id: the next one to be given, or the one behind an address.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct IdRecord {
    pub(crate) version: u32,
    pub(crate) id: u32,
}

/// The secret behind app passwords and SCRAM decoys.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct SecretRecord {
    pub(crate) version: u32,
    #[serde(with = "bytes")]
    pub(crate) secret: [u8; 32],
}

impl From<&ScramKeys> for ScramRecord {
    fn from(keys: &ScramKeys) -> Self {
        Self {
            salt: keys.salt().to_vec(),
            iterations: keys.iterations(),
            stored_key: *keys.stored_key(),
            server_key: *keys.server_key(),
        }
    }
}

impl ScramRecord {
    pub(crate) fn keys(&self) -> ScramKeys {
        ScramKeys::new(self.salt.clone(), self.iterations, self.stored_key, self.server_key)
    }
}

impl AppPasswordRecord {
    /// The same, to be understood in another store.
    pub(crate) fn with_secret(&self, secret: &[u8; 32]) -> Self {
        Self { secret: Some(self.secret.clone().unwrap_or(CarriedSecret(*secret))), ..self.clone() }
    }
}

impl fmt::Debug for PasswordRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PasswordRecord(…)")
    }
}

impl fmt::Debug for AppPasswordRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AppPasswordRecord").field("label", &self.label).finish_non_exhaustive()
    }
}

/// Reads a record; `what` names it in errors.
pub(crate) fn decode<T: DeserializeOwned>(what: &str, value: &[u8]) -> Result<T, AccountsError> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let damaged =
        |error: serde_json::Error| AccountsError::Damaged { what: what.to_owned(), reason: error.to_string() };
    let Versioned { version } = serde_json::from_slice(value).map_err(damaged)?;
    if version > VERSION {
        return Err(AccountsError::Newer { what: what.to_owned(), version });
    }
    serde_json::from_slice(value).map_err(damaged)
}

/// Writes a record; `what` names it in errors.
pub(crate) fn encode<T: Serialize>(what: &str, record: &T) -> Result<Vec<u8>, AccountsError> {
    serde_json::to_vec(record)
        .map_err(|error| AccountsError::Damaged { what: what.to_owned(), reason: error.to_string() })
}

/// Bytes as base64.
mod bytes {
    use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: impl AsRef<[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>, T: TryFrom<Vec<u8>>>(deserializer: D) -> Result<T, D::Error> {
        let bytes = BASE64.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)?;
        T::try_from(bytes).map_err(|_| D::Error::custom("wrong length"))
    }
}

#[cfg(test)]
mod tests {
    use postrider_sasl::Password;

    use super::*;

    #[test]
    fn a_record_of_a_newer_version_is_refused_even_if_it_could_be_read() {
        for known in [&br#"{"version":1,"id":7}"#[..], br#"{"version":2,"id":7}"#] {
            assert!(decode::<IdRecord>("x", known).is_ok());
        }
        let newer = decode::<IdRecord>("x", br#"{"version":3,"id":7}"#);
        assert!(matches!(newer, Err(AccountsError::Newer { version: 3, .. })));
        for damaged in [&b""[..], b"{}", br#"{"version":1}"#, br#"{"version":-1,"id":7}"#] {
            assert!(matches!(decode::<IdRecord>("x", damaged), Err(AccountsError::Damaged { .. })));
        }
    }

    #[test]
    fn scram_keys_survive_being_stored() {
        let keys = ScramKeys::derive(&Password::new("pencil"), b"salt", 2);
        let stored = serde_json::to_vec(&ScramRecord::from(&keys)).unwrap();
        assert_eq!(serde_json::from_slice::<ScramRecord>(&stored).unwrap().keys(), keys);
    }
}
