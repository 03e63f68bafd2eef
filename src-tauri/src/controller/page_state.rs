//! The attached page: sends messages to it, and tracks whether a page was ever attached.

use hutong_core::host_messages::HostToPage;

use super::handle::PageSender;

/// Whether a page is attached.
#[derive(Default)]
pub enum PageState {
    /// No page has been attached yet, so no call can have media in one.
    #[default]
    NeverAttached,
    /// Messages go to this page.
    Attached(PageSender),
    /// The last page is gone, and its call's media with it.
    Detached,
}

impl PageState {
    /// Attaches a page.
    pub fn attach(&mut self, page: PageSender) {
        *self = Self::Attached(page);
    }

    /// Detaches the page. Returns whether a page was ever attached, even if the last one is detached already: commands of
    /// that page may have arrived after its end and may have started a call without media.
    pub fn detach(&mut self) -> bool {
        match self {
            Self::NeverAttached => false,
            Self::Attached(_) | Self::Detached => {
                *self = Self::Detached;
                true
            }
        }
    }

    /// Sends a message to the page, if one is attached.
    pub fn send(&mut self, message: HostToPage) {
        if let Self::Attached(page) = self
            && !page(message)
        {
            tracing::debug!("cannot send to the app's page; messages to it are dropped until it attaches again");
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

    fn message() -> HostToPage {
        HostToPage::Snapshot(View::default())
    }

    #[test]
    fn detaching_reports_whether_a_page_was_ever_attached() {
        let mut page = PageState::default();
        assert!(!page.detach());
        assert!(!page.detach());
        page.attach(Box::new(|_| true));
        assert!(page.detach());
        assert!(page.detach(), "commands of the last page may arrive after its end");
    }

    #[test]
    fn an_unreachable_page_gets_no_more_messages_and_counts_as_attached_before() {
        let (sent, reachable) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(true)));
        let mut page = PageState::default();
        page.send(message());
        page.attach(Box::new({
            let (sent, reachable) = (sent.clone(), reachable.clone());
            move |_| {
                sent.fetch_add(1, Ordering::Relaxed);
                reachable.load(Ordering::Relaxed)
            }
        }));
        page.send(message());
        page.send(message());
        reachable.store(false, Ordering::Relaxed);
        page.send(message());
        page.send(message());
        assert_eq!(sent.load(Ordering::Relaxed), 3);
        assert!(page.detach());
    }
}
