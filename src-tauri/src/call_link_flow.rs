//! The flow of an opened call link: confirmation by the person, change of server and login, then the call.

use hutong_core::{
    SessionView, View,
    host_messages::{CallLinkStage, PendingCallLink},
};
use hutong_protocol::Token;

use crate::{address::ServerAddress, call_link::CallLink, invitation::Invitation};

/// State machine of at most one call link; a later link replaces an earlier one. Acts only on the person's confirmation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallLinkFlow(Option<(CallLink, CallLinkStage)>);

/// The action that follows the person's confirmation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum ConfirmOutcome {
    /// None now.
    None,
    /// Switch to this server.
    SwitchServer(Invitation),
    /// Call this user.
    Call(Token),
}

impl CallLinkFlow {
    /// Starts the flow of a link.
    pub fn open(&mut self, link: CallLink) {
        self.0 = Some((link, CallLinkStage::AwaitingConfirmation));
    }

    /// Drops the link.
    pub fn dismiss(&mut self) {
        self.0 = None;
    }

    /// The current link.
    #[must_use]
    pub fn link(&self) -> Option<&CallLink> {
        self.0.as_ref().map(|(link, _)| link)
    }

    /// Handles the person's confirmation. `current` is the server in use.
    pub fn confirm(&mut self, current: Option<&ServerAddress>, view: &View) -> ConfirmOutcome {
        let Some((link, stage)) = &mut self.0 else { return ConfirmOutcome::None };
        if view.call.is_some() {
            // Changing the server would end the current call; the link waits.
            return ConfirmOutcome::None;
        }
        if current != Some(&link.server) {
            *stage = CallLinkStage::AwaitingLogin;
            return ConfirmOutcome::SwitchServer(Invitation {
                address: link.server.clone(),
                key: link.key.clone(),
                access_key: None,
            });
        }
        if !matches!(view.session, SessionView::LoggedIn { .. }) {
            *stage = CallLinkStage::AwaitingLogin;
            return ConfirmOutcome::None;
        }
        let key = link.name.key();
        match view.users.values().find(|user| user.name.key() == key) {
            Some(user) => {
                let token = user.token;
                self.0 = None;
                ConfirmOutcome::Call(token)
            }
            None => {
                *stage = CallLinkStage::CalleeOffline;
                ConfirmOutcome::None
            }
        }
    }

    /// Handles a change of session or server: after login on the link's server the person is asked to confirm again;
    /// choosing another server drops the link. Returns whether the state changed.
    pub fn update(&mut self, current: Option<&ServerAddress>, session: &SessionView) -> bool {
        let Some((link, stage @ CallLinkStage::AwaitingLogin)) = &mut self.0 else { return false };
        if current != Some(&link.server) {
            self.0 = None;
            true
        } else if matches!(session, SessionView::LoggedIn { .. }) {
            *stage = CallLinkStage::AwaitingConfirmation;
            true
        } else {
            false
        }
    }

    /// The link for the page. `current` is the server in use.
    #[must_use]
    pub fn view(&self, current: Option<&ServerAddress>) -> Option<PendingCallLink> {
        let (link, stage) = self.0.as_ref()?;
        let changes_server = current != Some(&link.server);
        Some(PendingCallLink {
            name: link.name.clone(),
            server: link.server.to_string(),
            changes_server,
            stage: *stage,
        })
    }
}

#[cfg(test)]
mod tests {
    use hutong_core::{CallPhase, CallView};
    use hutong_protocol::{MediaKind, Name, User, UserState};

    use super::*;

    fn user(token: u64, name: &str) -> User {
        User { token: Token(token), name: Name::new(name).unwrap(), state: UserState::Online }
    }

    fn logged_in() -> View {
        let users = [(Token(2), user(2, "Ana"))].into();
        View { session: SessionView::LoggedIn { me: user(1, "Bo") }, users, ..View::default() }
    }

    fn flow_of(link: &str) -> CallLinkFlow {
        let mut flow = CallLinkFlow::default();
        flow.open(CallLink::parse(link).unwrap());
        flow
    }

    fn stage(flow: &CallLinkFlow) -> Option<CallLinkStage> {
        flow.view(None).map(|link| link.stage)
    }

    #[test]
    fn an_online_user_is_called_once_after_confirmation() {
        let mut flow = flow_of("hutong://call/ANA?server=a.example");
        let current = ServerAddress::parse("a.example").unwrap();
        assert_eq!(stage(&flow), Some(CallLinkStage::AwaitingConfirmation));
        assert!(!flow.update(Some(&current), &logged_in().session), "the flow advanced without confirmation");
        assert_eq!(flow.confirm(Some(&current), &logged_in()), ConfirmOutcome::Call(Token(2)));
        assert_eq!(flow.confirm(Some(&current), &logged_in()), ConfirmOutcome::None);
        assert_eq!(flow.view(None), None);
    }

    #[test]
    fn an_offline_user_is_reported_and_the_link_can_be_confirmed_again() {
        let mut flow = flow_of("hutong://call/Cy?server=a.example");
        let current = ServerAddress::parse("a.example").unwrap();
        let mut view = logged_in();
        assert_eq!(flow.confirm(Some(&current), &view), ConfirmOutcome::None);
        assert_eq!(stage(&flow), Some(CallLinkStage::CalleeOffline));
        view.users.insert(Token(3), user(3, "Cy"));
        assert_eq!(flow.confirm(Some(&current), &view), ConfirmOutcome::Call(Token(3)));
    }

    #[test]
    fn the_server_is_switched_after_confirmation_and_the_person_confirms_again() {
        let mut flow = flow_of("hutong://call/Ana?server=b.example");
        let (a, b) = (ServerAddress::parse("a.example").unwrap(), ServerAddress::parse("b.example").unwrap());
        assert_eq!(
            flow.confirm(Some(&a), &logged_in()),
            ConfirmOutcome::SwitchServer(Invitation { address: b.clone(), key: None, access_key: None })
        );
        assert_eq!(stage(&flow), Some(CallLinkStage::AwaitingLogin));
        assert!(!flow.update(Some(&b), &SessionView::LoggedOut));
        assert!(flow.update(Some(&b), &logged_in().session));
        assert_eq!(stage(&flow), Some(CallLinkStage::AwaitingConfirmation));
        assert_eq!(flow.confirm(Some(&b), &logged_in()), ConfirmOutcome::Call(Token(2)));
    }

    #[test]
    fn confirmation_without_a_session_waits_for_login() {
        let mut flow = flow_of("hutong://call/Ana?server=a.example");
        let current = ServerAddress::parse("a.example").unwrap();
        assert_eq!(flow.confirm(Some(&current), &View::default()), ConfirmOutcome::None);
        assert_eq!(stage(&flow), Some(CallLinkStage::AwaitingLogin));
        assert!(flow.update(Some(&current), &logged_in().session));
        assert_eq!(stage(&flow), Some(CallLinkStage::AwaitingConfirmation));
    }

    #[test]
    fn choosing_another_server_drops_the_link() {
        let mut flow = flow_of("hutong://call/Ana?server=b.example");
        let (a, b) = (ServerAddress::parse("a.example").unwrap(), ServerAddress::parse("b.example").unwrap());
        assert_eq!(
            flow.confirm(Some(&a), &View::default()),
            ConfirmOutcome::SwitchServer(Invitation { address: b, key: None, access_key: None })
        );
        assert!(flow.update(Some(&a), &SessionView::LoggedOut));
        assert_eq!(flow.view(None), None);
    }

    #[test]
    fn confirmation_during_a_call_does_nothing() {
        let mut flow = flow_of("hutong://call/Ana?server=b.example");
        let call = CallView { with: user(2, "Ana"), peer: None, media: MediaKind::Video, phase: CallPhase::Connected };
        let view = View { call: Some(call), ..logged_in() };
        assert_eq!(flow.confirm(None, &view), ConfirmOutcome::None);
        assert_eq!(stage(&flow), Some(CallLinkStage::AwaitingConfirmation));
        flow.dismiss();
        assert_eq!(flow.view(None), None);
    }
}
