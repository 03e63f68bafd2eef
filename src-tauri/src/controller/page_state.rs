//! The page that shows the client: whether one is attached, and whether one ever was.

use hutong_core::app::ToUi;

use super::control::Interface;

/// The page's life, from its first attaching on.
#[derive(Default)]
pub enum PageState {
    /// No page has been attached yet, so no call can have its media in one.
    #[default]
    NeverAttached,
    /// This page is sent everything.
    Attached(Interface),
    /// The last page is gone, and its peer connections with it.
    Detached,
}

impl PageState {
    /// Sends everything to this page from now on.
    pub fn attach(&mut self, interface: Interface) {
        *self = Self::Attached(interface);
    }

    /// Sends nothing more. Returns whether there has been a page. A page that is gone already counts too: its last words may have
    /// been handled after its end, and what they asked of the media is lost.
    pub fn detach(&mut self) -> bool {
        match self {
            Self::NeverAttached => false,
            Self::Attached(_) | Self::Detached => {
                *self = Self::Detached;
                true
            }
        }
    }

    /// Sends to the page, if one is attached.
    pub fn send(&mut self, what: ToUi) {
        if let Self::Attached(interface) = self
            && !interface(what)
        {
            tracing::debug!("page unreachable; nothing more is sent to it");
            *self = Self::Detached;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    };

    use hutong_core::View;

    use super::*;

    fn something() -> ToUi {
        ToUi::Snapshot(View::default())
    }

    #[test]
    fn a_page_loses_media_only_where_there_has_been_one() {
        let mut page = PageState::default();
        assert!(!page.detach());
        assert!(!page.detach());
        page.attach(Box::new(|_| true));
        assert!(page.detach());
        assert!(page.detach(), "what the last page said may come after its end");
    }

    #[test]
    fn an_unreachable_page_is_sent_nothing_more_and_counts_as_one_that_was() {
        let (sent, reachable) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(true)));
        let mut page = PageState::default();
        page.send(something());
        page.attach(Box::new({
            let (sent, reachable) = (sent.clone(), reachable.clone());
            move |_| {
                sent.fetch_add(1, Ordering::Relaxed);
                reachable.load(Ordering::Relaxed)
            }
        }));
        page.send(something());
        page.send(something());
        reachable.store(false, Ordering::Relaxed);
        page.send(something());
        page.send(something());
        assert_eq!(sent.load(Ordering::Relaxed), 3);
        assert!(page.detach());
    }
}
