//! That every run ends: no world comes again in a run.

use std::collections::HashMap;

use stateright::Model;

use crate::{model::Act, scope::Scope, world::World};

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Runs {
    /// Every run ends.
    End {
        /// How many states there are.
        states: usize,
        /// How many steps the longest of the runs that were gone through has.
        longest: usize,
    },
    /// One goes on for ever: the steps to a state that comes again.
    Circle(Vec<Act>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    OnThisRun,
    Done,
}

/// Goes through all runs, depth first. The checker itself passes over a state that it has seen, and so over circles.
#[must_use]
pub fn all_runs(scope: &Scope) -> Runs {
    let mut seen = HashMap::new();
    let mut longest = 0;
    let start = World::begin(scope);
    seen.insert(start.fingerprint(), Seen::OnThisRun);
    let acts = acts_of(scope, &start);
    let mut run: Vec<(World, Vec<Act>, Option<Act>)> = vec![(start, acts, None)];
    while let Some((world, acts, _)) = run.last_mut() {
        let Some(act) = acts.pop() else {
            seen.insert(world.fingerprint(), Seen::Done);
            run.pop();
            continue;
        };
        let Some(next) = scope.next_state(world, act) else { continue };
        match seen.get(&next.fingerprint()) {
            Some(Seen::Done) => {}
            Some(Seen::OnThisRun) => {
                return Runs::Circle(run.iter().filter_map(|(_, _, by)| *by).chain([act]).collect());
            }
            None => {
                seen.insert(next.fingerprint(), Seen::OnThisRun);
                let acts = acts_of(scope, &next);
                longest = longest.max(run.len());
                run.push((next, acts, Some(act)));
            }
        }
    }
    Runs::End { states: seen.len(), longest }
}

fn acts_of(scope: &Scope, world: &World) -> Vec<Act> {
    let mut acts = Vec::new();
    scope.actions(world, &mut acts);
    acts
}
