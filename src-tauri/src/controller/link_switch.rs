//! The switch for `hutong:` links: its state and how it is changed. Runs the blocking [`LinkHandler`] methods on other threads.

use hutong_core::host_messages::{AppProblem, OpensLinks};
use tokio::task::spawn_blocking;

use crate::{
    link_handler::{LinkHandler, RegisteredHandler},
    settings::LinkOffer,
};

/// The handler of links, if this program can be one, and who was registered last.
#[derive(Debug)]
pub struct LinkSwitch {
    handler: Option<LinkHandler>,
    registered: Option<RegisteredHandler>,
}

impl LinkSwitch {
    /// Reads who is registered.
    pub async fn read(handler: Option<LinkHandler>) -> Self {
        let registered = read(handler.clone()).await;
        Self { handler, registered }
    }

    /// What the page shows; `None` where there is nothing to choose.
    #[must_use]
    pub fn view(&self, offer: LinkOffer) -> Option<OpensLinks> {
        view(self.registered?, offer)
    }

    /// Registers this program, or removes it.
    ///
    /// # Errors
    ///
    /// [`AppProblem::LinksNotChanged`] when the desktop does not accept it.
    pub async fn set(&mut self, on: bool) -> Result<(), AppProblem> {
        let Some(handler) = self.handler.clone() else { return Ok(()) };
        let set = spawn_blocking(move || handler.set(on)).await;
        let set = set.map_err(std::io::Error::other).flatten().map_err(|error| {
            tracing::warn!(%error, "cannot change the handler of links; the app shows an error");
            AppProblem::LinksNotChanged
        });
        self.registered = read(self.handler.clone()).await;
        set
    }
}

fn view(registered: RegisteredHandler, offer: LinkOffer) -> Option<OpensLinks> {
    match (registered, offer) {
        (RegisteredHandler::ThisProgram, _) => Some(OpensLinks::On),
        (RegisteredHandler::Another, _) => None,
        (RegisteredHandler::Nothing, LinkOffer::Open) => Some(OpensLinks::Offered),
        (RegisteredHandler::Nothing, LinkOffer::Answered) => Some(OpensLinks::Off),
    }
}

async fn read(handler: Option<LinkHandler>) -> Option<RegisteredHandler> {
    let handler = handler?;
    spawn_blocking(move || handler.registered()).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_offered_once_and_only_where_nothing_opens_them() {
        for (registered, offer, expected) in [
            (RegisteredHandler::Nothing, LinkOffer::Open, Some(OpensLinks::Offered)),
            (RegisteredHandler::Nothing, LinkOffer::Answered, Some(OpensLinks::Off)),
            (RegisteredHandler::ThisProgram, LinkOffer::Open, Some(OpensLinks::On)),
            (RegisteredHandler::ThisProgram, LinkOffer::Answered, Some(OpensLinks::On)),
            (RegisteredHandler::Another, LinkOffer::Open, None),
            (RegisteredHandler::Another, LinkOffer::Answered, None),
        ] {
            assert_eq!(view(registered, offer), expected, "{registered:?}, {offer:?}");
        }
    }
}
