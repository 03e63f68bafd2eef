//! The stateright model: actions that change a world, and properties that must hold.

use hutong_core::{CallPhase, Command, SessionView};
use hutong_protocol::{MediaKind, UserState};
use hutong_server::registry::inspect::RegistrySnapshot;
use stateright::{Model, Property};

use crate::{
    connection::ModelConnection,
    scope::{CheckScope, EventBudget},
    world::ModelWorld,
};

/// Action that changes the world. Participants are identified by their index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModelAction {
    /// The first participant calls the second.
    Call(usize, usize),
    /// Accepts the incoming call.
    Accept(usize),
    /// Declines, cancels or hangs up.
    HangUp(usize),
    /// Denies access to the devices being acquired.
    DenyDevices(usize),
    /// Logs out.
    LogOut(usize),
    /// The server ends the participant's session: the name's owner has logged in elsewhere, or its secret has changed.
    EndSession(usize),
    /// The participant's connection breaks.
    CutConnection(usize),
    /// The server is killed and restarted.
    RestartServer,
    /// The server receives the participant's next message, or detects the broken connection.
    DeliverToServer(usize),
    /// The client receives the server's next message, or detects the broken connection.
    DeliverToClient(usize),
    /// The media engine delivers its next report.
    ReportMedia(usize),
    /// The media engine detects that the remote peer was closed.
    DetectDeadMedia(usize),
    /// The client's deadline passes.
    TickClient(usize),
    /// The server's deadline passes.
    TickServer,
}

impl ModelAction {
    /// Whether a person or a failure causes the action. All others follow from the state without external cause.
    #[must_use]
    pub const fn is_external(self) -> bool {
        matches!(
            self,
            Self::Call(..)
                | Self::Accept(_)
                | Self::HangUp(_)
                | Self::DenyDevices(_)
                | Self::LogOut(_)
                | Self::EndSession(_)
                | Self::CutConnection(_)
                | Self::RestartServer
        )
    }
}

impl Model for CheckScope {
    type State = ModelWorld;
    type Action = ModelAction;

    fn init_states(&self) -> Vec<ModelWorld> {
        vec![ModelWorld::new(self)]
    }

    fn actions(&self, world: &ModelWorld, actions: &mut Vec<ModelAction>) {
        internal_actions(world, actions);
        person_actions(world, actions);
        failure_actions(world, actions);
    }

    fn next_state(&self, world: &ModelWorld, action: ModelAction) -> Option<ModelWorld> {
        let mut world = world.clone();
        match action {
            ModelAction::Call(index, callee) => {
                world.budget.calls -= 1;
                world.start_call(index, callee);
            }
            ModelAction::Accept(index) => world.command(index, Command::Accept { media: MediaKind::Video }),
            ModelAction::HangUp(index) => world.command(index, Command::HangUp),
            ModelAction::DenyDevices(index) => {
                world.budget.denials -= 1;
                world.participants[index].engine.deny_devices();
            }
            ModelAction::LogOut(index) => {
                world.budget.logouts -= 1;
                world.command(index, Command::LogOut);
            }
            ModelAction::EndSession(index) => {
                world.budget.ended_sessions -= 1;
                world.end_session(index);
            }
            ModelAction::CutConnection(index) => {
                world.budget.cuts -= 1;
                world.cut_connection(index);
            }
            ModelAction::RestartServer => {
                world.budget.restarts -= 1;
                world.restart_server();
            }
            ModelAction::DeliverToServer(index) => {
                world.deliver_to_server(index);
            }
            ModelAction::DeliverToClient(index) => {
                world.deliver_to_client(index);
            }
            ModelAction::ReportMedia(index) => {
                world.report_media(index);
            }
            ModelAction::DetectDeadMedia(index) => {
                let peer_index = world.dead_peer_index(index)?;
                world.participants[index].engine.remote_peer_closed(peer_index);
            }
            ModelAction::TickClient(index) => {
                world.budget.late_deadlines -= u8::from(has_deliveries(&world));
                world.tick_client(index);
            }
            ModelAction::TickServer => {
                world.budget.late_deadlines -= u8::from(has_deliveries(&world));
                world.tick_server();
            }
        }
        Some(world.with_fingerprint())
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("no user is in two calls", |_, world: &ModelWorld| {
                has_at_most_one_call_each(&world.registry.snapshot())
            }),
            Property::always("user states and calls agree", |_, world: &ModelWorld| {
                let snapshot = world.registry.snapshot();
                snapshot.invariant_violations().is_empty() && snapshot.wakes_in_time(&world.registry)
            }),
            Property::always("quiescent states are consistent", |_, world: &ModelWorld| {
                !is_quiescent(world) || is_consistent(world)
            }),
            Property::always("all calls end", |scope: &CheckScope, world: &ModelWorld| {
                !is_terminal(scope, world) || has_no_call(world)
            }),
        ];
        // Reachability: the model covers the cases for which it was made.
        let EventBudget { calls, cuts, restarts, denials, logouts: _, ended_sessions: _, late_deadlines: _ } =
            self.budget;
        if calls >= 1 {
            properties.push(Property::sometimes("a call is established", |_, world: &ModelWorld| {
                is_quiescent(world) && is_in_call(world, 0)
            }));
        }
        if calls >= 2 {
            properties.push(Property::sometimes("two users call each other", |_, world: &ModelWorld| {
                (0..2).all(|index| world.phase(index) == Some(CallPhase::Offering))
            }));
        }
        if calls >= 1 && cuts + restarts >= 1 {
            properties.push(Property::sometimes("a call survives its connection", |_, world: &ModelWorld| {
                is_quiescent(world) && is_in_call(world, 0) && world.budget.cuts + world.budget.restarts == 0
            }));
        }
        if calls >= 1 && denials >= 1 {
            properties
                .push(Property::sometimes("a call is established after denied devices", |_, world: &ModelWorld| {
                    is_quiescent(world) && is_in_call(world, 0) && world.budget.denials == 0
                }));
        }
        properties
    }
}

/// Adds the actions without external cause.
fn internal_actions(world: &ModelWorld, actions: &mut Vec<ModelAction>) {
    delivery_actions(world, actions);
    if actions.is_empty() || world.budget.late_deadlines > 0 {
        deadline_actions(world, actions);
    }
}

/// Adds deliveries: messages, media reports, and detections of broken connections and closed peers.
fn delivery_actions(world: &ModelWorld, actions: &mut Vec<ModelAction>) {
    for (index, participant) in world.participants.iter().enumerate() {
        if participant.connections.iter().any(ModelConnection::has_pending_to_server) {
            actions.push(ModelAction::DeliverToServer(index));
        }
        if participant.connections.last().is_some_and(ModelConnection::has_pending_to_client) {
            actions.push(ModelAction::DeliverToClient(index));
        }
        if !participant.engine.reports.is_empty() {
            actions.push(ModelAction::ReportMedia(index));
        }
        if world.dead_peer_index(index).is_some() {
            actions.push(ModelAction::DetectDeadMedia(index));
        }
    }
}

/// Adds the participants, and the server, whose deadline is the next.
fn deadline_actions(world: &ModelWorld, actions: &mut Vec<ModelAction>) {
    let snapshot = world.registry.snapshot();
    let next = world.next_deadline(&snapshot);
    for (index, participant) in world.participants.iter().enumerate() {
        if participant.wake.is_some() && participant.wake == next {
            actions.push(ModelAction::TickClient(index));
        }
    }
    let server = world.server_deadline(&snapshot);
    if server.is_some() && server == next {
        actions.push(ModelAction::TickServer);
    }
}

fn person_actions(world: &ModelWorld, actions: &mut Vec<ModelAction>) {
    for index in 0..world.participants.len() {
        let phase = world.phase(index);
        if phase.is_none() && world.is_logged_in(index) && world.budget.calls > 0 {
            let view = world.participants[index].client.view();
            let others = (0..world.participants.len()).filter(|other| *other != index);
            let callable = |other: &usize| {
                world
                    .token(*other)
                    .and_then(|token| view.users.get(&token))
                    .is_some_and(|user| user.state.can_be_called())
            };
            actions.extend(others.filter(callable).map(|callee| ModelAction::Call(index, callee)));
        }
        if phase == Some(CallPhase::Incoming) {
            actions.push(ModelAction::Accept(index));
        }
        if phase.is_some_and(|phase| phase != CallPhase::Ending) {
            actions.push(ModelAction::HangUp(index));
        }
        if world.budget.logouts > 0 && world.is_logged_in(index) {
            actions.push(ModelAction::LogOut(index));
        }
        // Also while the participant has lost its connection.
        if world.budget.ended_sessions > 0 && world.token(index).is_some() {
            actions.push(ModelAction::EndSession(index));
        }
    }
}

fn failure_actions(world: &ModelWorld, actions: &mut Vec<ModelAction>) {
    for (index, participant) in world.participants.iter().enumerate() {
        if world.budget.cuts > 0
            && participant
                .connections
                .last()
                .is_some_and(|connection| !connection.broken && !connection.closed_at_client)
        {
            actions.push(ModelAction::CutConnection(index));
        }
        if world.budget.denials > 0 && participant.engine.clone().deny_devices() {
            actions.push(ModelAction::DenyDevices(index));
        }
    }
    if world.budget.restarts > 0 {
        actions.push(ModelAction::RestartServer);
    }
}

pub fn has_at_most_one_call_each(snapshot: &RegistrySnapshot) -> bool {
    snapshot.tokens().all(|token| snapshot.calls_of(token).len() <= 1)
}

fn has_deliveries(world: &ModelWorld) -> bool {
    let mut actions = Vec::new();
    delivery_actions(world, &mut actions);
    !actions.is_empty()
}

/// Whether nothing happens any more without external cause.
fn is_quiescent(world: &ModelWorld) -> bool {
    let mut actions = Vec::new();
    internal_actions(world, &mut actions);
    actions.is_empty()
}

/// Whether no action is possible any more.
fn is_terminal(scope: &CheckScope, world: &ModelWorld) -> bool {
    let mut actions = Vec::new();
    scope.actions(world, &mut actions);
    actions.is_empty()
}

/// Whether each participant is online, offline or in a call with a second one, and all clients agree with the server
/// about it.
pub fn is_consistent(world: &ModelWorld) -> bool {
    let snapshot = world.registry.snapshot();
    (0..world.participants.len()).all(|index| {
        let state = world.state(&snapshot, index);
        let client = &world.participants[index].client;
        let devices = world.participants[index].engine.open_peers.len();
        let SessionView::LoggedIn { me } = &client.view().session else {
            let is_out = matches!(client.view().session, SessionView::LoggedOut | SessionView::Refused { .. });
            return is_out && state == UserState::Offline && devices == 0;
        };
        let call_state_is_stable = match world.phase(index) {
            None => state == UserState::Online && devices == 0,
            Some(CallPhase::Connected) => is_in_call(world, index) && devices == 1,
            Some(_) => false,
        };
        let roster_is_current = (0..world.participants.len()).filter(|other| *other != index).all(|other| {
            let Some(token) = world.token(other) else { return true };
            match (client.view().users.get(&token), client.view().total) {
                // A partial roster need not contain this user.
                (None, Some(_)) => true,
                (user, _) => user.map_or(UserState::Offline, |user| user.state) == snapshot.state(token),
            }
        });
        me.state == state && call_state_is_stable && roster_is_current
    })
}

/// Whether the participant's call is established, for the server and for both clients.
fn is_in_call(world: &ModelWorld, index: usize) -> bool {
    let snapshot = world.registry.snapshot();
    let Some(call) = &world.participants[index].client.view().call else { return false };
    let other = (0..world.participants.len()).find(|other| world.token(*other) == Some(call.with.token));
    let Some(other) = other else { return false };
    let partner_of_other = world.participants[other].client.view().call.as_ref().map(|call| call.with.token);
    let is_connected =
        |index| world.phase(index) == Some(CallPhase::Connected) && world.state(&snapshot, index) == UserState::InCall;
    let ids = |index| world.token(index).map(|token| snapshot.calls_of(token));
    is_connected(index) && is_connected(other) && partner_of_other == world.token(index) && ids(index) == ids(other)
}

/// Whether no client, engine or server has any state of a call.
pub fn has_no_call(world: &ModelWorld) -> bool {
    let no_client_has_one = (0..world.participants.len()).all(|index| world.phase(index).is_none());
    no_client_has_one
        && world.registry.known_calls() == 0
        && world.participants.iter().all(|participant| participant.engine.open_peers.is_empty())
}
