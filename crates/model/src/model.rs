//! The world as a model: what can happen in it next, and what must hold.

use hutong_core::{CallPhase, Command, Session};
use hutong_protocol::{MediaKind, UserState};
use hutong_server::registry::inspect::Snapshot;
use stateright::{Model, Property};

use crate::{
    scope::{Left, Scope},
    world::{Wire, World},
};

/// What can happen next. People are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    /// The first calls the second.
    Call(usize, usize),
    /// Takes the call that rings.
    Accept(usize),
    /// Declines, gives up or hangs up.
    HangUp(usize),
    /// Refuses the devices that are asked for.
    Refuse(usize),
    /// Logs out.
    LogOut(usize),
    /// The connection breaks.
    Cut(usize),
    /// The server is killed and started anew.
    Restart,
    /// The person's next message comes to the server, or the news of a break.
    ToServer(usize),
    /// The server's next message comes to the person, or the news of a break.
    ToClient(usize),
    /// The media engine has done what it was told.
    Report(usize),
    /// The media engine sees that the other end is gone.
    DeadMedia(usize),
    /// It is time for what the client has waited for.
    Tick(usize),
    /// It is time for what the server has waited for.
    TickServer,
}

impl Act {
    /// Whether somebody wills it, or something breaks. All else happens by itself.
    #[must_use]
    pub const fn is_free(self) -> bool {
        matches!(
            self,
            Self::Call(..)
                | Self::Accept(_)
                | Self::HangUp(_)
                | Self::Refuse(_)
                | Self::LogOut(_)
                | Self::Cut(_)
                | Self::Restart
        )
    }
}

impl Model for Scope {
    type State = World;
    type Action = Act;

    fn init_states(&self) -> Vec<World> {
        vec![World::begin(self)]
    }

    fn actions(&self, world: &World, acts: &mut Vec<Act>) {
        by_itself(world, acts);
        by_people(world, acts);
        by_mishap(world, acts);
    }

    fn next_state(&self, world: &World, act: Act) -> Option<World> {
        let mut world = world.clone();
        match act {
            Act::Call(who, whom) => {
                world.left.calls -= 1;
                world.calls(who, whom);
            }
            Act::Accept(who) => world.command(who, Command::Accept { media: MediaKind::Video }),
            Act::HangUp(who) => world.command(who, Command::HangUp),
            Act::Refuse(who) => {
                world.left.refusals -= 1;
                world.people[who].engine.refuse();
            }
            Act::LogOut(who) => {
                world.left.leaves -= 1;
                world.command(who, Command::LogOut);
            }
            Act::Cut(who) => {
                world.left.cuts -= 1;
                world.cut(who);
            }
            Act::Restart => {
                world.left.restarts -= 1;
                world.restart_server();
            }
            Act::ToServer(who) => {
                world.deliver_to_server(who);
            }
            Act::ToClient(who) => {
                world.deliver_to_client(who);
            }
            Act::Report(who) => {
                world.report(who);
            }
            Act::DeadMedia(who) => {
                let place = world.dead_media(who)?;
                world.people[who].engine.other_end_gone(place);
            }
            Act::Tick(who) => {
                world.left.late -= u8::from(is_under_way(&world));
                world.tick(who);
            }
            Act::TickServer => {
                world.left.late -= u8::from(is_under_way(&world));
                world.tick_server();
            }
        }
        Some(world.sealed())
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("nobody is in two calls", |_, world: &World| {
                is_in_one_call_at_most(&world.registry.snapshot())
            }),
            Property::always("states and calls agree", |_, world: &World| {
                let snapshot = world.registry.snapshot();
                snapshot.faults().is_empty() && snapshot.wakes_in_time(&world.registry)
            }),
            Property::always("nobody is stuck", |_, world: &World| !is_quiet(world) || is_settled(world)),
            Property::always("every call ends", |scope: &Scope, world: &World| {
                !is_end(scope, world) || has_no_call(world)
            }),
        ];
        // That the model does what it is thought to do.
        let Left { calls, cuts, restarts, refusals, leaves: _, late: _ } = self.budget;
        if calls >= 1 {
            properties
                .push(Property::sometimes("a call is on", |_, world: &World| is_quiet(world) && is_in_call(world, 0)));
        }
        if calls >= 2 {
            properties.push(Property::sometimes("two offer each other a call", |_, world: &World| {
                (0..2).all(|who| world.phase(who) == Some(CallPhase::Offering))
            }));
        }
        if calls >= 1 && cuts + restarts >= 1 {
            properties.push(Property::sometimes("a call outlives its connection", |_, world: &World| {
                is_quiet(world) && is_in_call(world, 0) && world.left.cuts + world.left.restarts == 0
            }));
        }
        if calls >= 1 && refusals >= 1 {
            properties.push(Property::sometimes("a call is on after refused devices", |_, world: &World| {
                is_quiet(world) && is_in_call(world, 0) && world.left.refusals == 0
            }));
        }
        properties
    }
}

/// What goes on without anybody's doing.
fn by_itself(world: &World, acts: &mut Vec<Act>) {
    under_way(world, acts);
    if acts.is_empty() || world.left.late > 0 {
        by_time(world, acts);
    }
}

/// What messages, devices and connections do next.
fn under_way(world: &World, acts: &mut Vec<Act>) {
    for (who, person) in world.people.iter().enumerate() {
        if person.wires.iter().any(Wire::has_for_server) {
            acts.push(Act::ToServer(who));
        }
        if person.wires.last().is_some_and(Wire::has_for_client) {
            acts.push(Act::ToClient(who));
        }
        if !person.engine.reports.is_empty() {
            acts.push(Act::Report(who));
        }
        if world.dead_media(who).is_some() {
            acts.push(Act::DeadMedia(who));
        }
    }
}

/// Whose deadline is the next.
fn by_time(world: &World, acts: &mut Vec<Act>) {
    let snapshot = world.registry.snapshot();
    let next = world.next_deadline(&snapshot);
    for (who, person) in world.people.iter().enumerate() {
        if person.wake.is_some() && person.wake == next {
            acts.push(Act::Tick(who));
        }
    }
    let server = world.server_deadline(&snapshot);
    if server.is_some() && server == next {
        acts.push(Act::TickServer);
    }
}

fn by_people(world: &World, acts: &mut Vec<Act>) {
    for who in 0..world.people.len() {
        let phase = world.phase(who);
        if phase.is_none() && world.is_logged_in(who) && world.left.calls > 0 {
            let view = world.people[who].client.view();
            let others = (0..world.people.len()).filter(|other| *other != who);
            let callable = |other: &usize| {
                world
                    .token(*other)
                    .and_then(|token| view.users.get(&token))
                    .is_some_and(|user| user.state.can_be_called())
            };
            acts.extend(others.filter(callable).map(|whom| Act::Call(who, whom)));
        }
        if phase == Some(CallPhase::Incoming) {
            acts.push(Act::Accept(who));
        }
        if phase.is_some_and(|phase| phase != CallPhase::Ending) {
            acts.push(Act::HangUp(who));
        }
        if world.left.leaves > 0 && world.is_logged_in(who) {
            acts.push(Act::LogOut(who));
        }
    }
}

fn by_mishap(world: &World, acts: &mut Vec<Act>) {
    for (who, person) in world.people.iter().enumerate() {
        if world.left.cuts > 0 && person.wires.last().is_some_and(|wire| !wire.broken && !wire.client_knows) {
            acts.push(Act::Cut(who));
        }
        if world.left.refusals > 0 && person.engine.clone().refuse() {
            acts.push(Act::Refuse(who));
        }
    }
    if world.left.restarts > 0 {
        acts.push(Act::Restart);
    }
}

pub fn is_in_one_call_at_most(snapshot: &Snapshot) -> bool {
    snapshot.tokens().all(|token| snapshot.calls_of(token).len() <= 1)
}

fn is_under_way(world: &World) -> bool {
    let mut acts = Vec::new();
    under_way(world, &mut acts);
    !acts.is_empty()
}

/// Whether nothing more happens by itself.
fn is_quiet(world: &World) -> bool {
    let mut acts = Vec::new();
    by_itself(world, &mut acts);
    acts.is_empty()
}

/// Whether nothing more happens at all.
fn is_end(scope: &Scope, world: &World) -> bool {
    let mut acts = Vec::new();
    scope.actions(world, &mut acts);
    acts.is_empty()
}

/// Whether everybody is online, offline or in a call that both are in, and knows it of oneself and of the others.
pub fn is_settled(world: &World) -> bool {
    let snapshot = world.registry.snapshot();
    (0..world.people.len()).all(|who| {
        let state = world.state(&snapshot, who);
        let client = &world.people[who].client;
        let devices = world.people[who].engine.live.len();
        let Session::LoggedIn { me } = &client.view().session else {
            return client.view().session == Session::LoggedOut && state == UserState::Offline && devices == 0;
        };
        let is_well = match world.phase(who) {
            None => state == UserState::Online && devices == 0,
            Some(CallPhase::Connected) => is_in_call(world, who) && devices == 1,
            Some(_) => false,
        };
        let sees_everybody = (0..world.people.len()).filter(|other| *other != who).all(|other| {
            let Some(token) = world.token(other) else { return true };
            match (client.view().users.get(&token), client.view().total) {
                // Where a part is shown, this one is not in it.
                (None, Some(_)) => true,
                (seen, _) => seen.map_or(UserState::Offline, |user| user.state) == snapshot.state(token),
            }
        });
        me.state == state && is_well && sees_everybody
    })
}

/// Whether this person's call is on, for the server and on both sides.
fn is_in_call(world: &World, who: usize) -> bool {
    let snapshot = world.registry.snapshot();
    let Some(call) = &world.people[who].client.view().call else { return false };
    let other = (0..world.people.len()).find(|other| world.token(*other) == Some(call.with.token));
    let Some(other) = other else { return false };
    let back = world.people[other].client.view().call.as_ref().map(|call| call.with.token);
    let on = |who| world.phase(who) == Some(CallPhase::Connected) && world.state(&snapshot, who) == UserState::InCall;
    let ids = |who| world.token(who).map(|token| snapshot.calls_of(token));
    on(who) && on(other) && back == world.token(who) && ids(who) == ids(other)
}

/// Whether nobody is in a call, and nothing is left of any.
pub fn has_no_call(world: &World) -> bool {
    let nobody = (0..world.people.len()).all(|who| world.phase(who).is_none());
    nobody && world.registry.calls_known() == 0 && world.people.iter().all(|person| person.engine.live.is_empty())
}
