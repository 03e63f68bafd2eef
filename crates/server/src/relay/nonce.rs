//! Signed nonces (RFC 8489, section 9.2): the server recognizes its own without storing any.

use std::{net::IpAddr, time::Duration};

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// How long a nonce is valid (RFC 8656, section 5, recommends up to an hour).
pub const LIFETIME: Duration = Duration::from_hours(1);

/// Bytes of the signature in a nonce. It protects against replayed requests only, and for an hour.
const TAG: usize = 8;

/// Signs and verifies nonces, each for one source address.
pub struct NonceSigner {
    mac: Hmac<Sha256>,
}

impl NonceSigner {
    pub fn new(key: &[u8; 32]) -> Self {
        let mut block = [0; 64];
        block[..key.len()].copy_from_slice(key);
        Self { mac: <Hmac<Sha256> as hmac::digest::KeyInit>::new(&block.into()) }
    }

    /// A nonce for this address: the time and a signature, in hexadecimal digits.
    pub fn issue(&self, address: IpAddr, unix_time: Duration) -> String {
        let issued = unix_time.as_secs().to_be_bytes();
        let tag = self.tag(address, &issued).finalize().into_bytes();
        let mut nonce = hex::encode(issued);
        nonce.extend(tag.iter().take(TAG).map(|byte| format!("{byte:02x}")));
        nonce
    }

    /// Whether a nonce was issued for this address within [`LIFETIME`].
    pub fn is_valid(&self, nonce: &str, address: IpAddr, unix_time: Duration) -> bool {
        let Ok(bytes) = hex::decode(nonce) else { return false };
        let Some((issued, tag)) = bytes.split_first_chunk::<8>() else { return false };
        let age = unix_time.saturating_sub(Duration::from_secs(u64::from_be_bytes(*issued)));
        tag.len() == TAG && age <= LIFETIME && self.tag(address, issued).verify_truncated_left(tag).is_ok()
    }

    fn tag(&self, address: IpAddr, issued: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(issued);
        match address {
            IpAddr::V4(address) => mac.update(&address.octets()),
            IpAddr::V6(address) => mac.update(&address.octets()),
        }
        mac
    }
}

impl std::fmt::Debug for NonceSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NonceSigner(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Duration = Duration::from_secs(1_795_471_200);

    #[test]
    fn a_nonce_is_valid_for_its_address_key_and_hour() {
        let signer = NonceSigner::new(&[7; 32]);
        let [here, there] = ["192.0.2.1", "2001:db8::1"].map(|text| text.parse().unwrap());
        let nonce = signer.issue(here, NOW);
        assert_eq!(nonce.len(), 32);
        assert!(signer.is_valid(&nonce, here, NOW) && signer.is_valid(&nonce, here, NOW + LIFETIME));
        assert!(!signer.is_valid(&nonce, here, NOW + LIFETIME + Duration::from_secs(1)));
        assert!(!signer.is_valid(&nonce, there, NOW));
        assert!(!NonceSigner::new(&[8; 32]).is_valid(&nonce, here, NOW));
    }

    proptest! {
        #[test]
        fn arbitrary_text_is_no_nonce(text in ".{0,64}") {
            let signer = NonceSigner::new(&[7; 32]);
            prop_assert!(!signer.is_valid(&text, "192.0.2.1".parse().unwrap(), NOW));
        }
    }
}
