//! Model checker and simulator of the call protocol (tests only).
//!
//! A [`ModelWorld`] consists of production code, one [`hutong_core::Client`] per participant and the server's
//! [`hutong_server::registry::Registry`], and of models of their environment: FIFO connections that break at any moment
//! and lose what is in transit, slow devices, people, and a clock that jumps from deadline to deadline. A
//! [`CheckScope`] bounds what may happen, and the checker (stateright) explores every order in which it can.
//! [`simulate`] runs more participants for longer on slow networks, with random events. `docs/decisions/0012-model.md`
//! has the figures and the limits of the model.

mod canonicalize;
mod connection;
mod engine;
mod model;
mod scope;
mod simulation;
mod termination;
mod world;

pub use model::ModelAction;
pub use scope::{CheckScope, EventBudget, InjectedFault};
pub use simulation::{SimulationCounts, SimulationPlan, simulate};
pub use termination::{Termination, check_termination};
pub use world::ModelWorld;
