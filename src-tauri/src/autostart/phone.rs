//! Phones start no apps by themselves.

/// Nothing to choose.
#[derive(Clone, Debug)]
pub enum Autostart {}

impl Autostart {
    /// Whether the system starts the app.
    #[must_use]
    pub fn is_on(&self) -> bool {
        match *self {}
    }

    /// Has the system start the app, or not.
    ///
    /// # Errors
    ///
    /// None.
    pub fn set(&self, _on: bool) -> Result<(), String> {
        match *self {}
    }
}
