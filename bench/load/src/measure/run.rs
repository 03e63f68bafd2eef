//! Runs all experiments of a plan one after the other, each server alone.

use std::time::Instant;

use anyhow::Result;

use super::{
    call_rates, context::MeasureContext, idle_memory, login_storm, machine::MachineInfo, plan::Experiment, presence,
    results::BenchResults, syscalls,
};
use crate::server::ServerVariant;

/// Runs all experiments of the plan. A failed experiment is recorded and skipped, so that one server's failure does not
/// lose all results.
pub async fn run(context: &MeasureContext) -> BenchResults {
    use ServerVariant::{
        Echo, EchoSmallBuffer, Hutong, HutongFullRoster, HutongFullRosterTls, HutongTls, MatchboxClientServer,
        MatchboxFullMesh, PeerJs, SocketIo,
    };

    let mut results = BenchResults {
        plan: context.plan.name.to_owned(),
        machine: MachineInfo::this(context.connections),
        ..BenchResults::default()
    };
    for variant in [Hutong, HutongTls, SocketIo, PeerJs, MatchboxClientServer, EchoSmallBuffer] {
        let all =
            run_experiment(context, &mut results, Experiment::Idle, variant, idle_memory::measure(context, variant))
                .await;
        results.idle.extend(all.into_iter().flatten());
    }
    for variant in [HutongFullRoster, HutongFullRosterTls, Hutong, MatchboxFullMesh, SocketIo, Echo] {
        let all =
            run_experiment(context, &mut results, Experiment::Storms, variant, login_storm::measure(context, variant))
                .await;
        results.storms.extend(all.into_iter().flatten());
    }
    for variant in [HutongFullRoster, SocketIo] {
        let all =
            run_experiment(context, &mut results, Experiment::Presence, variant, presence::measure(context, variant))
                .await;
        results.presence.extend(all.into_iter().flatten());
    }
    for variant in [Hutong, HutongTls, SocketIo, PeerJs, MatchboxFullMesh, Echo] {
        let series =
            run_experiment(context, &mut results, Experiment::Calls, variant, call_rates::measure(context, variant))
                .await;
        results.calls.extend(series);
    }
    for variant in [HutongFullRoster, SocketIo, Echo] {
        let all =
            run_experiment(context, &mut results, Experiment::Costs, variant, syscalls::measure(context, variant))
                .await;
        results.syscalls.extend(all.into_iter().flatten());
    }
    results
}

/// Runs one experiment, if the plan contains it and the server's program is available.
async fn run_experiment<T>(
    context: &MeasureContext,
    results: &mut BenchResults,
    experiment: Experiment,
    variant: ServerVariant,
    measurement: impl Future<Output = Result<T>>,
) -> Option<T> {
    if !context.plan.experiments.contains(&experiment) || !context.programs.is_available(variant) {
        return None;
    }
    let (start, title) = (Instant::now(), experiment.label());
    match measurement.await {
        Ok(measured) => {
            eprintln!("{title}: {} ({:.0} s)", variant.label(), start.elapsed().as_secs_f32());
            Some(measured)
        }
        Err(problem) => {
            eprintln!("{title}: {}: failed: {problem:#}", variant.label());
            results.failed.push(format!("{title}, {}: {problem:#}", variant.label()));
            None
        }
    }
}
