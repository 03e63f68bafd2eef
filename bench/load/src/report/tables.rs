//! Result tables in Markdown.

use std::fmt::Write as _;

use super::targets::{idle, storm};
use crate::{
    measure::{BenchResults, CallRates, LoginStorm, MinMedianMax, SyscallCosts, TracedActivity},
    server::ServerVariant,
};

/// A rate is sustained while the 99th percentile of set-ups is within this, in milliseconds.
const SUSTAINED_MS: f64 = 50.0;

pub(super) fn all(results: &BenchResults) -> String {
    let mut parts = vec![memory(results), storms(results), presence(results), calls(results), costs(results)];
    if !results.failed.is_empty() {
        parts.push(format!("Failed: {}.\n", results.failed.join("; ")));
    }
    parts.retain(|part| !part.is_empty());
    parts.join("\n") + "\n"
}

fn memory(results: &BenchResults) -> String {
    if results.idle.is_empty() {
        return String::new();
    }
    let mut text = "### Idle users\n\n\
        | server | users | processes | PSS per user, KiB | RSS per user, KiB | vs. socket.io | vs. echo | CPU per login, µs | kernel, both ends, KiB | heartbeats: CPU, µs per user and s | heartbeats: PSS per user, KiB |\n\
        | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for it in &results.idle {
        let to = |variant| idle(results, variant, it.users).map(|other| it.pss_per_user / other.pss_per_user);
        // Older results have no echo with the small buffer; compare with the other echo.
        let to_echo = to(ServerVariant::EchoSmallBuffer).or_else(|| to(ServerVariant::Echo));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.2} | {:.2} | {} | {} | {:.0} | {:.1} | {} | {} |",
            it.variant.label(),
            it.users,
            it.processes,
            it.pss_per_user / 1_024.0,
            it.rss_per_user / 1_024.0,
            ratio(to(ServerVariant::SocketIo)),
            ratio(to_echo),
            it.login_cpu_micros,
            it.kernel_per_connection / 1_024.0,
            it.heartbeats.map_or_else(String::new, |it| format!("{:.2}", it.cpu_micros)),
            it.heartbeats.map_or_else(String::new, |it| format!("{:.2}", it.pss_per_user / 1_024.0))
        );
    }
    text
}

fn storms(results: &BenchResults) -> String {
    if results.storms.is_empty() {
        return String::new();
    }
    let mut text = "### Login storm\n\n\
        | server | users | runs | server CPU, s | vs. socket.io | vs. echo | duration, s | client CPU, s | messages | MiB |\n\
        | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for it in &results.storms {
        let to = |variant| {
            storm(results, variant, it.users).map(|other: &LoginStorm| it.server_cpu.median / other.server_cpu.median)
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {:.1} | {} | {:.0} |",
            it.variant.label(),
            it.users,
            it.runs,
            format_summary(&it.server_cpu),
            ratio(to(ServerVariant::SocketIo)),
            ratio(to(ServerVariant::Echo)),
            format_summary(&it.duration),
            it.client_cpu.median,
            it.messages,
            it.bytes as f64 / f64::from(1 << 20)
        );
    }
    text
}

fn presence(results: &BenchResults) -> String {
    if results.presence.is_empty() {
        return String::new();
    }
    let mut text = "### Presence updates\n\n\
        | server | watchers | changes a second | messages | updates in them | CPU per message, µs | CPU per update, µs | vs. socket.io |\n\
        | --- | --- | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    let socket_io =
        results.presence.iter().find(|it| it.variant == ServerVariant::SocketIo).map(|it| it.micros_per_update());
    for it in &results.presence {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {:.2} | {:.2} | {} |",
            it.variant.label(),
            it.watchers,
            it.rate,
            it.messages,
            it.updates,
            it.micros_per_message(),
            it.micros_per_update(),
            ratio(socket_io.map(|other| it.micros_per_update() / other))
        );
    }
    text
}

fn calls(results: &BenchResults) -> String {
    if results.calls.is_empty() {
        return String::new();
    }
    let mut text = "### Call set-ups\n\n\
        | server | online | calls a second | set up | p50, ms | p99, ms | p99.9, ms | max, ms | CPU per call, µs | CPUs: server, clients |\n\
        | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for series in &results.calls {
        for rate_result in &series.rates {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} of {} | {} | {} | {} | {:.1} | {:.0} | {:.2}, {:.2} |",
                series.variant.label(),
                series.online,
                rate_result.rate,
                rate_result.completed,
                rate_result.scheduled,
                format_summary(&rate_result.p50),
                format_summary(&rate_result.p99),
                format_summary(&rate_result.p999),
                rate_result.max.median,
                rate_result.server_micros_per_call,
                rate_result.server_cpus,
                rate_result.client_cpus
            );
        }
    }
    text += "\n";
    let sustained: Vec<String> = results
        .calls
        .iter()
        .map(|series| match series.highest_sustained_rate(SUSTAINED_MS) {
            Some(rate) => format!("{}: {rate}", series.variant.label()),
            None => format!("{}: none", series.variant.label()),
        })
        .collect();
    let _ = writeln!(
        text,
        "Highest sustained rate (99 % within {SUSTAINED_MS} ms): {}. {}\n",
        sustained.join("; "),
        cpu_saturation(&results.calls, results.machine.cpus)
    );
    text
}

/// Whether the machine's CPUs are the limit.
fn cpu_saturation(all: &[CallRates], cpus: usize) -> String {
    let used = |variant: ServerVariant| {
        let series = all.iter().find(|series| series.variant == variant)?;
        let last = series.rates.last()?;
        Some((last.rate, last.server_cpus, last.client_cpus))
    };
    let Some((rate, server, clients)) = used(ServerVariant::Hutong) else { return String::new() };
    format!(
        "At Hutong's last rate, {rate}, server and clients together used {:.2} of {cpus} CPUs, {:.0} % of it the clients.",
        server + clients,
        clients / (server + clients) * 100.0
    )
}

fn costs(results: &BenchResults) -> String {
    if results.syscalls.is_empty() {
        return String::new();
    }
    let mut text = "### System calls and bytes\n\nCounted by strace with few users and one event at a time, so that the server cannot batch.\n\n\
        | server | for each | system calls | bytes to clients | by name |\n| --- | --- | --- | --- | --- |\n"
        .to_owned();
    for it in &results.syscalls {
        let SyscallCosts { variant, activity, syscalls_each, bytes_each, by_name, .. } = it;
        let activity = match activity {
            TracedActivity::Presence => "presence message to a user",
            TracedActivity::Calls => "call, its end included",
        };
        let names: Vec<String> = by_name
            .iter()
            .filter(|(_, count)| *count >= 0.05)
            .map(|(name, count)| format!("{name} {count:.2}"))
            .collect();
        let _ = writeln!(
            text,
            "| {} | {activity} | {syscalls_each:.2} | {bytes_each:.0} | {} |",
            variant.label(),
            names.join(", ")
        );
    }
    text
}

/// The median, with minimum and maximum where they differ.
pub(super) fn format_summary(summary: &MinMedianMax) -> String {
    let MinMedianMax { min, median, max } = *summary;
    if min == max { format!("{median:.2}") } else { format!("{median:.2} ({min:.2} to {max:.2})") }
}

pub(super) fn ratio(value: Option<f64>) -> String {
    // Infinite where the divisor was too small to measure.
    match value.filter(|value| value.is_finite()) {
        Some(value) if value >= 10.0 => format!("x {value:.0}"),
        Some(value) if value >= 0.1 => format!("x {value:.2}"),
        Some(value) if value > 0.0 => format!("1/{:.0}", 1.0 / value),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_formatted_as_factors_or_fractions() {
        assert_eq!([0.02, 0.5, 1.0, 12.4].map(|value| ratio(Some(value))), ["1/50", "x 0.50", "x 1.00", "x 12"]);
        assert_eq!((ratio(None), ratio(Some(1.0 / 0.0))), (String::new(), String::new()));
    }
}
