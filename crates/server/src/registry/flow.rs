//! The call flow: what each message does to a call, and how a call ends.

use std::time::Duration;

use hutong_protocol::{
    CallId, CancelReason, ClientMessage, EndReason, ErrorCode, MediaKind, ServerMessage, StateEvent, Ticket, Token,
    User, UserState, limits,
};

use super::{
    calls::{Call, Due, Step, Whereabouts},
    effect::Fact,
    roster::Rosters,
    state::{Deadline, State},
};

/// A message was wrong: the code, and a sentence for developers.
type Wrong = (ErrorCode, &'static str);

const NO_CALL: Wrong = (ErrorCode::NoCall, "there is no such call, or it is not yours");
const WRONG_STEP: Wrong = (ErrorCode::WrongStep, "the call is not at this step, or this is not your side's message");

/// The call flow's view of the registry: records, and the rosters that a call changes.
pub struct Flow<'r> {
    pub state: &'r mut State,
    pub rosters: &'r mut Rosters,
}

impl Flow<'_> {
    /// Handles a logged-in user's message about calls.
    pub fn step(&mut self, now: Duration, me: Token, message: &ClientMessage) -> Result<(), Wrong> {
        match message {
            ClientMessage::Offering { to, media } => self.offering(now, me, *to, *media),
            ClientMessage::Accept { call, media } => self.accept(now, me, *call, *media),
            ClientMessage::Confirm { call, sdp } => self.confirm(now, me, *call, sdp),
            ClientMessage::Calling { call, sdp } => self.calling(now, me, *call, sdp),
            ClientMessage::Candidate { call, candidate } => {
                let message = ServerMessage::Candidate { call: *call, candidate: candidate.clone() };
                self.relay(me, *call, message)
            }
            ClientMessage::Description { call, kind, sdp } => {
                let message = ServerMessage::Description { call: *call, kind: *kind, sdp: sdp.clone() };
                self.relay(me, *call, message)
            }
            ClientMessage::Cancel { call, reason } => self.cancel(now, me, *call, *reason),
            ClientMessage::Released { call } => {
                self.released(now, me, *call);
                Ok(())
            }
            ClientMessage::Claim { ticket } => self.claim(now, me, ticket),
            ClientMessage::Hello { .. } | ClientMessage::LogOut | ClientMessage::Watch { .. } => {
                Err((ErrorCode::NotNow, "this message is not about a call"))
            }
        }
    }

    fn offering(&mut self, now: Duration, me: Token, to: Token, media: MediaKind) -> Result<(), Wrong> {
        if me == to {
            return Err((ErrorCode::SelfCall, "you cannot call yourself"));
        }
        let caller = self.state.users.get(me).ok_or(NO_CALL)?;
        if caller.user.state.after(StateEvent::Offer).is_err() {
            let crossed = caller.call.and_then(|call| self.state.calls.get(&call)).is_some_and(|call| {
                call.caller() == to && matches!(call.step, Step::Ringing { .. } | Step::Accepted { .. })
            });
            return Err(if crossed {
                (ErrorCode::Crossed, "they are calling you: accept that call")
            } else {
                (ErrorCode::Busy, "you are in a call already")
            });
        }
        match self.state.users.get(to) {
            Some(target) if target.user.state.can_be_called() => {}
            Some(target) if target.conn.is_some() => return Err((ErrorCode::Busy, "they are in a call")),
            _ => return Err((ErrorCode::NotOnline, "they are not online")),
        }
        let id = CallId(self.state.stamp(now));
        let from = self.enter(me, id, StateEvent::Offer);
        self.enter(to, id, StateEvent::Ring);
        self.state.calls.insert(id, Call::ringing(me, to, now));
        self.schedule_deadline(id);
        self.rosters.on_call(self.state, [me, to]);
        self.state.send(me, ServerMessage::Ringing { call: id, to });
        if let Some(from) = from {
            self.state.send(to, ServerMessage::Offering { call: id, from, media });
        }
        Ok(())
    }

    fn accept(&mut self, now: Duration, me: Token, id: CallId, media: MediaKind) -> Result<(), Wrong> {
        let call = self.my_call(me, id)?;
        if call.target() != me || !matches!(call.step, Step::Ringing { .. }) {
            return Err(WRONG_STEP);
        }
        call.step = Step::Accepted { until: now + limits::CONFIRM };
        let caller = call.caller();
        self.schedule_deadline(id);
        self.state.send(caller, ServerMessage::Accepted { call: id, media });
        Ok(())
    }

    fn confirm(&mut self, now: Duration, me: Token, id: CallId, sdp: &str) -> Result<(), Wrong> {
        let call = self.my_call(me, id)?;
        if call.target() != me || !matches!(call.step, Step::Ringing { .. } | Step::Accepted { .. }) {
            return Err(WRONG_STEP);
        }
        call.step = Step::Confirmed { until: now + limits::CALLING };
        let caller = call.caller();
        self.schedule_deadline(id);
        for member in [caller, me] {
            let after = self.state.users.apply(member, StateEvent::Confirm);
            debug_assert_eq!(after, Ok(UserState::InCall));
        }
        let ticket = self.state.signer.call(now, id, [caller, me]);
        self.state.send(caller, ServerMessage::Confirm { call: id, sdp: sdp.to_owned(), ticket });
        Ok(())
    }

    fn calling(&mut self, now: Duration, me: Token, id: CallId, sdp: &str) -> Result<(), Wrong> {
        let call = self.my_call(me, id)?;
        let Step::Confirmed { until } = call.step else { return Err(WRONG_STEP) };
        if call.caller() != me {
            return Err(WRONG_STEP);
        }
        call.step = Step::Set;
        let target = call.target();
        self.schedule_deadline(id);
        let ticket = self.state.signer.call(now, id, [me, target]);
        self.state.send(target, ServerMessage::Calling { call: id, sdp: sdp.to_owned(), ticket });
        self.state.note(Fact::CallSetUp {
            since_offering: now.saturating_sub(Duration::from_micros(id.0)),
            since_confirm: (now + limits::CALLING).saturating_sub(until),
        });
        Ok(())
    }

    /// Hands on what only the other side understands. Nothing is kept for a side that is away: when it is back, the
    /// connection is renewed anyway.
    fn relay(&mut self, me: Token, id: CallId, message: ServerMessage) -> Result<(), Wrong> {
        let call = self.my_call(me, id)?;
        let other = call.other(me);
        match call.step {
            Step::Confirmed { .. } | Step::Set => {
                if other.at == Whereabouts::Here {
                    self.state.send(other.token, message);
                }
                Ok(())
            }
            // The last candidates and the end of a call cross.
            Step::Over { .. } => Ok(()),
            Step::Ringing { .. } | Step::Accepted { .. } => Err(WRONG_STEP),
        }
    }

    fn cancel(&mut self, now: Duration, me: Token, id: CallId, reason: CancelReason) -> Result<(), Wrong> {
        let Some(call) = self.state.calls.get_mut(&id) else {
            return Ok(());
        };
        let member = call.member_mut(me).ok_or(NO_CALL)?;
        if matches!(member.at, Whereabouts::Away { .. }) {
            member.at = Whereabouts::Left;
        }
        if call.step.is_over() {
            // It may have been the last that the call was kept for.
            self.call_due(now, id);
            self.schedule_deadline(id);
        } else {
            self.end(now, id, reason.into(), Some(me));
        }
        Ok(())
    }

    fn released(&mut self, now: Duration, me: Token, id: CallId) {
        if self.state.calls.get(&id).is_some_and(|call| call.step.is_over() && call.at(me) == Some(Whereabouts::Here)) {
            self.let_go(me, id);
            self.call_due(now, id);
        }
    }

    /// One member says that it is still in a call whose connection, or whose server, was lost.
    fn claim(&mut self, now: Duration, me: Token, ticket: &Ticket) -> Result<(), Wrong> {
        const FOREIGN: Wrong = (ErrorCode::TicketInvalid, "the ticket is not good, or not yours");
        let (id, members) = self.state.signer.check_call(now, ticket).ok_or(FOREIGN)?;
        if !members.contains(&me) || members[0] == members[1] {
            return Err(FOREIGN);
        }
        if !self.state.calls.contains_key(&id) {
            // Only a server that has just been started does not know a call that is still on: it waits for both.
            let earlier_life = u128::from(id.0) < self.state.started.as_micros();
            if !earlier_life || now > self.state.started + limits::CLAIM * 2 {
                self.state.send(me, ServerMessage::Ended { call: id, reason: EndReason::Gone });
                return Ok(());
            }
            self.state.calls.insert(id, Call::reclaimed(members, now + limits::CLAIM));
            self.schedule_deadline(id);
        }
        let Some(call) = self.state.calls.get(&id) else {
            return Err(NO_CALL);
        };
        match (call.step, call.at(me)) {
            (Step::Over { reason, .. }, _) => self.state.send(me, ServerMessage::Ended { call: id, reason }),
            (_, Some(Whereabouts::Away { .. })) => self.take_back(now, me, id)?,
            (_, Some(Whereabouts::Here)) => return Err(WRONG_STEP),
            (_, Some(Whereabouts::Left) | None) => {
                self.state.send(me, ServerMessage::Ended { call: id, reason: EndReason::Gone });
            }
        }
        Ok(())
    }

    /// Puts a member back into its call: `connecting` while the other side is away, `in_call` once both are here.
    fn take_back(&mut self, now: Duration, me: Token, id: CallId) -> Result<(), Wrong> {
        // Somebody may have called in the moment between coming back and claiming: the older call, whose media is
        // still flowing, stands.
        if let Some(ring) = self.state.users.get(me).and_then(|record| record.call) {
            if self.state.calls.get(&ring).is_some_and(|call| call.step.is_confirmed()) {
                return Err((ErrorCode::Busy, "you are in another call"));
            }
            self.end(now, ring, EndReason::Busy, Some(me));
            self.let_go(me, ring);
        }
        self.enter(me, id, StateEvent::Claim);
        if let Some(member) = self.state.calls.get_mut(&id).and_then(|call| call.member_mut(me)) {
            member.at = Whereabouts::Here;
        }
        self.schedule_deadline(id);
        let Some(call) = self.state.calls.get(&id).filter(|call| call.all_here()) else {
            return Ok(());
        };
        let members = [call.caller(), call.target()];
        self.rosters.on_call(self.state, members);
        let Some(call) = self.state.calls.get(&id) else { return Ok(()) };
        for member in call.members.map(|member| member.token) {
            if self.state.users.apply(member, StateEvent::Confirm).is_ok() {
                self.state.send(member, ServerMessage::Claimed { call: id });
            }
        }
        Ok(())
    }

    /// Ends a call that is not over. `by` is not told: it knows.
    pub fn end(&mut self, now: Duration, id: CallId, reason: EndReason, by: Option<Token>) {
        let Some(call) = self.state.calls.get_mut(&id).filter(|call| !call.step.is_over()) else {
            return;
        };
        call.step = Step::Over { reason, until: now + limits::ENDING };
        let members = call.members;
        for member in members.into_iter().filter(|member| member.at == Whereabouts::Here) {
            let after = self.state.users.apply(member.token, StateEvent::End);
            debug_assert_eq!(after, Ok(UserState::Ending));
            if Some(member.token) != by {
                self.state.send(member.token, ServerMessage::Ended { call: id, reason });
            }
        }
        self.schedule_deadline(id);
        self.state.note(Fact::CallEnded { reason });
    }

    /// A user's connection is gone, or gives way to a new one.
    pub fn leave(&mut self, now: Duration, me: Token) {
        let record = self.state.users.get(me);
        let (id, conn) = (record.and_then(|record| record.call), record.and_then(|record| record.conn));
        let held_until = now + limits::NAME_HELD;
        self.state.users.leave(me, held_until);
        if let Some(conn) = conn {
            self.rosters.on_disconnect(self.state, conn);
        }
        self.state.schedule(held_until, Deadline::Name(me));
        let Some(id) = id else { return };
        let Some(call) = self.state.calls.get_mut(&id) else { return };
        let step = call.step;
        if let Some(member) = call.member_mut(me) {
            member.at =
                if step.is_confirmed() { Whereabouts::Away { until: now + limits::CLAIM } } else { Whereabouts::Left };
        }
        if !step.is_confirmed() {
            self.end(now, id, EndReason::Gone, None);
            self.call_due(now, id);
        }
        // Also where it was over already: what it waits for now may be who could claim it, and no longer who was here.
        self.schedule_deadline(id);
    }

    /// Does what is due for a call.
    pub fn call_due(&mut self, now: Duration, id: CallId) {
        let Some(due) = self.state.calls.get(&id).and_then(|call| call.due(now)) else {
            // Not yet, or moved: there is a newer entry for it.
            return;
        };
        match due {
            Due::End(reason) => {
                self.end(now, id, reason, None);
                self.call_due(now, id);
            }
            Due::LetGo => {
                let members = self.state.calls.get(&id).map(|call| call.members).into_iter().flatten();
                for member in members.filter(|member| member.at == Whereabouts::Here) {
                    self.let_go(member.token, id);
                }
                self.call_due(now, id);
                self.schedule_deadline(id);
            }
            Due::Forget => {
                self.state.calls.remove(&id);
            }
        }
    }

    /// One side of a call that is over has let go of it, or has had its time.
    fn let_go(&mut self, token: Token, id: CallId) {
        if let Some(member) = self.state.calls.get_mut(&id).and_then(|call| call.member_mut(token)) {
            member.at = Whereabouts::Left;
        }
        if let Some(record) = self.state.users.get_mut(token) {
            record.call = None;
        }
        let after = self.state.users.apply(token, StateEvent::Release);
        debug_assert_eq!(after, Ok(UserState::Online));
        self.schedule_deadline(id);
    }

    /// Brings a user into a call, by an event that was seen to be possible. Gives the user as it is now.
    fn enter(&mut self, token: Token, id: CallId, event: StateEvent) -> Option<User> {
        let after = self.state.users.apply(token, event);
        debug_assert_eq!(after, Ok(UserState::Connecting));
        let record = self.state.users.get_mut(token)?;
        record.call = Some(id);
        Some(record.user.clone())
    }

    /// Schedules a call's next deadline.
    fn schedule_deadline(&mut self, id: CallId) {
        if let Some(at) = self.state.calls.get(&id).and_then(Call::deadline) {
            self.state.schedule(at, Deadline::Call(id));
        }
    }

    /// The call, if this user is in it or can claim it.
    fn my_call(&mut self, me: Token, id: CallId) -> Result<&mut Call, Wrong> {
        let call = self.state.calls.get_mut(&id).ok_or(NO_CALL)?;
        if call.at(me) == Some(Whereabouts::Here) { Ok(call) } else { Err(NO_CALL) }
    }
}
