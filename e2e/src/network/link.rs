//! Emulated link between two namespaces: a TUN device in each, and a thread that forwards packets between them, through a
//! gateway if the left end is a home network.

use std::{cell::RefCell, io, process::Command, thread};

use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until},
};
use tun_rs::{AsyncDevice, DeviceBuilder};

use super::{
    Namespace,
    gateway::{Gateway, PacketDirection, Verdict},
    namespace::NamespaceHandle,
    shaper::{LinkConditions, LinkCounters, Shaper, ShaperControl},
};
use crate::{Context, Result, ensure};

/// MTU of Ethernet, in bytes.
pub(super) const MTU: u16 = 1_500;

/// One end of a link.
#[derive(Debug)]
pub struct LinkEnd<'a> {
    /// The namespace that it is in.
    pub namespace: &'a Namespace,
    /// Name of the TUN device to create.
    pub device: &'static str,
    /// Commands of the program `ip` that configure it, without the program's name.
    pub ip_commands: Vec<String>,
}

/// Direction of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkDirection {
    /// From left to right.
    LeftToRight,
    /// From right to left.
    RightToLeft,
}

/// A link between two namespaces. Dropping it removes both devices.
#[derive(Debug)]
pub struct EmulatedLink {
    left_to_right: ShaperControl,
    right_to_left: ShaperControl,
    _closed: oneshot::Sender<()>,
}

impl EmulatedLink {
    /// Connects two namespaces.
    ///
    /// # Errors
    ///
    /// Returns an error when this process may not create TUN devices.
    pub async fn connect(left: LinkEnd<'_>, right: LinkEnd<'_>) -> Result<Self> {
        Self::start([left, right], None).await
    }

    /// Connects a home network to the internet through its gateway. The home network is the left end.
    ///
    /// # Errors
    ///
    /// Returns an error when this process may not create TUN devices.
    pub async fn connect_through(gateway: Gateway, home: LinkEnd<'_>, internet: LinkEnd<'_>) -> Result<Self> {
        Self::start([home, internet], Some(gateway)).await
    }

    async fn start([left, right]: [LinkEnd<'_>; 2], gateway: Option<Gateway>) -> Result<Self> {
        let (to_right, to_left) = (ShaperControl::default(), ShaperControl::default());
        let controls = (to_right.clone(), to_left.clone());
        let ends = [
            (left.namespace.handle()?, left.device, left.ip_commands),
            (right.namespace.handle()?, right.device, right.ip_commands),
        ];
        let (open, opened) = oneshot::channel();
        let (closed, closing) = oneshot::channel();
        thread::spawn(move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                // The receiver is gone when the caller was cancelled, here and below.
                Err(error) => return drop(open.send(Err(error.into()))),
            };
            runtime.block_on(async move {
                let [left, right] = ends;
                let (left, right) = match open_tun(&left).and_then(|left| Ok((left, open_tun(&right)?))) {
                    Ok(devices) => devices,
                    Err(error) => return drop(open.send(Err(error))),
                };
                drop(open.send(Ok(())));
                let gateway = gateway.map(RefCell::new);
                let outbound = ForwardingPath {
                    from: &left,
                    to: &right,
                    gateway: gateway.as_ref().map(|gateway| (gateway, PacketDirection::Outbound)),
                    control: controls.0,
                };
                let inbound = ForwardingPath {
                    from: &right,
                    to: &left,
                    gateway: gateway.as_ref().map(|gateway| (gateway, PacketDirection::Inbound)),
                    control: controls.1,
                };
                tokio::select! {
                    error = outbound.forward_packets(1) => eprintln!("the link from left to right failed: {error}"),
                    error = inbound.forward_packets(2) => eprintln!("the link from right to left failed: {error}"),
                    _ = closing => {}
                }
            });
        });
        opened.await.context("the link's thread exited")??;
        Ok(Self { left_to_right: to_right, right_to_left: to_left, _closed: closed })
    }

    /// Sets the conditions of one direction, from the next packet on.
    pub fn set_conditions(&self, direction: LinkDirection, conditions: LinkConditions) {
        self.control(direction).set_conditions(conditions);
    }

    /// Sets the conditions of both directions, from the next packet on.
    pub fn set_both(&self, conditions: LinkConditions) {
        self.set_conditions(LinkDirection::LeftToRight, conditions);
        self.set_conditions(LinkDirection::RightToLeft, conditions);
    }

    /// The counters of one direction.
    #[must_use]
    pub fn counters(&self, direction: LinkDirection) -> LinkCounters {
        self.control(direction).counters()
    }

    fn control(&self, direction: LinkDirection) -> &ShaperControl {
        match direction {
            LinkDirection::LeftToRight => &self.left_to_right,
            LinkDirection::RightToLeft => &self.right_to_left,
        }
    }
}

/// Creates and configures a TUN device in the namespace, which the calling thread enters for good. The device stays
/// there.
pub(super) fn open_tun((handle, device, ip_commands): &(NamespaceHandle, &str, Vec<String>)) -> Result<AsyncDevice> {
    handle.enter()?;
    let device = DeviceBuilder::new().name(*device).mtu(MTU).build_async();
    let device = device.context("cannot create a TUN device: this needs /dev/net/tun and root in the namespace")?;
    // A child process inherits the namespace of the thread that spawns it.
    for line in ip_commands {
        let output = Command::new("ip").args(line.split(' ')).output()?;
        ensure!(output.status.success(), "ip {line}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(device)
}

/// One direction of a link.
struct ForwardingPath<'a> {
    from: &'a AsyncDevice,
    to: &'a AsyncDevice,
    gateway: Option<(&'a RefCell<Gateway>, PacketDirection)>,
    control: ShaperControl,
}

impl ForwardingPath<'_> {
    /// Forwards packets until a device fails.
    async fn forward_packets(self, seed: u64) -> io::Error {
        let mut shaper = Shaper::new(seed);
        let mut buffer = vec![0; usize::from(MTU) + 64];
        loop {
            let due = shaper.next_delivery();
            let delivery = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            let arrived = tokio::select! {
                read = self.from.recv(&mut buffer) => match read {
                    Ok(length) => {
                        let packet = buffer.get_mut(..length).unwrap_or_default();
                        if self.pass_gateway(packet) == Verdict::Drop {
                            continue;
                        }
                        shaper.admit(packet, &self.control)
                    }
                    Err(error) => return error,
                },
                () = delivery => shaper.take_next(),
            };
            let Some(packet) = arrived else { continue };
            if let Err(error) = self.to.send(&packet).await {
                return error;
            }
            self.control.count(|it| {
                it.packets_out += 1;
                it.bytes_out += packet.len() as u64;
            });
        }
    }

    fn pass_gateway(&self, packet: &mut [u8]) -> Verdict {
        match self.gateway {
            Some((gateway, direction)) => gateway.borrow_mut().process(direction, packet, Instant::now().into_std()),
            None => Verdict::Forward,
        }
    }
}
