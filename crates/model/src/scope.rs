//! How much of the world is looked at.

/// What a check looks at: everything that can happen to so many people with so many wishes and mishaps.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// Clients.
    pub people: usize,
    /// What may happen in all, in any order and at any moment.
    pub budget: Left,
    /// What is broken on purpose.
    pub fault: Fault,
    /// How many may be online for everybody to be shown everybody.
    pub whole_roster: usize,
}

/// What may still happen. What people and networks do without end would make a world without end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Left {
    /// Wishes to call somebody. Accepting, declining and hanging up are free.
    pub calls: u8,
    /// Connections that break.
    pub cuts: u8,
    /// The server is killed and started anew.
    pub restarts: u8,
    /// Devices that are refused.
    pub refusals: u8,
    /// People who log out.
    pub leaves: u8,
    /// Deadlines, presence included, that come while messages or devices are under way. Otherwise those are quicker.
    pub late: u8,
}

/// A rule that is broken, to show that the check sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Fault {
    /// None.
    #[default]
    None,
    /// Who cancels a call is online before it has let go of it.
    OnlineTooEarly,
    /// Messages to clients overtake each other.
    Overtaking,
    /// The server keeps no deadlines.
    Timeless,
}

impl Scope {
    /// So many people, and what may happen to them.
    #[must_use]
    pub const fn new(people: usize, budget: Left) -> Self {
        Self { people, budget, fault: Fault::None, whole_roster: 100 }
    }

    /// The same with something broken.
    #[must_use]
    pub const fn with(self, fault: Fault) -> Self {
        Self { fault, ..self }
    }
}
