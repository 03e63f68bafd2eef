//! Report of the relay benchmark.

use std::{fmt::Write as _, path::Path};

use anyhow::Result;

use super::{
    replace_measured_part,
    tables::{format_summary, ratio},
};
use crate::{
    measure::MinMedianMax,
    relay::{RelayPath, RelayResults, TurnServerKind},
};

/// First line of the relays' measured part in docs/BENCHMARKS.md.
const BEGIN: &str = "<!-- measured: cargo xtask bench relay --write; not edited by hand -->";

/// Most processor time for each Mbit/s, as a ratio to coturn's.
const TIME_RATIO: f64 = 1.0;

/// The whole report as Markdown.
#[must_use]
pub fn markdown(results: &RelayResults) -> String {
    let mut parts = vec![machine(results), targets(results), streams(results), allocations(results)];
    if !results.failed.is_empty() {
        parts.push(format!("Failed: {}.\n", results.failed.join("; ")));
    }
    parts.join("\n") + "\n"
}

/// Writes the measured part of docs/BENCHMARKS.md, and the results as JSON beside it.
///
/// # Errors
///
/// Returns an error when the file is missing or has no markers.
pub fn write(results: &RelayResults, docs: &Path) -> Result<()> {
    replace_measured_part(docs, BEGIN, &markdown(results))?;
    results.write(&docs.join("bench-relay.json"))
}

fn machine(results: &RelayResults) -> String {
    let machine = &results.machine;
    let provisional = if results.plan == "full" { "" } else { " **Provisional: a quick run.**" };
    format!(
        "Machine, shared by server and clients: {} CPUs, {} GiB of memory, Linux {}.{provisional}\n",
        machine.cpus, machine.memory_gib, machine.kernel
    )
}

fn targets(results: &RelayResults) -> String {
    let mut text = "| target | result | |\n| --- | --- | --- |\n".to_owned();
    for cost in results.streams.iter().filter(|cost| cost.path == RelayPath::Hutong) {
        let Some(coturn) = results.cost(RelayPath::Coturn, cost.streams) else { continue };
        let ratio = cost.micros_per_megabit.median / coturn.micros_per_megabit.median;
        let verdict = if ratio <= TIME_RATIO { "met" } else { "**not met**" };
        let _ = writeln!(
            text,
            "| {} streams: at most coturn's processor time for each Mbit/s | x {ratio:.2} | {verdict} |",
            cost.streams
        );
    }
    text
}

fn streams(results: &RelayResults) -> String {
    let mut text = "| server | streams | rounds | CPU for each Mbit/s, µs a second | vs. coturn | streams a core carries | Mbit/s | lost, % | CPUs of the clients |\n\
        | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for it in &results.streams {
        let coturn = results.cost(RelayPath::Coturn, it.streams);
        let to_coturn = coturn.map(|coturn| it.micros_per_megabit.median / coturn.micros_per_megabit.median);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {:.0} | {:.0} | {:.3} | {:.2} |",
            it.path.label(),
            it.streams,
            it.rounds,
            whole_numbers(&it.micros_per_megabit),
            ratio(to_coturn),
            it.streams_per_core(),
            it.megabits_per_second.median,
            it.loss.median * 100.0,
            it.client_cpus.median
        );
    }
    text
}

fn allocations(results: &RelayResults) -> String {
    let mut text = "| server | idle allocations | RSS for each, KiB | vs. coturn | RSS without clients, MiB |\n\
        | --- | --- | --- | --- | --- |\n"
        .to_owned();
    let coturn = results.allocations.iter().find(|memory| memory.server == TurnServerKind::Coturn);
    for it in &results.allocations {
        let MinMedianMax { min, median, max } = it.rss_each;
        let each = MinMedianMax { min: min / 1_024.0, median: median / 1_024.0, max: max / 1_024.0 };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {:.1} |",
            it.server.label(),
            it.allocations,
            format_summary(&each),
            ratio(coturn.map(|coturn| median / coturn.rss_each.median)),
            it.baseline_rss.median / f64::from(1 << 20)
        );
    }
    text
}

/// The median, with minimum and maximum, without decimals.
fn whole_numbers(summary: &MinMedianMax) -> String {
    let MinMedianMax { min, median, max } = *summary;
    format!("{median:.0} ({min:.0} to {max:.0})")
}
