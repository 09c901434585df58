//! Environment variables: the process's own, and what `.env` files and Python code set for the run.
//!
//! Python changes its own environment for that; here the changes are laid over it, and whoever starts a
//! process hands it the complete set.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::sync::{Arc, PoisonError, RwLock};

/// The environment of a run. Clones share it.
#[derive(Clone, Default)]
pub struct Environment {
    set: Arc<RwLock<BTreeMap<String, Option<String>>>>,
}

impl Environment {
    /// A variable's value; bytes that are no UTF-8 are replaced.
    pub fn get(&self, name: &str) -> Option<String> {
        let set = self.set.read().unwrap_or_else(PoisonError::into_inner);
        match set.get(name) {
            Some(value) => value.clone(),
            None => std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()),
        }
    }

    /// Sets a variable for everything that is read or started from now on.
    pub fn set(&self, name: impl Into<String>, value: impl Into<String>) {
        let mut set = self.set.write().unwrap_or_else(PoisonError::into_inner);
        set.insert(name.into(), Some(value.into()));
    }

    /// Removes a variable for everything that is read or started from now on.
    pub fn remove(&self, name: impl Into<String>) {
        let mut set = self.set.write().unwrap_or_else(PoisonError::into_inner);
        set.insert(name.into(), None);
    }

    /// All variables for a process that is started; nothing when the process's own are right as they are.
    pub fn complete(&self) -> Option<BTreeMap<OsString, OsString>> {
        let set = self.set.read().unwrap_or_else(PoisonError::into_inner);
        if set.is_empty() {
            return None;
        }
        let mut all: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
        for (name, value) in set.iter() {
            match value {
                Some(value) => all.insert(name.into(), value.into()),
                None => all.remove(OsStr::new(name)),
            };
        }
        Some(all)
    }

    /// The variables that were set on top of the process's own.
    pub fn changes(&self) -> BTreeMap<String, String> {
        let set = self.set.read().unwrap_or_else(PoisonError::into_inner);
        let values = set.iter();
        values
            .filter_map(|(name, value)| Some((name.clone(), value.clone()?)))
            .collect()
    }
}
