//! Tables in Markdown.

use std::fmt::Write as _;

use super::goals::{idle, storm};
use crate::{
    measure::{Costs, Doing, Found, Ladder, Spread, Storm},
    server::Subject,
};

/// Milliseconds from which on a rate is not kept up.
const KEPT_UP: f64 = 50.0;

pub(super) fn all(found: &Found) -> String {
    let mut parts = vec![memory(found), storms(found), presence(found), calls(found), costs(found)];
    if !found.left_out.is_empty() {
        parts.push(format!("Not measured: {}.\n", found.left_out.join("; ")));
    }
    parts.retain(|part| !part.is_empty());
    parts.join("\n") + "\n"
}

fn memory(found: &Found) -> String {
    if found.idle.is_empty() {
        return String::new();
    }
    let mut text = "### Idle users\n\n\
        | server | users | processes | PSS a user, KiB | RSS a user, KiB | to the old server | to the echo | CPU to get in, µs | kernel, both ends, KiB |\n\
        | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for it in &found.idle {
        let to = |subject| idle(found, subject, it.users).map(|other| it.pss / other.pss);
        // Figures of before the echo had our read buffer here have the other echo's.
        let to_echo = to(Subject::EchoIdle).or_else(|| to(Subject::Echo));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.2} | {:.2} | {} | {} | {:.0} | {:.1} |",
            it.subject.words(),
            it.users,
            it.processes,
            it.pss / 1_024.0,
            it.rss / 1_024.0,
            ratio(to(Subject::Old)),
            ratio(to_echo),
            it.entering,
            it.kernel / 1_024.0
        );
    }
    text
}

fn storms(found: &Found) -> String {
    if found.storms.is_empty() {
        return String::new();
    }
    let mut text = "### Everybody logs in at once\n\n\
        | server | users | times | CPU of the server, s | to the old server | to the echo | passed, s | CPU of the clients, s | messages | MiB |\n\
        | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for it in &found.storms {
        let to =
            |subject| storm(found, subject, it.users).map(|other: &Storm| it.processor.median / other.processor.median);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {:.1} | {} | {:.0} |",
            it.subject.words(),
            it.users,
            it.times,
            spread(&it.processor),
            ratio(to(Subject::Old)),
            ratio(to(Subject::Echo)),
            spread(&it.passed),
            it.clients.median,
            it.messages,
            it.bytes as f64 / f64::from(1 << 20)
        );
    }
    text
}

fn presence(found: &Found) -> String {
    if found.presence.is_empty() {
        return String::new();
    }
    let mut text = "### People come and go\n\n\
        | server | told | changes a second | messages | changes in them | CPU a message, µs | CPU a change told, µs | to the old server |\n\
        | --- | --- | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    let old = found.presence.iter().find(|it| it.subject == Subject::Old).map(|it| it.micros_told());
    for it in &found.presence {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {:.2} | {:.2} | {} |",
            it.subject.words(),
            it.watchers,
            it.rate,
            it.messages,
            it.told,
            it.micros_message(),
            it.micros_told(),
            ratio(old.map(|old| it.micros_told() / old))
        );
    }
    text
}

fn calls(found: &Found) -> String {
    if found.calls.is_empty() {
        return String::new();
    }
    let mut text = "### Call set-ups\n\n\
        | server | online | calls a second | set up | p50, ms | p99, ms | p99.9, ms | longest, ms | CPU a call, µs | processors: server, clients |\n\
        | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for ladder in &found.calls {
        for rung in &ladder.rungs {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} of {} | {} | {} | {} | {:.1} | {:.0} | {:.2}, {:.2} |",
                ladder.subject.words(),
                ladder.online,
                rung.rate,
                rung.done,
                rung.asked,
                spread(&rung.p50),
                spread(&rung.p99),
                spread(&rung.p999),
                rung.longest.median,
                rung.micros,
                rung.server,
                rung.clients
            );
        }
    }
    text += "\n";
    let bends: Vec<String> = found
        .calls
        .iter()
        .map(|ladder| match ladder.bend(KEPT_UP) {
            Some(rate) => format!("{}: {rate}", ladder.subject.words()),
            None => format!("{}: none of these", ladder.subject.words()),
        })
        .collect();
    let _ = writeln!(
        text,
        "The highest of these rates that is kept up (99 % within {KEPT_UP} ms): {}. {}\n",
        bends.join("; "),
        full(&found.calls, found.machine.processors)
    );
    text
}

/// Whether it is the machine that bends.
fn full(ladders: &[Ladder], processors: usize) -> String {
    let used = |subject: Subject| {
        let ladder = ladders.iter().find(|ladder| ladder.subject == subject)?;
        let last = ladder.rungs.last()?;
        Some((last.rate, last.server, last.clients))
    };
    let Some((rate, server, clients)) = used(Subject::Ours) else { return String::new() };
    format!(
        "At ours' last rate, {rate}, server and clients together used {:.2} of {processors} processors, {:.0} % of it the clients.",
        server + clients,
        clients / (server + clients) * 100.0
    )
}

fn costs(found: &Found) -> String {
    if found.costs.is_empty() {
        return String::new();
    }
    let mut text = "### System calls and bytes\n\nCounted by strace with few users, one thing at a time, so that nothing can be gathered.\n\n\
        | server | for each | system calls | bytes to clients | which |\n| --- | --- | --- | --- | --- |\n"
        .to_owned();
    for it in &found.costs {
        let Costs { subject, doing, calls, bytes, by_name, .. } = it;
        let doing = match doing {
            Doing::Presence => "message of presence to a user",
            Doing::Calls => "call and its end",
        };
        let names: Vec<String> = by_name
            .iter()
            .filter(|(_, count)| *count >= 0.05)
            .map(|(name, count)| format!("{name} {count:.2}"))
            .collect();
        let _ = writeln!(text, "| {} | {doing} | {calls:.2} | {bytes:.0} | {} |", subject.words(), names.join(", "));
    }
    text
}

/// The median, with least and greatest where they differ.
fn spread(spread: &Spread) -> String {
    let Spread { least, median, greatest } = *spread;
    if least == greatest { format!("{median:.2}") } else { format!("{median:.2} ({least:.2} to {greatest:.2})") }
}

fn ratio(value: Option<f64>) -> String {
    // Of what is less than could be measured there is none.
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
    fn ratios_are_told_so_that_they_can_be_said() {
        assert_eq!([0.02, 0.5, 1.0, 12.4].map(|value| ratio(Some(value))), ["1/50", "x 0.50", "x 1.00", "x 12"]);
        assert_eq!((ratio(None), ratio(Some(1.0 / 0.0))), (String::new(), String::new()));
    }
}
