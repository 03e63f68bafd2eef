//! All measurements of a plan, one after the other, each server alone.

use std::time::Instant;

use anyhow::Result;

use super::{bench::Bench, calls, costs, found::Found, idle, machine::Machine, plan::Part, presence, storm};
use crate::server::Subject;

/// Measures everything that the plan has. What fails is named and left out, so that one server's fault does not take all figures with it.
pub async fn run(bench: &Bench) -> Found {
    use Subject::{Echo, EchoIdle, MatchboxHost, MatchboxMesh, Old, Ours, OursTls, OursWhole, OursWholeTls, PeerJs};

    let mut found =
        Found { plan: bench.plan.name.to_owned(), machine: Machine::this(bench.connections), ..Found::default() };
    for subject in [Ours, OursTls, Old, PeerJs, MatchboxHost, EchoIdle] {
        let all = take(bench, &mut found, Part::Idle, subject, idle::measure(bench, subject)).await;
        found.idle.extend(all.into_iter().flatten());
    }
    for subject in [OursWhole, OursWholeTls, Ours, MatchboxMesh, Old, Echo] {
        let all = take(bench, &mut found, Part::Storms, subject, storm::measure(bench, subject)).await;
        found.storms.extend(all.into_iter().flatten());
    }
    for subject in [OursWhole, Old] {
        let all = take(bench, &mut found, Part::Presence, subject, presence::measure(bench, subject)).await;
        found.presence.extend(all.into_iter().flatten());
    }
    for subject in [Ours, OursTls, Old, PeerJs, MatchboxMesh, Echo] {
        let ladder = take(bench, &mut found, Part::Calls, subject, calls::measure(bench, subject)).await;
        found.calls.extend(ladder);
    }
    for subject in [OursWhole, Old, Echo] {
        let all = take(bench, &mut found, Part::Costs, subject, costs::measure(bench, subject)).await;
        found.costs.extend(all.into_iter().flatten());
    }
    found
}

/// One measurement, if the plan has it and the server is there.
async fn take<T>(
    bench: &Bench,
    found: &mut Found,
    part: Part,
    subject: Subject,
    measuring: impl Future<Output = Result<T>>,
) -> Option<T> {
    if !bench.plan.parts.contains(&part) || !bench.programs.have(subject) {
        return None;
    }
    let (begun, what) = (Instant::now(), part.words());
    match measuring.await {
        Ok(measured) => {
            eprintln!("{what}: {} ({:.0} s)", subject.words(), begun.elapsed().as_secs_f32());
            Some(measured)
        }
        Err(problem) => {
            eprintln!("{what}: {}: not measured: {problem:#}", subject.words());
            found.left_out.push(format!("{what}, {}: {problem:#}", subject.words()));
            None
        }
    }
}
