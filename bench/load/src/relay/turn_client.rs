//! TURN client over UDP, with one allocation and one channel.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use hutong_server::TurnCredential;
use stun_types::{
    attribute::{AttributeWrite, ErrorCode, Nonce, Realm, Username},
    message::{
        IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageClass, MessageType, MessageWrite as _,
        MessageWriteExt as _, MessageWriteVec, Method, TransactionId,
    },
};
use tokio::{net::UdpSocket, time::timeout};
use turn_types::{
    attribute::{ChannelNumber, RequestedTransport, XorPeerAddress, XorRelayedAddress},
    message::{ALLOCATE, CHANNEL_BIND, CREATE_PERMISSION},
};

/// The channel that every client binds to its peer.
pub const RELAY_CHANNEL: u16 = 0x4000;

/// Protocol number of UDP, the only transport of allocations.
const UDP: u8 = 17;

/// Time until a request is sent again.
const RETRANSMIT_AFTER: Duration = Duration::from_millis(500);

/// Transmissions of a request.
const TRANSMISSIONS: u32 = 6;

/// Longest response in bytes.
const MAX_RESPONSE: usize = 1_500;

/// A client with an allocation.
#[derive(Debug)]
pub struct TurnClient {
    socket: UdpSocket,
    credential: TurnCredential,
    /// Realm and nonce of the server, once it has sent them.
    challenge: Option<(String, String)>,
    relayed: SocketAddr,
}

impl TurnClient {
    /// Creates an allocation.
    ///
    /// # Errors
    ///
    /// Returns an error when the server refuses it or does not respond.
    pub async fn allocate(server: SocketAddr, credential: TurnCredential) -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        socket.connect(server).await?;
        let mut client = Self { socket, credential, challenge: None, relayed: server };
        let transport = RequestedTransport::new(UDP);
        let response = client.request(ALLOCATE, TransactionId::generate(), &[&transport]).await?;
        let response = Message::from_bytes(&response)?;
        // The response to a request without credentials carries realm and nonce.
        let (realm, nonce) = (response.attribute::<Realm>()?, response.attribute::<Nonce>()?);
        client.challenge = Some((realm.realm().to_owned(), nonce.nonce().to_owned()));
        let response = client.succeed(ALLOCATE, TransactionId::generate(), &[&transport]).await?;
        let response = Message::from_bytes(&response)?;
        client.relayed = response.attribute::<XorRelayedAddress>()?.addr(response.transaction_id());
        Ok(client)
    }

    /// Its relayed address.
    #[must_use]
    pub const fn relayed(&self) -> SocketAddr {
        self.relayed
    }

    /// Permits a peer and binds [`RELAY_CHANNEL`] to it.
    ///
    /// # Errors
    ///
    /// Returns an error when the server refuses it or does not respond.
    pub async fn bind(&self, peer: SocketAddr) -> Result<()> {
        let transaction = TransactionId::generate();
        self.succeed(CREATE_PERMISSION, transaction, &[&XorPeerAddress::new(peer, transaction)]).await?;
        let transaction = TransactionId::generate();
        let (number, peer) = (ChannelNumber::new(RELAY_CHANNEL), XorPeerAddress::new(peer, transaction));
        self.succeed(CHANNEL_BIND, transaction, &[&number, &peer]).await?;
        Ok(())
    }

    /// Its socket, connected to the server. The allocation stays until it expires.
    #[must_use]
    pub fn into_socket(self) -> UdpSocket {
        self.socket
    }

    /// Sends a request and returns the response, which must report success.
    async fn succeed(
        &self,
        method: Method,
        transaction: TransactionId,
        attributes: &[&dyn AttributeWrite],
    ) -> Result<Vec<u8>> {
        let response = self.request(method, transaction, attributes).await?;
        let message = Message::from_bytes(&response)?;
        if message.class() == MessageClass::Success {
            return Ok(response);
        }
        let code = message.attribute::<ErrorCode>().map_or(0, |error| error.code());
        bail!("the TURN server refused a request of method {method} with error {code}")
    }

    /// Sends a request, several times if necessary, and returns the response.
    async fn request(
        &self,
        method: Method,
        transaction: TransactionId,
        attributes: &[&dyn AttributeWrite],
    ) -> Result<Vec<u8>> {
        let request = self.build(method, transaction, attributes)?;
        for _ in 0..TRANSMISSIONS {
            let exchange = async {
                self.socket.send(&request).await?;
                self.response(transaction).await
            };
            match timeout(RETRANSMIT_AFTER, exchange).await {
                Ok(Ok(response)) => return Ok(response),
                // coturn listens on TCP before UDP.
                Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    tokio::time::sleep(RETRANSMIT_AFTER).await;
                }
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => {}
            }
        }
        bail!("the TURN server did not respond to a request of method {method}")
    }

    async fn response(&self, transaction: TransactionId) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; MAX_RESPONSE];
        loop {
            let length = self.socket.recv(&mut buffer).await?;
            let packet = buffer.get(..length).unwrap_or_default();
            // Media of the peer may already arrive.
            if Message::from_bytes(packet).is_ok_and(|message| message.transaction_id() == transaction) {
                return Ok(packet.to_vec());
            }
        }
    }

    fn build(&self, method: Method, transaction: TransactionId, attributes: &[&dyn AttributeWrite]) -> Result<Vec<u8>> {
        let kind = MessageType::from_class_method(MessageClass::Request, method);
        let mut request = Message::builder(kind, transaction, MessageWriteVec::new());
        for attribute in attributes {
            request.add_attribute(*attribute)?;
        }
        if let Some((realm, nonce)) = &self.challenge {
            let TurnCredential { username, password } = self.credential.clone();
            request.add_attribute(&Username::new(&username)?)?;
            request.add_attribute(&Realm::new(realm)?)?;
            request.add_attribute(&Nonce::new(nonce)?)?;
            let key = LongTermKeyCredentials::new(username, password, realm.clone()).make_key(IntegrityAlgorithm::Sha1);
            request
                .add_message_integrity_with_key(&key, IntegrityAlgorithm::Sha1)
                .context("cannot sign a TURN request")?;
        }
        Ok(request.finish())
    }
}
