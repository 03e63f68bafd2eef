//! What was to be reached, and whether it is.

use std::fmt::Write as _;

use crate::{
    measure::{Found, Idle, Rung, Storm},
    server::Subject,
};

/// The old server's processor for a storm of this size to ours.
const STORM: (u32, f64) = (2_000, 50.0);

/// Bytes a user, at so many.
const MEMORY: (u32, f64) = (50_000, 4_096.0);

/// The old server's bytes a user to ours.
const MEMORY_RATIO: f64 = 10.0;

/// Calls a second, and the milliseconds within which 99 of 100 are set up.
const SET_UP: (f64, f64) = (1_000.0, 5.0);

/// A line for each; what was not measured is said to be so.
pub(super) fn table(found: &Found) -> String {
    let mut text = String::new();
    if found.plan != "full" {
        let _ = writeln!(
            text,
            "**Provisional: figures of the smaller plan `{}`, on a machine that had other things to do.**\n",
            found.plan
        );
    }
    let machine = &found.machine;
    let _ = writeln!(
        text,
        "On {} processors, {} GiB of memory, Linux {}, Node {}, which server and clients share; a process may have {} connections.\n",
        machine.processors, machine.memory, machine.kernel, machine.node, machine.connections
    );
    text += "| to reach | found | |\n| --- | --- | --- |\n";
    let mut line = |goal: &str, measured: Option<(String, bool)>| {
        let (measured, verdict) = match measured {
            Some((words, true)) => (words, "reached"),
            Some((words, false)) => (words, "**not reached**"),
            None => ("not measured".to_owned(), ""),
        };
        let _ = writeln!(text, "| {goal} | {measured} | {verdict} |");
    };
    line("a fiftieth of the old server's CPU for a storm of 2,000", storms(found));
    line("4 KiB of server memory a user at 50,000", memory(found));
    line("a tenth of socket.io's", memory_ratio(found));
    line("99 % of set-ups within 5 ms at 1,000 calls a second, 10,000 online", set_up(found, Subject::Ours));
    line("the same with TLS", set_up(found, Subject::OursTls));
    text + "\n"
}

fn storms(found: &Found) -> Option<(String, bool)> {
    let of = |subject| storm(found, subject, STORM.0).map(|storm| storm.processor.median);
    let (ours, old) = (of(Subject::OursWhole)?, of(Subject::Old)?);
    let ratio = old / ours;
    Some((format!("{ours:.2} s to {old:.1} s: 1/{ratio:.0}"), ratio >= STORM.1))
}

fn memory(found: &Found) -> Option<(String, bool)> {
    let idle = idle(found, Subject::Ours, MEMORY.0)?;
    let over = if idle.processes > 1 { format!(", over {} processes", idle.processes) } else { String::new() };
    Some((format!("{:.2} KiB (PSS){over}", idle.pss / 1_024.0), idle.pss <= MEMORY.1))
}

fn memory_ratio(found: &Found) -> Option<(String, bool)> {
    let (ours, old) = (idle(found, Subject::Ours, MEMORY.0)?, idle(found, Subject::Old, MEMORY.0)?);
    let ratio = old.pss / ours.pss;
    Some((format!("{:.1} KiB there: 1/{ratio:.1}", old.pss / 1_024.0), ratio >= MEMORY_RATIO))
}

fn set_up(found: &Found, subject: Subject) -> Option<(String, bool)> {
    let rung = rung(found, subject, SET_UP.0)?;
    let p99 = &rung.p99;
    let words = format!("{:.2} ms ({:.2} to {:.2})", p99.median, p99.least, p99.greatest);
    Some((words, p99.median <= SET_UP.1 && rung.done == rung.asked))
}

/// The storm of this size.
pub(super) fn storm(found: &Found, subject: Subject, users: u32) -> Option<&Storm> {
    found.storms.iter().find(|storm| storm.subject == subject && storm.users == users)
}

/// So many idle users.
pub(super) fn idle(found: &Found, subject: Subject, users: u32) -> Option<&Idle> {
    found.idle.iter().find(|idle| idle.subject == subject && idle.users == users)
}

fn rung(found: &Found, subject: Subject, rate: f64) -> Option<&Rung> {
    let ladder = found.calls.iter().find(|ladder| ladder.subject == subject && ladder.online >= 10_000)?;
    ladder.rungs.iter().find(|rung| rung.rate == rate)
}
