//! A call that a link offers, from the link to the person's answer. Nothing is done before that answer.

use hutong_core::{
    Session, View,
    app::{Offer, OfferStep},
};
use hutong_protocol::Token;

use crate::{address::Address, call_link::CallLink, invitation::Invitation};

/// At most one offer: a later link takes the place of an earlier one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offers(Option<(CallLink, OfferStep)>);

/// What the person's agreement leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Next {
    /// Nothing for now.
    Nothing,
    /// To another server.
    GoTo(Invitation),
    /// To the call.
    Call(Token),
}

impl Offers {
    /// A link was opened.
    pub fn open(&mut self, link: CallLink) {
        self.0 = Some((link, OfferStep::Asking));
    }

    /// The person does not want it.
    pub fn drop_it(&mut self) {
        self.0 = None;
    }

    /// The link.
    #[must_use]
    pub fn link(&self) -> Option<&CallLink> {
        self.0.as_ref().map(|(link, _)| link)
    }

    /// The person agrees. `here` is the server in use.
    pub fn take(&mut self, here: Option<&Address>, view: &View) -> Next {
        let Some((link, step)) = &mut self.0 else { return Next::Nothing };
        if view.call.is_some() {
            // The call that is on would be lost with its server; the offer waits for its end.
            return Next::Nothing;
        }
        if here != Some(&link.server) {
            *step = OfferStep::Joining;
            return Next::GoTo(Invitation { address: link.server.clone(), key: link.key.clone() });
        }
        if !matches!(view.session, Session::LoggedIn { .. }) {
            *step = OfferStep::Joining;
            return Next::Nothing;
        }
        let key = link.name.key();
        match view.users.values().find(|user| user.name.key() == key) {
            Some(user) => {
                let token = user.token;
                self.0 = None;
                Next::Call(token)
            }
            None => {
                *step = OfferStep::Away;
                Next::Nothing
            }
        }
    }

    /// Session or server may have changed: whoever has logged in where the offer leads is asked once more, and who went
    /// elsewhere meanwhile does not want it. Says whether anything changed.
    pub fn look(&mut self, here: Option<&Address>, session: &Session) -> bool {
        let Some((link, step @ OfferStep::Joining)) = &mut self.0 else { return false };
        if here != Some(&link.server) {
            self.0 = None;
            true
        } else if matches!(session, Session::LoggedIn { .. }) {
            *step = OfferStep::Asking;
            true
        } else {
            false
        }
    }

    /// What the interface shows. `here` is the server in use.
    #[must_use]
    pub fn view(&self, here: Option<&Address>) -> Option<Offer> {
        let (link, step) = self.0.as_ref()?;
        let elsewhere = here != Some(&link.server);
        Some(Offer { name: link.name.clone(), server: link.server.to_string(), elsewhere, step: *step })
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
        View { session: Session::LoggedIn { me: user(1, "Bo") }, users, ..View::default() }
    }

    fn offered(link: &str) -> Offers {
        let mut offers = Offers::default();
        offers.open(CallLink::parse(link).unwrap());
        offers
    }

    fn step(offers: &Offers) -> Option<OfferStep> {
        offers.view(None).map(|offer| offer.step)
    }

    #[test]
    fn whoever_is_there_is_called_once_after_the_answer() {
        let mut offers = offered("hutong://call/ANA?server=a.example");
        let here = Address::parse("a.example").unwrap();
        assert_eq!(step(&offers), Some(OfferStep::Asking));
        assert!(!offers.look(Some(&here), &logged_in().session), "an offer does not go on by itself");
        assert_eq!(offers.take(Some(&here), &logged_in()), Next::Call(Token(2)));
        assert_eq!(offers.take(Some(&here), &logged_in()), Next::Nothing);
        assert_eq!(offers.view(None), None);
    }

    #[test]
    fn whoever_is_not_there_is_told_and_can_be_tried_again() {
        let mut offers = offered("hutong://call/Cy?server=a.example");
        let here = Address::parse("a.example").unwrap();
        let mut view = logged_in();
        assert_eq!(offers.take(Some(&here), &view), Next::Nothing);
        assert_eq!(step(&offers), Some(OfferStep::Away));
        view.users.insert(Token(3), user(3, "Cy"));
        assert_eq!(offers.take(Some(&here), &view), Next::Call(Token(3)));
    }

    #[test]
    fn another_server_is_gone_to_after_the_answer_and_then_the_offer_comes_again() {
        let mut offers = offered("hutong://call/Ana?server=b.example");
        let (a, b) = (Address::parse("a.example").unwrap(), Address::parse("b.example").unwrap());
        assert_eq!(offers.take(Some(&a), &logged_in()), Next::GoTo(Invitation { address: b.clone(), key: None }));
        assert_eq!(step(&offers), Some(OfferStep::Joining));
        assert!(!offers.look(Some(&b), &Session::LoggedOut));
        assert!(offers.look(Some(&b), &logged_in().session));
        assert_eq!(step(&offers), Some(OfferStep::Asking));
        assert_eq!(offers.take(Some(&b), &logged_in()), Next::Call(Token(2)));
    }

    #[test]
    fn who_is_not_logged_in_logs_in_first() {
        let mut offers = offered("hutong://call/Ana?server=a.example");
        let here = Address::parse("a.example").unwrap();
        assert_eq!(offers.take(Some(&here), &View::default()), Next::Nothing);
        assert_eq!(step(&offers), Some(OfferStep::Joining));
        assert!(offers.look(Some(&here), &logged_in().session));
        assert_eq!(step(&offers), Some(OfferStep::Asking));
    }

    #[test]
    fn who_goes_elsewhere_meanwhile_drops_it() {
        let mut offers = offered("hutong://call/Ana?server=b.example");
        let (a, b) = (Address::parse("a.example").unwrap(), Address::parse("b.example").unwrap());
        assert_eq!(offers.take(Some(&a), &View::default()), Next::GoTo(Invitation { address: b, key: None }));
        assert!(offers.look(Some(&a), &Session::LoggedOut));
        assert_eq!(offers.view(None), None);
    }

    #[test]
    fn a_call_that_is_on_is_not_lost_by_it() {
        let mut offers = offered("hutong://call/Ana?server=b.example");
        let call = CallView { with: user(2, "Ana"), peer: None, media: MediaKind::Video, phase: CallPhase::Connected };
        let view = View { call: Some(call), ..logged_in() };
        assert_eq!(offers.take(None, &view), Next::Nothing);
        assert_eq!(step(&offers), Some(OfferStep::Asking));
        offers.drop_it();
        assert_eq!(offers.view(None), None);
    }
}
