//! Other systems register the app when it is installed.

use std::io;

use super::RegisteredHandler;
use crate::profile::Profile;

/// Uninhabited: no value exists on these systems.
#[derive(Clone, Debug)]
pub enum LinkHandler {}

impl LinkHandler {
    /// None.
    #[must_use]
    pub fn prepare(_profile: Option<&Profile>) -> Option<Self> {
        None
    }

    /// Who opens the links.
    #[must_use]
    pub fn registered(&self) -> RegisteredHandler {
        match *self {}
    }

    /// Makes this program open the links, or removes its entry.
    ///
    /// # Errors
    ///
    /// None.
    pub fn set(&self, _on: bool) -> io::Result<()> {
        match *self {}
    }
}
