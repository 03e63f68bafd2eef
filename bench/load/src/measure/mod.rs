//! What is measured, one after the other, each server alone.

mod bench;
mod calls;
mod costs;
mod found;
mod idle;
mod machine;
mod plan;
mod presence;
mod run;
mod spread;
mod storm;

pub use bench::Bench;
pub use calls::{Ladder, Rung};
pub use costs::{Costs, Doing};
pub use found::Found;
pub use idle::Idle;
pub use machine::Machine;
pub use plan::{Part, Plan};
pub use presence::Presence;
pub use run::run;
pub use spread::Spread;
pub use storm::Storm;
