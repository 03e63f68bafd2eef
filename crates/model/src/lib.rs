//! The call protocol, model-checked.
//!
//! A [`World`] is made of what ships: [`hutong_core::Client`] for every person, and [`hutong_server::registry::Registry`]. Around
//! them are connections that are first in, first out each way, break at any moment losing their tail, and come back; devices that
//! take their time; people; and a clock that goes from deadline to deadline. A [`Scope`] says how much may happen, and the checker
//! (stateright) goes through every order in which it can. `docs/decisions/0012-model.md` has the figures, and what the model leaves
//! out. [`simulate`] has more people for longer on slow networks, and draws what happens.

mod canon;
mod engine;
mod model;
mod runs;
mod scope;
mod simulation;
mod world;

pub use model::Act;
pub use runs::{Runs, all_runs};
pub use scope::{Fault, Left, Scope};
pub use simulation::{Plan, Seen, simulate};
pub use world::World;
