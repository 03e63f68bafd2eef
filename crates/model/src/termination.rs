//! Termination check: depth-first search for a cycle in the state graph of a scope.

use std::collections::HashMap;

use stateright::Model;

use crate::{model::ModelAction, scope::CheckScope, world::ModelWorld};

/// Result of the termination check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Termination {
    /// Every run terminates.
    AllRunsEnd {
        /// Number of reachable states.
        states: usize,
        /// Number of actions in the longest explored run.
        longest: usize,
    },
    /// A run can go on for ever: the actions up to a state that recurs.
    Cycle(Vec<ModelAction>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    OnCurrentRun,
    Done,
}

/// Explores all runs of the scope. stateright cannot find cycles by itself, because it skips states that it has
/// visited.
#[must_use]
pub fn check_termination(scope: &CheckScope) -> Termination {
    let mut visits = HashMap::new();
    let mut longest = 0;
    let start = ModelWorld::new(scope);
    visits.insert(start.fingerprint(), Visit::OnCurrentRun);
    let actions = actions_of(scope, &start);
    let mut run: Vec<(ModelWorld, Vec<ModelAction>, Option<ModelAction>)> = vec![(start, actions, None)];
    while let Some((world, actions, _)) = run.last_mut() {
        let Some(action) = actions.pop() else {
            visits.insert(world.fingerprint(), Visit::Done);
            run.pop();
            continue;
        };
        let Some(next) = scope.next_state(world, action) else { continue };
        match visits.get(&next.fingerprint()) {
            Some(Visit::Done) => {}
            Some(Visit::OnCurrentRun) => {
                return Termination::Cycle(run.iter().filter_map(|(_, _, cause)| *cause).chain([action]).collect());
            }
            None => {
                visits.insert(next.fingerprint(), Visit::OnCurrentRun);
                let actions = actions_of(scope, &next);
                longest = longest.max(run.len());
                run.push((next, actions, Some(action)));
            }
        }
    }
    Termination::AllRunsEnd { states: visits.len(), longest }
}

fn actions_of(scope: &CheckScope, world: &ModelWorld) -> Vec<ModelAction> {
    let mut actions = Vec::new();
    scope.actions(world, &mut actions);
    actions
}
