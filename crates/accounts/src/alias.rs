//! Aliases: addresses that lead to accounts, or to other aliases.

use std::collections::BTreeSet;

use crate::{
    Accounts, AccountsError,
    account::{given_address, invalid},
    address::parse_domain,
    directory::{Change, Directory},
    keys,
};

/// An alias as administration shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasEntry {
    /// The address in normal form, or `@domain` for a domain's catch-all.
    pub alias: String,
    /// The accounts and aliases that it leads to.
    pub targets: Vec<String>,
}

impl Accounts {
    /// Adds an alias; `@domain` is the domain's catch-all. Every target is an account or alias that exists.
    pub async fn add_alias(&self, alias: &str, targets: &[String]) -> Result<(), AccountsError> {
        let alias = parse_alias(alias)?;
        let mut normal = Vec::with_capacity(targets.len());
        for target in targets {
            let target = given_address(target)?.to_string();
            if !normal.contains(&target) {
                normal.push(target);
            }
        }
        if normal.is_empty() || normal.len() > self.options.alias_targets_max {
            return Err(AccountsError::AliasTargets(self.options.alias_targets_max));
        }
        let depends = [keys::alias(&alias), keys::address(&alias)];
        self.records
            .change(
                |_| Ok(depends.to_vec()),
                |directory, values| {
                    if values.iter().any(Option::is_some) {
                        return Err(AccountsError::AddressTaken(alias.clone()));
                    }
                    if let Some(target) = normal.iter().find(|target| !directory.knows(target)) {
                        return Err(AccountsError::UnknownTarget(target.clone()));
                    }
                    // The targets exist and the alias does not yet, so it cannot close a circle; it can be too deep.
                    if directory.alias_depth(&normal, self.options.alias_depth_max) >= self.options.alias_depth_max {
                        return Err(AccountsError::AliasTooDeep(alias.clone()));
                    }
                    Ok((vec![Change::PutAlias(alias.clone(), normal.clone())], ()))
                },
            )
            .await
    }

    /// Removes an alias and takes it out of the aliases that lead to it.
    pub async fn remove_alias(&self, alias: &str) -> Result<(), AccountsError> {
        let alias = parse_alias(alias)?;
        let unknown = || AccountsError::UnknownAlias(alias.clone());
        self.records
            .change(
                |directory| {
                    let mut keys = vec![keys::alias(&alias)];
                    keys.extend(keys_of(&changes_without(directory, &alias)));
                    Ok(keys)
                },
                |directory, values| {
                    if values.first().is_none_or(Option::is_none) {
                        return Err(unknown());
                    }
                    let mut changes = vec![Change::RemoveAlias(alias.clone())];
                    changes.extend(changes_without(directory, &alias));
                    Ok((changes, ()))
                },
            )
            .await
    }

    /// All aliases, in order.
    pub async fn list_aliases(&self) -> Result<Vec<AliasEntry>, AccountsError> {
        let entry =
            |(alias, targets): (&String, &Vec<String>)| AliasEntry { alias: alias.clone(), targets: targets.clone() };
        Ok(self.records.directory().aliases().iter().map(entry).collect())
    }
}

/// The changes to aliases when an address goes: those that lead to it lose that target, and one that is left
/// without any goes too, and so on.
pub(crate) fn changes_without(directory: &Directory, address: &str) -> Vec<Change> {
    let mut gone = BTreeSet::from([address]);
    loop {
        let count = gone.len();
        for (alias, targets) in directory.aliases() {
            if targets.iter().all(|target| gone.contains(target.as_str())) {
                gone.insert(alias);
            }
        }
        if gone.len() == count {
            break;
        }
    }
    let mut changes = Vec::new();
    for (alias, targets) in directory.aliases().iter().filter(|(alias, _)| alias.as_str() != address) {
        let left: Vec<String> = targets.iter().filter(|target| !gone.contains(target.as_str())).cloned().collect();
        if left.is_empty() {
            changes.push(Change::RemoveAlias(alias.clone()));
        } else if left.len() < targets.len() {
            changes.push(Change::PutAlias(alias.clone(), left));
        }
    }
    changes
}

/// The keys of the aliases among some changes.
pub(crate) fn keys_of(changes: &[Change]) -> impl Iterator<Item = Vec<u8>> {
    changes.iter().filter_map(|change| match change {
        Change::PutAlias(alias, _) | Change::RemoveAlias(alias) => Some(keys::alias(alias)),
        _ => None,
    })
}

/// Reads an alias: an address, or `@domain`.
fn parse_alias(text: &str) -> Result<String, AccountsError> {
    match text.strip_prefix('@') {
        Some(domain) => parse_domain(domain).map(|domain| format!("@{domain}")).map_err(|reason| invalid(text, reason)),
        None => Ok(given_address(text)?.to_string()),
    }
}
