//! The controller's handle and its command queue.

use hutong_core::host_messages::{HostToPage, PageToHost};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{call_status::CallStatus, close_policy::ClosePolicy};

/// Capacity of the command queue; senders wait when it is full.
const QUEUE_CAPACITY: usize = 64;

/// Sends a message to an attached page. Returns `false` when the page is gone.
pub type PageSender = Box<dyn Fn(HostToPage) -> bool + Send>;

/// Handle of a controller. Cheap to clone; the controller stops when the last one is dropped.
#[derive(Clone, Debug)]
pub struct ControllerHandle {
    commands: mpsc::Sender<ControllerCommand>,
    status: watch::Receiver<CallStatus>,
    close_policy: watch::Receiver<ClosePolicy>,
}

/// A command to the controller.
pub enum ControllerCommand {
    /// Attach this page.
    Attach(PageSender),
    /// Detach the page, which is gone.
    Detach,
    /// Handle a message of the page.
    PageMessage(PageToHost),
    /// Open a call link, not validated yet.
    OpenLink(String),
    /// Ask the person what closing the window shall do.
    AskWhenClosed,
    /// Stop, and drop the sender when done.
    Stop(oneshot::Sender<()>),
}

impl ControllerHandle {
    /// Creates the handle and the command queue of a controller that publishes these.
    #[must_use]
    pub fn channel(
        status: watch::Receiver<CallStatus>,
        close_policy: watch::Receiver<ClosePolicy>,
    ) -> (Self, mpsc::Receiver<ControllerCommand>) {
        let (commands, queue) = mpsc::channel(QUEUE_CAPACITY);
        (Self { commands, status, close_policy }, queue)
    }

    /// Attaches a page in place of an earlier one. The first message to it is a snapshot.
    pub async fn attach(&self, page: PageSender) {
        self.send(ControllerCommand::Attach(page)).await;
    }

    /// Detaches the page, which is gone: its call ends, whether or not another page attaches. Does not wait, so the
    /// command is queued before the next page's messages.
    pub fn detach(&self) {
        if self.commands.try_send(ControllerCommand::Detach).is_err() {
            tracing::info!("command queue full; closed page stays attached until the next page attaches");
        }
    }

    /// Handles a message of the page.
    pub async fn page_message(&self, message: PageToHost) {
        self.send(ControllerCommand::PageMessage(message)).await;
    }

    /// Opens a call link, not validated yet: the person is asked to confirm it.
    pub async fn open_link(&self, link: String) {
        self.send(ControllerCommand::OpenLink(link)).await;
    }

    /// Asks the person, in the page, what closing the window shall do.
    pub async fn ask_when_closed(&self) {
        self.send(ControllerCommand::AskWhenClosed).await;
    }

    /// A receiver of what closing the window does.
    #[must_use]
    pub fn close_policy(&self) -> watch::Receiver<ClosePolicy> {
        self.close_policy.clone()
    }

    /// A receiver of the call status.
    #[must_use]
    pub fn call_status(&self) -> watch::Receiver<CallStatus> {
        self.status.clone()
    }

    /// Hangs up, closes the server link and stops the embedded server. Returns when that is done.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        self.send(ControllerCommand::Stop(done)).await;
        // An error means that the controller has stopped already.
        drop(stopped.await);
    }

    async fn send(&self, command: ControllerCommand) {
        if self.commands.send(command).await.is_err() {
            tracing::debug!("app is exiting; command to the controller dropped");
        }
    }
}
