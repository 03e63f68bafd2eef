//! What becomes of the window when the person closes it.

use crate::standing::Standing;

/// What closing the window does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// The app ends.
    Quits,
    /// The window goes out of sight, and the call goes on.
    KeepsCall,
}

impl Closing {
    /// How it is while the person stands so.
    #[must_use]
    pub const fn while_standing(standing: &Standing) -> Self {
        match standing {
            Standing::Idle => Self::Quits,
            Standing::Ringing { .. } | Standing::InCall { .. } => Self::KeepsCall,
        }
    }
}

/// How the person comes back to a window that is out of sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WayBack {
    /// By the tray: it is hidden.
    Tray,
    /// By starting the app again: it is hidden, and comes back by itself once the call is over.
    StartAgain,
    /// By the list of windows: it is minimised, because once hidden it would never be found.
    Windows,
}

impl WayBack {
    /// The best that there is: whether a tray shows, and whether a second start finds this app.
    #[must_use]
    pub const fn best(tray: bool, found: bool) -> Self {
        match (tray, found) {
            (true, _) => Self::Tray,
            (false, true) => Self::StartAgain,
            (false, false) => Self::Windows,
        }
    }
}

#[cfg(test)]
mod tests {
    use hutong_protocol::{MediaKind, Name};

    use super::*;

    #[test]
    fn closing_ends_the_app_only_where_that_ends_no_call() {
        let name = Name::new("Ana").unwrap();
        let ringing = Standing::Ringing { ring: 1, name: name.clone(), media: MediaKind::Video };
        assert_eq!(Closing::while_standing(&Standing::Idle), Closing::Quits);
        assert_eq!(Closing::while_standing(&ringing), Closing::KeepsCall);
        assert_eq!(Closing::while_standing(&Standing::InCall { name }), Closing::KeepsCall);
    }

    #[test]
    fn a_window_is_hidden_only_where_there_is_a_way_back_to_it() {
        assert_eq!(WayBack::best(true, true), WayBack::Tray);
        assert_eq!(WayBack::best(true, false), WayBack::Tray);
        assert_eq!(WayBack::best(false, true), WayBack::StartAgain);
        assert_eq!(WayBack::best(false, false), WayBack::Windows);
    }
}
