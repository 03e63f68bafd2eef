//! What people do.

use std::time::Duration;

use hutong_core::{CallPhase, Command, Session};
use hutong_protocol::MediaKind;

use super::{Mood, Simulation};

impl Simulation {
    /// Does what a person may think of now, and decides when to think again.
    pub(super) fn act(&mut self, who: usize) {
        let phase = self.world.phase(who);
        match phase {
            None if !self.world.is_logged_in(who) => self.log_in(who),
            _ if self.mood == Mood::Calm => {}
            None => match self.random.u8(0..12) {
                0 => self.world.command(who, Command::LogOut),
                1 => self.look(who),
                2 | 3 => {}
                _ => self.call_somebody(who),
            },
            Some(CallPhase::Incoming) => match self.random.u8(0..8) {
                0 => self.world.command(who, Command::Decline),
                1 => {}
                2 => self.world.command(who, Command::Accept { media: MediaKind::Voice }),
                _ => self.world.command(who, Command::Accept { media: MediaKind::Video }),
            },
            Some(CallPhase::Ending) => {}
            Some(CallPhase::Connected) => match self.random.u8(0..10) {
                0 => self.world.command(who, Command::LogOut),
                1..=5 => self.world.command(who, Command::HangUp),
                _ => {}
            },
            Some(_) if self.random.u8(0..5) == 0 => self.world.command(who, Command::HangUp),
            Some(_) => {}
        }
        let talks = self.world.phase(who) == Some(CallPhase::Connected);
        let millis = if talks { self.random.u64(1_000..60_000) } else { self.random.u64(200..10_000) };
        self.acts[who] = self.world.now + Duration::from_millis(millis);
    }

    /// Logs in who is not on the way to it.
    fn log_in(&mut self, who: usize) {
        let session = &self.world.people[who].client.view().session;
        if matches!(session, Session::LoggedOut | Session::Refused { .. } | Session::Replaced { .. }) {
            self.world.command(who, Command::LogIn { name: format!("person {who}"), secret: None });
        }
    }

    /// Searches for somebody, and wants to see somebody else in any case.
    fn look(&mut self, who: usize) {
        let (query, favourite) = (self.random.usize(0..self.phases.len()), self.random.usize(0..self.phases.len()));
        let names = vec![format!("person {favourite}")];
        self.world.command(who, Command::SetRosterFilter { query: format!("person {query}"), names });
    }

    /// Calls one of those who are shown as free.
    fn call_somebody(&mut self, who: usize) {
        let users = &self.world.people[who].client.view().users;
        let free: Vec<_> = users.values().filter(|user| user.state.can_be_called()).map(|user| user.token).collect();
        if let Some(to) = self.random.choice(free) {
            self.world.command(who, Command::Call { to, media: MediaKind::Video });
        }
    }
}
