//! Simulated people: random commands at random times.

use std::time::Duration;

use fastrand::Rng;
use hutong_core::{CallPhase, Command, SessionView};
use hutong_protocol::MediaKind;

use crate::world::ModelWorld;

/// Kinds of commands that simulated people give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Activity {
    /// All commands.
    Unrestricted,
    /// Only logins. They may have to be repeated, because the server reserves a name until it detects a broken
    /// connection.
    LoginOnly,
}

/// Gives commands for each participant at random times.
pub(super) struct SimulatedPeople {
    /// For each participant: time of the next command.
    next_at: Vec<Duration>,
    activity: Activity,
}

impl SimulatedPeople {
    /// Schedules the first command of each participant.
    pub fn new(next_at: Vec<Duration>) -> Self {
        Self { next_at, activity: Activity::Unrestricted }
    }

    /// Restricts people to logins from now on.
    pub fn restrict_to_login(&mut self) {
        self.activity = Activity::LoginOnly;
    }

    /// For each participant: time of the next command, and index.
    pub fn next_actions(&self) -> impl Iterator<Item = (Duration, usize)> {
        self.next_at.iter().copied().zip(0..)
    }

    /// Gives a command that suits the participant's state, or none, and schedules the next.
    pub fn act(&mut self, world: &mut ModelWorld, random: &mut Rng, index: usize) {
        let phase = world.phase(index);
        match phase {
            None if !world.is_logged_in(index) => log_in(world, index),
            _ if self.activity == Activity::LoginOnly => {}
            None => match random.u8(0..12) {
                0 => world.command(index, Command::LogOut),
                1 => set_roster_filter(world, random, index),
                2 | 3 => {}
                _ => call_random_user(world, random, index),
            },
            Some(CallPhase::Incoming) => match random.u8(0..8) {
                0 => world.command(index, Command::Decline),
                1 => {}
                2 => world.command(index, Command::Accept { media: MediaKind::Voice }),
                _ => world.command(index, Command::Accept { media: MediaKind::Video }),
            },
            Some(CallPhase::Ending) => {}
            Some(CallPhase::Connected) => match random.u8(0..10) {
                0 => world.command(index, Command::LogOut),
                1..=5 => world.command(index, Command::HangUp),
                _ => {}
            },
            Some(_) if random.u8(0..5) == 0 => world.command(index, Command::HangUp),
            Some(_) => {}
        }
        let is_talking = world.phase(index) == Some(CallPhase::Connected);
        let millis = if is_talking { random.u64(1_000..60_000) } else { random.u64(200..10_000) };
        self.next_at[index] = world.now + Duration::from_millis(millis);
    }
}

/// Logs in a participant that is neither logged in nor logging in.
fn log_in(world: &mut ModelWorld, index: usize) {
    let session = &world.participants[index].client.view().session;
    if matches!(session, SessionView::LoggedOut | SessionView::Refused { .. } | SessionView::Replaced { .. }) {
        world.command(index, Command::LogIn { name: format!("person {index}"), secret: None });
    }
}

/// Searches for a random name and watches another.
fn set_roster_filter(world: &mut ModelWorld, random: &mut Rng, index: usize) {
    let (query, favourite) = (random.usize(0..world.participants.len()), random.usize(0..world.participants.len()));
    let names = vec![format!("person {favourite}")];
    world.command(index, Command::SetRosterFilter { query: format!("person {query}"), names });
}

/// Calls a random user among those shown as available.
fn call_random_user(world: &mut ModelWorld, random: &mut Rng, index: usize) {
    let users = &world.participants[index].client.view().users;
    let available: Vec<_> = users.values().filter(|user| user.state.can_be_called()).map(|user| user.token).collect();
    if let Some(to) = random.choice(available) {
        world.command(index, Command::Call { to, media: MediaKind::Video });
    }
}
