//! The client as a whole: takes inputs, gives outputs.

use std::{collections::VecDeque, time::Duration};

use crate::{
    io::{Input, Output, Saved},
    view::View,
};

/// What a client is told when it is made.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Randomness for the jitter of reconnection. Any number; not a secret.
    pub seed: u64,
    /// What an earlier life of this page saved: the client logs in with it by itself.
    pub saved: Option<Saved>,
}

/// A client of one server. All times are of one clock that never goes back; its epoch does not matter.
#[derive(Debug)]
pub struct Client {
    view: View,
    outputs: VecDeque<Output>,
}

impl Client {
    /// A client; with something saved it starts by connecting.
    #[must_use]
    pub fn new(_config: Config, _now: Duration) -> Self {
        Self { view: View::default(), outputs: VecDeque::new() }
    }

    /// Takes in what happened. Afterwards [`poll_output`](Self::poll_output) is to be called until it gives `None`.
    pub fn handle(&mut self, _now: Duration, _input: Input) {}

    /// What the driver is to do next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What the interface shows now: the sum of all [`Output::Show`]s taken out so far or still waiting.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.view
    }
}
