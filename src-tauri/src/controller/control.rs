//! The handle that the app's other parts give a controller orders through.

use hutong_core::app::{FromUi, ToUi};
use tokio::sync::{mpsc, oneshot, watch};

use crate::call_status::CallStatus;

/// Orders that wait for the controller; then whoever sends more of them waits.
const QUEUE: usize = 64;

/// Sends to an attached page. Returns `false` when the page is gone.
pub type Interface = Box<dyn Fn(ToUi) -> bool + Send>;

/// Gives a controller orders. Cheap to clone; the controller ends when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Control {
    orders: mpsc::Sender<Order>,
    status: watch::Receiver<CallStatus>,
}

/// What a controller is to do.
pub enum Order {
    /// Send to this page from now on.
    Attach(Interface),
    /// The page is gone.
    Detach,
    /// Do what the page says.
    Hear(FromUi),
    /// Ask the person about this link.
    Open(String),
    /// End; drop the sender when that is done.
    Stop(oneshot::Sender<()>),
}

impl Control {
    /// A control of a controller that publishes this status, and the orders that the controller receives.
    #[must_use]
    pub fn channel(status: watch::Receiver<CallStatus>) -> (Self, mpsc::Receiver<Order>) {
        let (orders, queue) = mpsc::channel(QUEUE);
        (Self { orders, status }, queue)
    }

    /// A new page takes the place of an earlier one. It is sent a snapshot first.
    pub async fn attach(&self, interface: Interface) {
        self.order(Order::Attach(interface)).await;
    }

    /// The page is gone, and its peer connections with it: who is in a call is out of it, whether or not another page comes. Does not
    /// wait, so that it is never handled after what the next page says.
    pub fn detach(&self) {
        if self.orders.try_send(Order::Detach).is_err() {
            tracing::info!("order queue full; the page is detached when the next one is attached");
        }
    }

    /// What the page says.
    pub async fn hear(&self, what: FromUi) {
        self.order(Order::Hear(what)).await;
    }

    /// A link was opened, which is not checked yet. The person is asked.
    pub async fn open_link(&self, link: String) {
        self.order(Order::Open(link)).await;
    }

    /// The call status, now and from now on.
    #[must_use]
    pub fn call_status(&self) -> watch::Receiver<CallStatus> {
        self.status.clone()
    }

    /// Ends link and embedded server politely. Returns when that is done.
    pub async fn stop(&self) {
        let (done, wait) = oneshot::channel();
        self.order(Order::Stop(done)).await;
        // An error means that it has stopped already.
        drop(wait.await);
    }

    async fn order(&self, order: Order) {
        if self.orders.send(order).await.is_err() {
            tracing::debug!("controller ended; order dropped");
        }
    }
}
