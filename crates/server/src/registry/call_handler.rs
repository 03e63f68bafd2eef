//! Handlers of the call protocol's messages and timeouts: how each changes a call and its members.

use std::time::Duration;

use hutong_protocol::{
    CallId, CallTicket, CancelReason, ClientMessage, EndReason, ErrorCode, MediaKind, ServerMessage, StateEvent, Token,
    User, UserState, limits,
};

use super::{
    call_allowance::CallOrigin,
    call_state::{CallState, CallStep, CallTimeout, MemberState},
    effect::RegistryEvent,
    roster::Rosters,
    state::{Deadline, RegistryState},
    ticket::GenuineCallTicket,
    user_table::UserRecord,
};

/// Why a message had no effect: the code, and a sentence for developers.
type Rejection = (ErrorCode, &'static str);

const NO_CALL: Rejection = (ErrorCode::NoCall, "there is no such call, or you are not in it");
const WRONG_STEP: Rejection =
    (ErrorCode::WrongStep, "the call is not at this step, or the other side has to send this message");

/// Mutable view of the registry for one message or timeout: its tables, and the rosters that a call changes.
pub struct CallHandler<'r> {
    pub state: &'r mut RegistryState,
    pub rosters: &'r mut Rosters,
}

impl CallHandler<'_> {
    /// Handles a logged-in user's message about a call.
    pub fn handle(
        &mut self,
        now: Duration,
        me: Token,
        origin: CallOrigin,
        message: &ClientMessage,
    ) -> Result<(), Rejection> {
        match message {
            ClientMessage::Offering { to, media } => self.offering(now, me, origin, *to, *media),
            ClientMessage::Accept { call, media } => self.accept(now, me, *call, *media),
            ClientMessage::Confirm { call, sdp } => self.confirm(now, me, *call, sdp),
            ClientMessage::Calling { call, sdp } => self.calling(now, me, *call, sdp),
            ClientMessage::Candidate { call, candidate } => {
                let text = [&candidate.sdp_mid, &candidate.username_fragment].into_iter().flatten().map(String::len);
                let bytes = candidate.candidate.len() + text.sum::<usize>();
                let message = ServerMessage::Candidate { call: *call, candidate: candidate.clone() };
                self.relay(now, me, *call, bytes, message)
            }
            ClientMessage::Description { call, kind, sdp } => {
                let message = ServerMessage::Description { call: *call, kind: *kind, sdp: sdp.clone() };
                self.relay(now, me, *call, sdp.len(), message)
            }
            ClientMessage::Missed { to, media } => {
                let is_busy = |target: &UserRecord| target.conn.is_some() && !target.user.state.can_be_called();
                if *to != me && self.state.users.get(*to).is_some_and(is_busy) {
                    self.report_missed(now, me, origin, *to, *media);
                }
                Ok(())
            }
            ClientMessage::Cancel { call, reason } => self.cancel(now, me, *call, *reason),
            ClientMessage::Released { call } => {
                self.released(now, me, *call);
                Ok(())
            }
            ClientMessage::Claim { ticket } => self.claim(now, me, ticket),
            ClientMessage::Hello { .. } | ClientMessage::LogOut | ClientMessage::Watch { .. } | ClientMessage::Ping => {
                Err((ErrorCode::NotNow, "this message is not about a call"))
            }
        }
    }

    fn offering(
        &mut self,
        now: Duration,
        me: Token,
        origin: CallOrigin,
        to: Token,
        media: MediaKind,
    ) -> Result<(), Rejection> {
        if me == to {
            return Err((ErrorCode::SelfCall, "you cannot call yourself"));
        }
        let caller = self.state.users.get(me).ok_or(NO_CALL)?;
        if caller.user.state.after(StateEvent::Offer).is_err() {
            let crossed = caller.call.and_then(|call| self.state.calls.get(&call)).is_some_and(|call| {
                call.caller() == to && matches!(call.step, CallStep::Ringing { .. } | CallStep::Accepted { .. })
            });
            return Err(if crossed {
                (ErrorCode::Crossed, "this user is calling you: accept that call")
            } else {
                (ErrorCode::Busy, "you are in a call already")
            });
        }
        match self.state.users.get(to) {
            Some(target) if target.user.state.can_be_called() => {}
            Some(target) if target.conn.is_some() => {
                self.report_missed(now, me, origin, to, media);
                return Err((ErrorCode::Busy, "this user is in a call"));
            }
            _ => return Err((ErrorCode::NotOnline, "this user is not online")),
        }
        if !self.state.call_allowances.take(now, me, to, origin) {
            return Err((
                ErrorCode::TooManyCalls,
                "you have called too often without being accepted: pause, then try again",
            ));
        }
        let id = CallId(self.state.unique_timestamp(now));
        let from = self.join(me, id, StateEvent::Offer);
        self.join(to, id, StateEvent::Ring);
        self.state.calls.insert(id, CallState::ringing(me, to, now));
        self.schedule_deadline(id);
        self.rosters.on_call(self.state, [me, to]);
        self.state.send(me, ServerMessage::Ringing { call: id, to });
        if let Some(from) = from {
            self.state.send(to, ServerMessage::Offering { call: id, from, media });
        }
        Ok(())
    }

    /// Sends `missed` to a user who is in a call. Counts as a ring: who has called too often does not disturb that call either.
    fn report_missed(&mut self, now: Duration, me: Token, origin: CallOrigin, to: Token, media: MediaKind) {
        let Some(from) = self.state.users.get(me).map(|record| record.user.clone()) else { return };
        if self.state.call_allowances.take(now, me, to, origin) {
            self.state.send(to, ServerMessage::Missed { from, media });
        }
    }

    fn accept(&mut self, now: Duration, me: Token, id: CallId, media: MediaKind) -> Result<(), Rejection> {
        let call = self.call_of_present_member(me, id)?;
        if call.target() != me || !matches!(call.step, CallStep::Ringing { .. }) {
            return Err(WRONG_STEP);
        }
        call.step = CallStep::Accepted { until: now + limits::CONFIRM_TIMEOUT };
        let caller = call.caller();
        self.schedule_deadline(id);
        self.state.call_allowances.accepted(caller, me);
        self.state.send(caller, ServerMessage::Accepted { call: id, media });
        Ok(())
    }

    fn confirm(&mut self, now: Duration, me: Token, id: CallId, sdp: &str) -> Result<(), Rejection> {
        let call = self.call_of_present_member(me, id)?;
        if call.target() != me || !matches!(call.step, CallStep::Ringing { .. } | CallStep::Accepted { .. }) {
            return Err(WRONG_STEP);
        }
        charge(call, now, me, sdp.len())?;
        let accepts_now = matches!(call.step, CallStep::Ringing { .. });
        call.step = CallStep::Confirmed { until: now + limits::CALLING_TIMEOUT };
        let caller = call.caller();
        self.schedule_deadline(id);
        if accepts_now {
            self.state.call_allowances.accepted(caller, me);
        }
        for member in [caller, me] {
            let after = self.state.users.apply(member, StateEvent::Confirm);
            debug_assert_eq!(after, Ok(UserState::InCall));
        }
        let ticket = self.state.signer.call(self.state.clock.at(now), id, [caller, me]);
        self.state.send(caller, ServerMessage::Confirm { call: id, sdp: sdp.to_owned(), ticket });
        Ok(())
    }

    fn calling(&mut self, now: Duration, me: Token, id: CallId, sdp: &str) -> Result<(), Rejection> {
        let call = self.call_of_present_member(me, id)?;
        let CallStep::Confirmed { until } = call.step else { return Err(WRONG_STEP) };
        if call.caller() != me {
            return Err(WRONG_STEP);
        }
        charge(call, now, me, sdp.len())?;
        call.step = CallStep::Established;
        let target = call.target();
        self.schedule_deadline(id);
        let ticket = self.state.signer.call(self.state.clock.at(now), id, [me, target]);
        self.state.send(target, ServerMessage::Calling { call: id, sdp: sdp.to_owned(), ticket });
        self.state.emit(RegistryEvent::CallSetUp {
            since_offering: now.saturating_sub(Duration::from_micros(id.0)),
            since_confirm: (now + limits::CALLING_TIMEOUT).saturating_sub(until),
        });
        Ok(())
    }

    /// Relays a candidate or description with this many bytes of text to the other member. Dropped while that member is
    /// disconnected: after its claim, the clients renegotiate anyway.
    fn relay(
        &mut self,
        now: Duration,
        me: Token,
        id: CallId,
        bytes: usize,
        message: ServerMessage,
    ) -> Result<(), Rejection> {
        let call = self.call_of_present_member(me, id)?;
        let other = call.other_member(me);
        match call.step {
            CallStep::Confirmed { .. } | CallStep::Established => {
                charge(call, now, me, bytes)?;
                if other.state == MemberState::Present {
                    self.state.relay(me, other.token, message);
                }
                Ok(())
            }
            // No error: the last candidates and the end of the call cross on the wire.
            CallStep::Ended { .. } => Ok(()),
            CallStep::Ringing { .. } | CallStep::Accepted { .. } => Err(WRONG_STEP),
        }
    }

    fn cancel(&mut self, now: Duration, me: Token, id: CallId, reason: CancelReason) -> Result<(), Rejection> {
        let Some(call) = self.state.calls.get_mut(&id) else {
            return Ok(());
        };
        let member = call.member_mut(me).ok_or(NO_CALL)?;
        if matches!(member.state, MemberState::AwaitingClaim { .. }) {
            member.state = MemberState::Released;
        }
        if call.step.is_ended() {
            // This may have been the last member that the record was kept for.
            self.handle_timeout(now, id);
            self.schedule_deadline(id);
        } else {
            self.end_call(now, id, reason.into(), Some(me));
        }
        Ok(())
    }

    fn released(&mut self, now: Duration, me: Token, id: CallId) {
        let is_member_of_ended =
            |call: &CallState| call.step.is_ended() && call.member_state(me) == Some(MemberState::Present);
        if self.state.calls.get(&id).is_some_and(is_member_of_ended) {
            self.release_member(me, id);
            self.handle_timeout(now, id);
        }
    }

    /// Puts a user who lost its connection, or whose server restarted, back into its call.
    fn claim(&mut self, now: Duration, me: Token, ticket: &CallTicket) -> Result<(), Rejection> {
        const INVALID: Rejection = (ErrorCode::TicketInvalid, "the ticket is not valid, or not yours");
        let ticket = self.state.signer.read_call(ticket).ok_or(INVALID)?;
        let (id, members) = (ticket.call, ticket.members);
        let ticket = if self.state.calls.contains_key(&id) {
            GenuineCallTicket { issued: self.state.clock.corrected(ticket.issued), ..ticket }
        } else {
            ticket
        };
        if ticket.has_expired(self.state.clock.at(now)) {
            return Err(INVALID);
        }
        if !members.contains(&me) || members[0] == members[1] {
            return Err(INVALID);
        }
        if !self.state.calls.contains_key(&id) {
            // Only a server that restarted lately lacks a call that has not ended: it waits for both members.
            let before_restart = !self.state.may_have_issued(id.0);
            if !before_restart || now > self.state.started + limits::CLAIM_WINDOW * 2 {
                self.state.send(me, ServerMessage::Ended { call: id, reason: EndReason::Gone });
                return Ok(());
            }
            self.state.calls.insert(id, CallState::restored(members, now + limits::CLAIM_WINDOW));
            self.schedule_deadline(id);
        }
        let Some(call) = self.state.calls.get(&id) else {
            return Err(NO_CALL);
        };
        match (call.step, call.member_state(me)) {
            (CallStep::Ended { reason, .. }, _) => self.state.send(me, ServerMessage::Ended { call: id, reason }),
            (_, Some(MemberState::AwaitingClaim { .. })) => self.rejoin(now, me, id)?,
            (_, Some(MemberState::Present)) => return Err(WRONG_STEP),
            (_, Some(MemberState::Released) | None) => {
                self.state.send(me, ServerMessage::Ended { call: id, reason: EndReason::Gone });
            }
        }
        Ok(())
    }

    /// Puts a member back into its call: `connecting` until the other member is present too, then `in_call` for both.
    fn rejoin(&mut self, now: Duration, me: Token, id: CallId) -> Result<(), Rejection> {
        // Another user may have called between this user's login and its claim. The older call wins: its media still flows.
        if let Some(ring) = self.state.users.get(me).and_then(|record| record.call) {
            if self.state.calls.get(&ring).is_some_and(|call| call.step.is_confirmed()) {
                return Err((ErrorCode::Busy, "you are in another call"));
            }
            self.end_call(now, ring, EndReason::Busy, Some(me));
            self.release_member(me, ring);
        }
        self.join(me, id, StateEvent::Claim);
        if let Some(member) = self.state.calls.get_mut(&id).and_then(|call| call.member_mut(me)) {
            member.state = MemberState::Present;
        }
        self.schedule_deadline(id);
        let Some(call) = self.state.calls.get(&id).filter(|call| call.all_present()) else {
            return Ok(());
        };
        let members = [call.caller(), call.target()];
        self.rosters.on_call(self.state, members);
        let Some(call) = self.state.calls.get(&id) else { return Ok(()) };
        for member in call.members.map(|member| member.token) {
            // Fails for one who was in the call all along. That client has to know too: its offers were not forwarded.
            self.state.users.apply(member, StateEvent::Confirm).ok();
            self.state.send(member, ServerMessage::Claimed { call: id });
        }
        Ok(())
    }

    /// Ends a call that has not ended yet, and sends `ended` to its members except `by`, who caused it.
    pub fn end_call(&mut self, now: Duration, id: CallId, reason: EndReason, by: Option<Token>) {
        let Some(call) = self.state.calls.get_mut(&id).filter(|call| !call.step.is_ended()) else {
            return;
        };
        call.step = CallStep::Ended { reason, until: now + limits::ENDING_TIMEOUT };
        let members = call.members;
        for member in members.into_iter().filter(|member| member.state == MemberState::Present) {
            let after = self.state.users.apply(member.token, StateEvent::End);
            debug_assert_eq!(after, Ok(UserState::Ending));
            if Some(member.token) != by {
                self.state.send(member.token, ServerMessage::Ended { call: id, reason });
            }
        }
        self.schedule_deadline(id);
        self.state.emit(RegistryEvent::CallEnded { reason });
    }

    /// Ends the calls of a user whose session ends: the one it is in, and those that it could still claim.
    pub fn end_calls_of(&mut self, now: Duration, me: Token) {
        if let Some(id) = self.state.users.get(me).and_then(|record| record.call) {
            self.end_call(now, id, EndReason::Gone, Some(me));
        }
        let is_claimable = |call: &CallState| matches!(call.member_state(me), Some(MemberState::AwaitingClaim { .. }));
        let mut claimable: Vec<_> =
            self.state.calls.iter().filter(|(_, call)| is_claimable(call)).map(|(id, _)| *id).collect();
        // In the order of the calls, so that the same input has the same effects.
        claimable.sort_unstable();
        for id in claimable {
            if let Some(member) = self.state.calls.get_mut(&id).and_then(|call| call.member_mut(me)) {
                member.state = MemberState::Released;
            }
            self.end_call(now, id, EndReason::Gone, Some(me));
            // This may have been the last member that the record was kept for.
            self.handle_timeout(now, id);
            self.schedule_deadline(id);
        }
    }

    /// Takes a user offline whose connection was lost or is being replaced.
    pub fn disconnect_user(&mut self, now: Duration, me: Token) {
        let record = self.state.users.get(me);
        let (id, conn) = (record.and_then(|record| record.call), record.and_then(|record| record.conn));
        let held_until = now + limits::NAME_RESERVATION;
        self.state.users.disconnect(me, held_until);
        if let Some(conn) = conn {
            self.rosters.on_disconnect(self.state, conn);
        }
        self.state.schedule(held_until, Deadline::NameHold(me));
        let Some(id) = id else { return };
        let Some(call) = self.state.calls.get_mut(&id) else { return };
        let step = call.step;
        if let Some(member) = call.member_mut(me) {
            member.state = if step.is_confirmed() {
                MemberState::AwaitingClaim { until: now + limits::CLAIM_WINDOW }
            } else {
                MemberState::Released
            };
        }
        if !step.is_confirmed() {
            self.end_call(now, id, EndReason::Gone, None);
            self.handle_timeout(now, id);
        }
        // An ended call needs it too: without a present member, its deadline is now the last possible claim.
        self.schedule_deadline(id);
    }

    /// Handles a call's deadline. Does nothing if it has not passed or has moved: a newer entry is scheduled then.
    pub fn handle_timeout(&mut self, now: Duration, id: CallId) {
        let Some(timeout) = self.state.calls.get(&id).and_then(|call| call.timeout(now)) else {
            return;
        };
        match timeout {
            CallTimeout::End(reason) => {
                self.end_call(now, id, reason, None);
                self.handle_timeout(now, id);
            }
            CallTimeout::Release => {
                let members = self.state.calls.get(&id).map(|call| call.members).into_iter().flatten();
                for member in members.filter(|member| member.state == MemberState::Present) {
                    self.release_member(member.token, id);
                }
                self.handle_timeout(now, id);
                self.schedule_deadline(id);
            }
            CallTimeout::Forget => {
                self.state.calls.remove(&id);
            }
        }
    }

    /// Makes a member of an ended call `online` again.
    fn release_member(&mut self, token: Token, id: CallId) {
        if let Some(member) = self.state.calls.get_mut(&id).and_then(|call| call.member_mut(token)) {
            member.state = MemberState::Released;
        }
        if let Some(record) = self.state.users.get_mut(token) {
            record.call = None;
        }
        let after = self.state.users.apply(token, StateEvent::Release);
        debug_assert_eq!(after, Ok(UserState::Online));
        self.schedule_deadline(id);
    }

    /// Makes a user `connecting` in a call and returns the user. The caller has checked that its state permits the event.
    fn join(&mut self, token: Token, id: CallId, event: StateEvent) -> Option<User> {
        let after = self.state.users.apply(token, event);
        debug_assert_eq!(after, Ok(UserState::Connecting));
        let record = self.state.users.get_mut(token)?;
        record.call = Some(id);
        Some(record.user.clone())
    }

    /// Schedules a call's next deadline.
    fn schedule_deadline(&mut self, id: CallId) {
        if let Some(at) = self.state.calls.get(&id).and_then(CallState::deadline) {
            self.state.schedule(at, Deadline::Call(id));
        }
    }

    /// The call, if this user is a present member of it.
    fn call_of_present_member(&mut self, me: Token, id: CallId) -> Result<&mut CallState, Rejection> {
        let call = self.state.calls.get_mut(&id).ok_or(NO_CALL)?;
        if call.member_state(me) == Some(MemberState::Present) { Ok(call) } else { Err(NO_CALL) }
    }
}

/// Charges a member for bytes that are about to be relayed to the other.
fn charge(call: &mut CallState, now: Duration, me: Token, bytes: usize) -> Result<(), Rejection> {
    match call.member_mut(me).map(|member| member.relay_budget.take(now, bytes)) {
        Some(true) => Ok(()),
        Some(false) => Err((ErrorCode::RateLimited, "you send the other side more than it should have to receive")),
        None => Err(NO_CALL),
    }
}
