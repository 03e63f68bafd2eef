//! Queue of the client's outputs until its driver takes them, and the view that the UI shows after all of them.

use std::collections::VecDeque;

use hutong_protocol::{ClientMessage, Token, User};

use crate::{
    io::Output,
    view::{CallView, Notice, SessionView, View, ViewUpdate},
};

/// Outputs that the driver has not taken yet, and the [`View`] after all of them.
#[derive(Clone, Debug, Default, Hash)]
pub struct Outputs {
    view: View,
    queue: VecDeque<Output>,
}

impl Outputs {
    pub fn push(&mut self, output: Output) {
        self.queue.push_back(output);
    }

    pub fn pop(&mut self) -> Option<Output> {
        self.queue.pop_front()
    }

    pub fn send(&mut self, message: ClientMessage) {
        self.push(Output::Send(message));
    }

    pub fn show(&mut self, update: ViewUpdate) {
        self.view.apply(update.clone());
        self.push(Output::Show(update));
    }

    pub fn show_session(&mut self, session: SessionView) {
        if self.view.session != session {
            self.show(ViewUpdate::Session(session));
        }
    }

    pub fn show_total(&mut self, total: Option<u32>) {
        if self.view.total != total {
            self.show(ViewUpdate::Total(total));
        }
    }

    pub fn show_call(&mut self, call: Option<CallView>) {
        if self.view.call != call {
            self.show(ViewUpdate::Call(call));
        }
    }

    pub fn show_notice(&mut self, notice: Option<Notice>) {
        if self.view.notice != notice {
            self.show(ViewUpdate::Notice(notice));
        }
    }

    /// The view after all queued updates.
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// Another user with the latest known state; `None` if offline or not in the roster.
    pub fn user(&self, token: Token) -> Option<&User> {
        self.view.users.get(&token)
    }
}
