//! The directory in memory: which account an address belongs to, and where a recipient's mail goes.
//!
//! Holds what the records hold, and follows them by [`Change`]s: the same list of changes makes the batch that is
//! written and the update of memory afterwards, so that the two cannot disagree.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use crate::{
    AccountId, Address,
    address::{parse_domain, unquote},
    parse_address,
    record::AccountRecord,
};

/// Where mail for a recipient goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// To these accounts, at least one, each once.
    Deliver(Vec<Delivery>),
    /// Nowhere: the domain is local, and has no such user.
    UnknownUser,
    /// The domain is not local.
    NotLocal,
}

/// One account that a recipient's mail goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The account.
    pub account: AccountId,
    /// The account's own address, which may not be the recipient's.
    pub address: String,
    /// What stood after the separator in the recipient, as it was written (RFC 5233).
    pub detail: Option<String>,
}

/// An account as it is kept in memory.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) id: AccountId,
    pub(crate) record: AccountRecord,
    /// Differs between any two states of an account, so that what was computed from an older one can be told.
    pub(crate) revision: u64,
}

/// A change of a record and of the directory.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// The next account id to give.
    Counter(AccountId),
    /// An account is new, or has changed; its address never does.
    PutAccount(AccountId, AccountRecord),
    /// An account is gone.
    RemoveAccount(AccountId, String),
    /// An alias is new, or leads elsewhere.
    PutAlias(String, Vec<String>),
    /// An alias is gone.
    RemoveAlias(String),
}

/// Bounds on following aliases.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ResolveLimits {
    pub(crate) depth_max: usize,
    pub(crate) deliveries_max: usize,
}

/// Everything about accounts and aliases, without time or storage.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    accounts: HashMap<AccountId, Arc<Account>>,
    ids: BTreeMap<String, AccountId>,
    aliases: BTreeMap<String, Vec<String>>,
    /// With the number of accounts and aliases of each.
    domains: BTreeMap<String, usize>,
    revisions: u64,
}

impl Directory {
    pub(crate) fn apply(&mut self, change: Change) {
        match change {
            Change::Counter(_) => {}
            Change::PutAccount(id, record) => {
                self.revisions += 1;
                if self.ids.insert(record.address.clone(), id).is_none() {
                    self.count_domain(&record.address);
                }
                self.accounts.insert(id, Arc::new(Account { id, record, revision: self.revisions }));
            }
            Change::RemoveAccount(id, address) => {
                self.accounts.remove(&id);
                if self.ids.remove(&address).is_some() {
                    self.discount_domain(&address);
                }
            }
            Change::PutAlias(alias, targets) => {
                if self.aliases.insert(alias.clone(), targets).is_none() {
                    self.count_domain(&alias);
                }
            }
            Change::RemoveAlias(alias) => {
                if self.aliases.remove(&alias).is_some() {
                    self.discount_domain(&alias);
                }
            }
        }
    }

    pub(crate) fn account(&self, id: AccountId) -> Option<&Arc<Account>> {
        self.accounts.get(&id)
    }

    pub(crate) fn find(&self, address: &str) -> Option<&Arc<Account>> {
        self.account(*self.ids.get(address)?)
    }

    /// All accounts, in order of their addresses.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.ids.values().filter_map(|id| self.account(*id))
    }

    pub(crate) fn aliases(&self) -> &BTreeMap<String, Vec<String>> {
        &self.aliases
    }

    /// Whether an account or alias has this address.
    pub(crate) fn knows(&self, address: &str) -> bool {
        self.ids.contains_key(address) || self.aliases.contains_key(address)
    }

    pub(crate) fn domains(&self) -> impl Iterator<Item = &String> {
        self.domains.keys()
    }

    /// The domain, if there is exactly one.
    pub(crate) fn only_domain(&self) -> Option<&str> {
        let mut domains = self.domains.keys();
        let first = domains.next()?;
        domains.next().is_none().then_some(first)
    }

    /// How many aliases lead to one another below these targets, counted no further than `depth_max`.
    pub(crate) fn alias_depth(&self, targets: &[String], depth_max: usize) -> usize {
        let mut level: BTreeSet<&String> = targets.iter().collect();
        for depth in 0..depth_max {
            level = level.into_iter().filter_map(|name| self.aliases.get(name)).flatten().collect();
            if level.is_empty() {
                return depth;
            }
        }
        depth_max
    }

    /// Where mail for a recipient goes: to the account or alias of just that address, else to that of the address
    /// without its detail, else to the domain's catch-all.
    pub(crate) fn resolve(
        &self,
        recipient: &str,
        default_domain: Option<&str>,
        separator: Option<char>,
        limits: ResolveLimits,
    ) -> Resolution {
        // RFC 5321 §4.5.1: `postmaster` may stand without a domain.
        let (local, domain) = match (recipient.rsplit_once('@'), default_domain.or_else(|| self.only_domain())) {
            (Some(parts), _) => parts,
            (None, Some(domain)) => (recipient, domain),
            (None, None) => return Resolution::NotLocal,
        };
        let Ok(domain) = parse_domain(domain) else { return Resolution::NotLocal };
        if !self.domains.contains_key(&domain) {
            return Resolution::NotLocal;
        }
        let local = unquote(local);
        let Ok(whole) = parse_address(&format!("{local}@{domain}")) else { return Resolution::UnknownUser };
        let base = separator.and_then(|separator| local.split_once(separator));
        let base = base.and_then(|(base, detail)| Some((parse_address(&format!("{base}@{domain}")).ok()?, detail)));
        let detail = base.as_ref().map(|(_, detail)| *detail);
        let catch_all = format!("@{domain}");
        let candidates = [
            Some((whole.as_str(), None)),
            base.as_ref().map(|(address, detail)| (address.as_str(), Some(*detail))),
            Some((catch_all.as_str(), detail)),
        ];
        match candidates.into_iter().flatten().find(|(name, _)| self.knows(name)) {
            Some((name, detail)) => self.deliver(name, detail, limits),
            None => Resolution::UnknownUser,
        }
    }

    /// Follows a name to the accounts behind it, level by level, each name once. Targets that are gone lead nowhere:
    /// another node may have removed them.
    fn deliver(&self, name: &str, detail: Option<&str>, limits: ResolveLimits) -> Resolution {
        let mut deliveries = Vec::new();
        let mut seen = HashSet::from([name]);
        let mut level = vec![name];
        for _ in 0..=limits.depth_max {
            let mut next = Vec::new();
            for name in level {
                if let (Some(account), true) = (self.ids.get(name), deliveries.len() < limits.deliveries_max) {
                    let detail = detail.map(str::to_owned);
                    deliveries.push(Delivery { account: *account, address: name.to_owned(), detail });
                }
                let targets = self.aliases.get(name).into_iter().flatten().map(String::as_str);
                next.extend(targets.filter(|target| seen.insert(target)));
            }
            level = next;
        }
        if deliveries.is_empty() { Resolution::UnknownUser } else { Resolution::Deliver(deliveries) }
    }

    fn count_domain(&mut self, address: &str) {
        *self.domains.entry(domain_of(address).to_owned()).or_default() += 1;
    }

    fn discount_domain(&mut self, address: &str) {
        let domain = domain_of(address);
        if let Some(count) = self.domains.get_mut(domain) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.domains.remove(domain);
            }
        }
    }
}

fn domain_of(address: &str) -> &str {
    address.rsplit_once('@').map_or("", |(_, domain)| domain)
}

/// The address that a user name stands for, where it is one.
pub(crate) fn complete(user: &str, default_domain: Option<&str>, directory: &Directory) -> Option<Address> {
    if user.contains('@') {
        return parse_address(user).ok();
    }
    let domain = default_domain.or_else(|| directory.only_domain())?;
    parse_address(&format!("{user}@{domain}")).ok()
}
