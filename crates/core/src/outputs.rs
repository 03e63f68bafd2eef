//! The queue of outputs, and the view as it was shown.

use std::collections::VecDeque;

use hutong_protocol::{ClientMessage, Token, User};

use crate::{
    io::Output,
    view::{CallView, Notice, Session, Update, View},
};

/// Outputs that the driver has yet to take, and the [`View`] that they lead to.
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

    pub fn show(&mut self, update: Update) {
        self.view.apply(update.clone());
        self.push(Output::Show(update));
    }

    pub fn show_session(&mut self, session: Session) {
        if self.view.session != session {
            self.show(Update::Session(session));
        }
    }

    pub fn show_total(&mut self, total: Option<u32>) {
        if self.view.total != total {
            self.show(Update::Total(total));
        }
    }

    pub fn show_call(&mut self, call: Option<CallView>) {
        if self.view.call != call {
            self.show(Update::Call(call));
        }
    }

    pub fn show_notice(&mut self, notice: Option<Notice>) {
        if self.view.notice != notice {
            self.show(Update::Notice(notice));
        }
    }

    /// What the interface shows once the queue is taken.
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// Another user, with the newest state known; `None` while not online or not shown.
    pub fn user(&self, token: Token) -> Option<&User> {
        self.view.users.get(&token)
    }
}
