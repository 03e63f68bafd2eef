//! Phones have no autostart.

/// Uninhabited: no value exists on phones.
#[derive(Clone, Debug)]
pub enum Autostart {}

impl Autostart {
    /// Whether the entry exists.
    #[must_use]
    pub fn is_on(&self) -> bool {
        match *self {}
    }

    /// Adds or removes the entry.
    ///
    /// # Errors
    ///
    /// None.
    pub fn set(&self, _on: bool) -> Result<(), String> {
        match *self {}
    }
}
