//! Rate limiter for client addresses, in two tiers: each address prefix, and each IPv6 site. Time is an argument.

use std::{net::IpAddr, time::Instant};

use crate::{
    addr_prefix::{AddrPrefix, SitePrefix},
    rate_limiter::RateLimiter,
    token_bucket::Allowance,
};

/// How many times the rate of one IPv6 /64 all prefixes of a /48 have together. An attacker who rents a /48 gains no more, and
/// one flooding phone does not stop the others of its provider.
const SITE_FACTOR: f64 = 4.0;

/// Token bucket per address prefix, and one per IPv6 site, in bounded memory.
#[derive(Debug)]
pub(crate) struct AddrRateLimiter {
    prefixes: RateLimiter<AddrPrefix>,
    sites: RateLimiter<SitePrefix>,
}

impl AddrRateLimiter {
    /// `allowance` is that of a prefix; each tier stores up to `max_keys` keys.
    pub(crate) fn new(allowance: Allowance, max_keys: usize) -> Self {
        let of_site =
            Allowance { burst: allowance.burst * SITE_FACTOR, per_second: allowance.per_second * SITE_FACTOR };
        Self { prefixes: RateLimiter::new(allowance, max_keys), sites: RateLimiter::new(of_site, max_keys) }
    }

    /// Takes a token of the address's prefix and one of its site. Returns whether both had one; otherwise takes none.
    ///
    /// So a prefix that floods does not use up its site's tokens, and a site that floods cannot fill the table of prefixes,
    /// which would evict the buckets of others.
    pub(crate) fn take(&mut self, address: IpAddr, now: Instant) -> bool {
        let prefix = AddrPrefix::of(address);
        if !self.prefixes.has_token(&prefix, now) {
            return false;
        }
        prefix.site().is_none_or(|site| self.sites.take(site, now)) && self.prefixes.take(prefix, now)
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv6Addr, time::Duration};

    use proptest::prelude::*;

    use super::*;

    /// The address of an event, by its number.
    type AddressOf<'a> = &'a dyn Fn(u16) -> IpAddr;

    const ALLOWANCE: Allowance = Allowance { burst: 10.0, per_second: 1.0 };

    fn address(site: u16, subnet: u16) -> IpAddr {
        Ipv6Addr::new(0x2001, 0xdb8, site, subnet, 0, 0, 0, 1).into()
    }

    /// How many of 1,000 events pass, whose address depends on their number.
    fn passed(limiter: &mut AddrRateLimiter, now: Instant, address: impl Fn(u16) -> IpAddr) -> usize {
        (0..1_000).filter(|number| limiter.take(address(*number), now)).count()
    }

    #[test]
    fn the_tier_that_is_exhausted_first_decides() {
        let start = Instant::now();
        let later = start + Duration::from_secs(5);
        let v4 = |number: u16| IpAddr::from([192, 0, 2, u8::try_from(number % 200).unwrap()]);
        let cases: [(&str, AddressOf<'_>, usize, usize); 5] = [
            ("one IPv4 address", &|_| v4(1), 10, 5),
            ("200 IPv4 addresses", &v4, 1_000, 1_000),
            ("one /64", &|_| address(1, 1), 10, 5),
            ("a thousand /64 of one /48", &|number| address(1, number), 40, 20),
            ("a thousand /48", &|number| address(number, 1), 1_000, 1_000),
        ];
        for (source, address, at_once, after_five_seconds) in cases {
            let mut limiter = AddrRateLimiter::new(ALLOWANCE, 2_000);
            assert_eq!(passed(&mut limiter, start, address), at_once, "{source}, at once");
            assert_eq!(passed(&mut limiter, later, address), after_five_seconds, "{source}, after five seconds");
        }
    }

    #[test]
    fn a_flooding_prefix_leaves_its_site_to_the_neighbours() {
        let now = Instant::now();
        let mut limiter = AddrRateLimiter::new(ALLOWANCE, 2_000);
        assert_eq!(passed(&mut limiter, now, |_| address(1, 1)), 10);
        assert_eq!(passed(&mut limiter, now, |_| address(1, 2)), 10);
    }

    #[test]
    fn a_flooding_site_does_not_evict_the_buckets_of_others() {
        let now = Instant::now();
        let mut limiter = AddrRateLimiter::new(ALLOWANCE, 100);
        assert_eq!(passed(&mut limiter, now, |_| address(2, 1)), 10);
        assert_eq!(passed(&mut limiter, now, |number| address(1, number)), 40);
        assert!(!limiter.take(address(2, 1), now));
    }

    proptest! {
        #[test]
        fn attempts_from_random_prefixes_of_one_site_are_bounded(
            attempts in prop::collection::vec((any::<u16>(), 0..100_u64), 1..400),
        ) {
            let start = Instant::now();
            let mut now = start;
            let mut limiter = AddrRateLimiter::new(ALLOWANCE, 1_000);
            let mut passed = 0_u32;
            for (subnet, pause) in attempts {
                now += Duration::from_millis(pause);
                passed += u32::from(limiter.take(address(1, subnet), now));
                let bound = SITE_FACTOR * ALLOWANCE.per_second.mul_add((now - start).as_secs_f64(), ALLOWANCE.burst);
                prop_assert!(f64::from(passed) <= bound, "{passed} passed, expected at most {bound}");
            }
        }
    }
}
