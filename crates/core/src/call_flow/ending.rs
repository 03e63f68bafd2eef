//! Deadlines, and the end of a call.

use hutong_protocol::{CallId, CancelReason, ClientMessage, limits};

use super::CallFlow;
use crate::{
    call::{Call, MediaFlow, Membership, OFFERING_ANSWER_TIMEOUT, Stage},
    call_record::{CallRecord, Ending},
    context::Context,
    io::Output,
    media::MediaCommand,
    view::{CallFailure, Notice},
};

impl CallFlow {
    /// Handles the call's deadline if it has passed.
    pub fn on_deadline(&mut self, cx: &mut Context<'_>) {
        let Some(call) = &mut self.call else { return };
        if call.deadline().is_none_or(|at| at > cx.now) {
            return;
        }
        match &mut call.stage {
            Stage::Abandoned { .. } => self.finish(cx, None),
            Stage::Ending { .. } => {
                // The server has ended the state too. The engine releases remaining devices when it can.
                call.peer = None;
                self.release_if_closed(cx);
            }
            Stage::Established { membership: Membership::AwaitingClaim { until }, .. } if *until <= cx.now => {
                self.fail(cx, CallFailure::ServerLost);
            }
            Stage::Established {
                media: MediaFlow::Starting { until } | MediaFlow::Interrupted { until, .. }, ..
            } if *until <= cx.now => {
                if let Some(failure) = self.call.as_ref().and_then(|call| call.media_failure(self.has_relay())) {
                    self.fail(cx, failure);
                }
            }
            Stage::Established { media, membership: Membership::Member, .. } => {
                *media = media.postpone_restart(cx.now);
                if let Some(peer) = call.peer {
                    cx.media(MediaCommand::RestartIce { peer });
                }
            }
            Stage::Established { media, .. } => *media = media.postpone_restart(cx.now),
            _ => {}
        }
    }

    /// Ends the call with a notice, because it failed without a command of the person.
    pub(super) fn fail(&mut self, cx: &mut Context<'_>, failure: CallFailure) {
        if let Some(call) = &self.call {
            let with = call.with.name.clone();
            if !matches!(call.stage, Stage::Incoming { .. }) {
                cx.notice(Some(Notice::CallFailed { with, failure }));
            }
            self.cancel(cx, CancelReason::Failed);
        }
    }

    /// Records the call, which is about to end.
    pub(super) fn record(&self, cx: &mut Context<'_>, ending: Ending) -> Option<CallRecord> {
        let record = CallRecord::of(self.call.as_ref()?, ending)?;
        cx.outputs.push(Output::Record(record.clone()));
        Some(record)
    }

    /// Ends the call and sends `cancel` to the server, now or after reconnecting.
    pub(super) fn cancel(&mut self, cx: &mut Context<'_>, reason: CancelReason) {
        self.record(cx, Ending::Own(reason));
        let Some(call) = &mut self.call else { return };
        if call.stage == Stage::Offering && cx.logged_in {
            call.stage = Stage::Abandoned { until: cx.now + OFFERING_ANSWER_TIMEOUT };
            if let Some(peer) = call.peer {
                cx.media(MediaCommand::Close { peer });
            }
            return;
        }
        let (id, confirmed) = (call.id(), call.confirmed_id());
        if cx.logged_in {
            if let Some(call) = id {
                cx.send(ClientMessage::Cancel { call, reason });
            }
            self.cancels.sent(confirmed.map(|call| (call, reason)));
            self.finish(cx, id);
        } else {
            if let Some(call) = confirmed {
                self.cancels.push((call, reason));
            }
            self.finish(cx, None);
        }
    }

    /// Ends the call on this side: closes the peer, then sends `released` if the server waits for it.
    pub(super) fn finish(&mut self, cx: &mut Context<'_>, release: Option<CallId>) {
        let Some(call) = &mut self.call else { return };
        let closing = call.is_ending();
        call.stage = Stage::Ending { release, until: cx.now + limits::ENDING_TIMEOUT };
        match call.peer {
            Some(peer) if !closing => cx.media(MediaCommand::Close { peer }),
            Some(_) => {}
            None => self.release_if_closed(cx),
        }
    }

    /// Ends the call without waiting for the server, because the session ends.
    pub fn end_with_session(&mut self, cx: &mut Context<'_>) {
        self.hang_up(cx, CancelReason::Hangup);
        if let Some(Call { peer, stage, .. }) = &mut self.call {
            *stage = Stage::Ending { release: None, until: cx.now + limits::ENDING_TIMEOUT };
            if peer.is_none() {
                self.call = None;
            }
        }
    }

    /// Removes an ended call whose devices are released, and sends `released`.
    pub(super) fn release_if_closed(&mut self, cx: &mut Context<'_>) {
        if let Some(Call { peer: None, stage: Stage::Ending { release, .. }, .. }) = self.call {
            if let Some(call) = release {
                cx.send(ClientMessage::Released { call });
            }
            self.call = None;
        }
    }
}
