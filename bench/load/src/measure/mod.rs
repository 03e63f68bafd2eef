//! Experiments on signalling servers: idle memory, login storms, presence, call set-ups, system calls.

mod call_rates;
mod context;
mod idle_memory;
mod login_storm;
mod machine;
mod min_median_max;
mod plan;
mod presence;
mod results;
mod run;
mod syscalls;

pub use call_rates::{CallRates, RateResult};
pub use context::MeasureContext;
pub use idle_memory::IdleMemory;
pub use login_storm::LoginStorm;
pub use machine::MachineInfo;
pub use min_median_max::MinMedianMax;
pub use plan::{BenchPlan, Experiment};
pub use presence::PresenceLoad;
pub use results::BenchResults;
pub use run::run;
pub use syscalls::{SyscallCosts, TracedActivity};
