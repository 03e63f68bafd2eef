//! Whether the person wants the own picture mirrored, as in a mirror. The other side never sees it so.

use crate::dom;

/// `localStorage` key of the choice.
const KEY: &str = "hutong.mirror";

/// Whether the own picture of a camera that faces the person is mirrored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mirror {
    /// Mirrored.
    #[default]
    On,
    /// As the other side sees it.
    Off,
}

impl Mirror {
    /// The stored choice.
    pub fn stored() -> Self {
        let stored = dom::local_storage().and_then(|storage| storage.get_item(KEY).ok().flatten());
        if stored.as_deref() == Some("off") { Self::Off } else { Self::On }
    }

    /// Stores the choice.
    pub fn store(self) {
        if let Some(storage) = dom::local_storage() {
            storage.set_item(KEY, if self.is_on() { "on" } else { "off" }).ok();
        }
    }

    /// Whether it is mirrored.
    pub fn is_on(self) -> bool {
        self == Self::On
    }

    /// The other choice.
    pub const fn toggled(self) -> Self {
        match self {
            Self::On => Self::Off,
            Self::Off => Self::On,
        }
    }
}
