//! Network interface whose packets are lost, such as that of a VPN client without a connection.

use std::thread;

use tokio::sync::oneshot;

use super::{
    Namespace,
    link::{MTU, open_tun},
};
use crate::{Context, Result};

/// RAII guard of a TUN device that receives packets and sends none. Dropping it removes the device.
#[derive(Debug)]
pub struct SinkInterface {
    _closed: oneshot::Sender<()>,
}

impl SinkInterface {
    /// Creates the device in a namespace and configures it by these commands of the program `ip`.
    ///
    /// # Errors
    ///
    /// Returns an error when this process may not create TUN devices.
    pub async fn open(namespace: &Namespace, device: &'static str, ip_commands: Vec<String>) -> Result<Self> {
        let end = (namespace.handle()?, device, ip_commands);
        let (open, opened) = oneshot::channel();
        let (closed, closing) = oneshot::channel();
        thread::spawn(move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                // The receiver is gone when the caller was cancelled, here and below.
                Err(error) => return drop(open.send(Err(error.into()))),
            };
            runtime.block_on(async move {
                let device = match open_tun(&end) {
                    Ok(device) => device,
                    Err(error) => return drop(open.send(Err(error))),
                };
                drop(open.send(Ok(())));
                let mut buffer = vec![0; usize::from(MTU)];
                let discard = async { while device.recv(&mut buffer).await.is_ok() {} };
                tokio::select! {
                    () = discard => eprintln!("the sink interface failed"),
                    _ = closing => {}
                }
            });
        });
        opened.await.context("the interface's thread exited")??;
        Ok(Self { _closed: closed })
    }
}
