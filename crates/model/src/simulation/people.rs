//! What people do.

use std::time::Duration;

use fastrand::Rng;
use hutong_core::{CallPhase, Command, Session};
use hutong_protocol::MediaKind;

use crate::world::World;

/// What people do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    /// Anything.
    Lively,
    /// Only what gets them in again: a name may be held by a connection that the server does not know to be gone.
    Calm,
}

/// Acts for each person of the world, at moments that are drawn.
pub(super) struct People {
    /// When each person does something next.
    acts: Vec<Duration>,
    mood: Mood,
}

impl People {
    /// Each does something first at these times.
    pub fn new(acts: Vec<Duration>) -> Self {
        Self { acts, mood: Mood::Lively }
    }

    /// From now on people do only what gets them in again.
    pub fn calm_down(&mut self) {
        self.mood = Mood::Calm;
    }

    /// Who does something when.
    pub fn acts(&self) -> impl Iterator<Item = (Duration, usize)> {
        self.acts.iter().copied().zip(0..)
    }

    /// Does what a person may think of now, and decides when to think again.
    pub fn act(&mut self, world: &mut World, random: &mut Rng, who: usize) {
        let phase = world.phase(who);
        match phase {
            None if !world.is_logged_in(who) => log_in(world, who),
            _ if self.mood == Mood::Calm => {}
            None => match random.u8(0..12) {
                0 => world.command(who, Command::LogOut),
                1 => set_roster_filter(world, random, who),
                2 | 3 => {}
                _ => call_somebody(world, random, who),
            },
            Some(CallPhase::Incoming) => match random.u8(0..8) {
                0 => world.command(who, Command::Decline),
                1 => {}
                2 => world.command(who, Command::Accept { media: MediaKind::Voice }),
                _ => world.command(who, Command::Accept { media: MediaKind::Video }),
            },
            Some(CallPhase::Ending) => {}
            Some(CallPhase::Connected) => match random.u8(0..10) {
                0 => world.command(who, Command::LogOut),
                1..=5 => world.command(who, Command::HangUp),
                _ => {}
            },
            Some(_) if random.u8(0..5) == 0 => world.command(who, Command::HangUp),
            Some(_) => {}
        }
        let talks = world.phase(who) == Some(CallPhase::Connected);
        let millis = if talks { random.u64(1_000..60_000) } else { random.u64(200..10_000) };
        self.acts[who] = world.now + Duration::from_millis(millis);
    }
}

/// Logs in who is not on the way to it.
fn log_in(world: &mut World, who: usize) {
    let session = &world.people[who].client.view().session;
    if matches!(session, Session::LoggedOut | Session::Refused { .. } | Session::Replaced { .. }) {
        world.command(who, Command::LogIn { name: format!("person {who}"), secret: None });
    }
}

/// Searches for somebody, and wants to see somebody else in any case.
fn set_roster_filter(world: &mut World, random: &mut Rng, who: usize) {
    let (query, favourite) = (random.usize(0..world.people.len()), random.usize(0..world.people.len()));
    let names = vec![format!("person {favourite}")];
    world.command(who, Command::SetRosterFilter { query: format!("person {query}"), names });
}

/// Calls one of those who are shown as free.
fn call_somebody(world: &mut World, random: &mut Rng, who: usize) {
    let users = &world.people[who].client.view().users;
    let free: Vec<_> = users.values().filter(|user| user.state.can_be_called()).map(|user| user.token).collect();
    if let Some(to) = random.choice(free) {
        world.command(who, Command::Call { to, media: MediaKind::Video });
    }
}
