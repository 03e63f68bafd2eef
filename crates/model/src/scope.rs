//! Bounds of a model check: number of participants, budget of external events, injected fault.

/// Bounds of a check: the checker explores every order of the events that the budget allows.
#[derive(Clone, Copy, Debug)]
pub struct CheckScope {
    /// Number of clients.
    pub participants: usize,
    /// External events that may happen in total, in any order and at any moment.
    pub budget: EventBudget,
    /// Fault that is injected on purpose.
    pub fault: InjectedFault,
    /// Number of users online up to which the server sends the whole roster.
    pub whole_roster: usize,
}

/// Remaining number of external events. Without a bound on them, the state space would be infinite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct EventBudget {
    /// Calls that people start. Accepting, declining and hanging up are not counted.
    pub calls: u8,
    /// Connections that break.
    pub cuts: u8,
    /// Restarts of the server after a kill.
    pub restarts: u8,
    /// Devices to which a person denies access.
    pub denials: u8,
    /// Logouts.
    pub logouts: u8,
    /// Sessions that the server ends, because the name's owner has logged in elsewhere or its secret has changed.
    pub ended_sessions: u8,
    /// Deadlines, including that of presence batches, that pass while messages or device reports are in transit.
    /// Otherwise these arrive first.
    pub late_deadlines: u8,
}

/// Violation of a rule, injected to show that the check detects it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum InjectedFault {
    /// No fault.
    #[default]
    None,
    /// The server makes a user who cancels a call `online` before the user has released it.
    OnlineTooEarly,
    /// Messages to clients are delivered out of order.
    ReorderedMessages,
    /// The server ignores its deadlines.
    NoServerDeadlines,
}

impl CheckScope {
    /// A scope with a whole roster and without an injected fault.
    #[must_use]
    pub const fn new(participants: usize, budget: EventBudget) -> Self {
        Self { participants, budget, fault: InjectedFault::None, whole_roster: 100 }
    }

    /// The same scope with an injected fault.
    #[must_use]
    pub const fn with_fault(self, fault: InjectedFault) -> Self {
        Self { fault, ..self }
    }
}
