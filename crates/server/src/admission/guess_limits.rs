//! Limits of wrong secrets beside those of an address and of a name: the budget of the whole server, and the allowances with
//! which a name's owner gets in while others guess.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use hutong_protocol::NameKey;

use super::failure_tracker::{FailureTracker, LockoutPolicy, SecretVerdict};
use crate::{
    addr_prefix::AddrPrefix,
    rate_limiter::RateLimiter,
    registry::SessionId,
    token_bucket::{Allowance, TokenBucket},
};

/// Wrong secrets from unknown devices, over all addresses and names: 2,000 at once, then 720 an hour. Of 10,000 people who log in
/// within an hour, one in four may mistype.
pub(super) const SERVER_BUDGET: Allowance = Allowance { burst: 2_000.0, per_second: 0.2 };

/// The part of [`SERVER_BUDGET`] for addresses with few attempts. The other part is for all, so a few addresses that guess
/// cannot use up the attempts of all others.
const RESERVE: f64 = 1_000.0;

/// Attempts of an address prefix on the reserve: three at once, then one in 20 minutes. A person mistypes once or twice.
const RESERVE_TRIES: Allowance = Allowance { burst: 3.0, per_second: 1.0 / 1_200.0 };

/// Attempts of an address prefix for one name while the name is locked out: two at once, then one an hour. Those who guess from
/// elsewhere do not keep the owner out.
const TRIES_WHILE_LOCKED: Allowance = Allowance { burst: 2.0, per_second: 1.0 / 3_600.0 };

/// Lockout of a known device. Others cannot cause it, so it need not be mild: a stolen ticket is known as well.
pub(super) const DEVICE_LOCKOUT: LockoutPolicy = LockoutPolicy {
    free_failures: 10,
    forgive_every: Duration::from_secs(600),
    first_delay: Duration::from_secs(2),
    max_delay: Duration::from_secs(600),
    max_concurrent: 2,
};

/// Logins with the password of a name: 30 at once, then one in 5 s. Each may end another session, so two devices that know the
/// password must not do so without end.
const LOGINS_WITH_PASSWORD: Allowance = Allowance { burst: 30.0, per_second: 0.2 };

/// Keys in each of the tables.
const MAX_KEYS: usize = 65_536;

/// Shortest time between two warnings about the budget.
const WARNING_INTERVAL: Duration = Duration::from_secs(3_600);

/// A device that has presented a session ticket with a valid signature for the name. The server made the key, not the client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum KnownDevice {
    /// The session was admitted with the secret that is still valid.
    Session(SessionId),
    /// It was admitted with a former password of this name. All of these share one allowance: whoever knew the former password
    /// may have collected many tickets.
    FormerPassword(NameKey),
}

/// State of these limits, shared by all connections.
#[derive(Debug)]
pub(super) struct GuessLimits {
    budget: Mutex<Budget>,
    reserve_tries: Mutex<RateLimiter<AddrPrefix>>,
    tries_while_locked: Mutex<RateLimiter<(NameKey, AddrPrefix)>>,
    devices: Mutex<FailureTracker<KnownDevice>>,
    logins_with_password: Mutex<RateLimiter<NameKey>>,
}

#[derive(Debug)]
struct Budget {
    left: TokenBucket,
    last_warning: Option<Instant>,
}

impl GuessLimits {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            budget: Mutex::new(Budget { left: TokenBucket::full(SERVER_BUDGET, now), last_warning: None }),
            reserve_tries: Mutex::new(RateLimiter::new(RESERVE_TRIES, MAX_KEYS)),
            tries_while_locked: Mutex::new(RateLimiter::new(TRIES_WHILE_LOCKED, MAX_KEYS)),
            devices: Mutex::new(FailureTracker::new(DEVICE_LOCKOUT, MAX_KEYS)),
            logins_with_password: Mutex::new(RateLimiter::new(LOGINS_WITH_PASSWORD, MAX_KEYS)),
        }
    }

    /// Begins to check a secret of an unknown device. `None` while the server's budget is used up for this address.
    pub(super) fn begin_unknown(&self, address: AddrPrefix, now: Instant) -> Option<BudgetAttempt<'_>> {
        let mut budget = lock(&self.budget);
        let left = budget.left.tokens(SERVER_BUDGET, now);
        if left <= RESERVE {
            budget.warn(now);
            if left < 1.0 || !lock(&self.reserve_tries).take(address, now) {
                return None;
            }
        }
        // Taken before the check, so that parallel attempts are no more than sequential ones.
        budget.left.overdraw(SERVER_BUDGET, now);
        Some(BudgetAttempt { limits: self, verdict: SecretVerdict::Unchecked })
    }

    /// Begins to check a secret of a known device. `None` while it has used up its own allowance.
    pub(super) fn begin_known(&self, device: KnownDevice, now: Instant) -> Option<DeviceAttempt<'_>> {
        let may_try = lock(&self.devices).try_begin(&device, now);
        may_try.then_some(DeviceAttempt { limits: self, device, verdict: SecretVerdict::Unchecked })
    }

    /// Takes one of the attempts of an address for a name that is locked out. Returns whether one was left.
    pub(super) fn take_try_while_locked(&self, name: &NameKey, address: AddrPrefix, now: Instant) -> bool {
        lock(&self.tries_while_locked).take((name.clone(), address), now)
    }

    /// Takes a login with the correct password of this name. Returns whether one was left.
    pub(super) fn take_login_with_password(&self, name: &NameKey, now: Instant) -> bool {
        lock(&self.logins_with_password).take(name.clone(), now)
    }
}

impl Budget {
    fn warn(&mut self, now: Instant) {
        if self.last_warning.is_none_or(|last| now.saturating_duration_since(last) >= WARNING_INTERVAL) {
            self.last_warning = Some(now);
            tracing::warn!(
                "many wrong secrets from many addresses; attempts of unknown devices are limited for the whole server"
            );
        }
    }
}

/// RAII guard: a secret of an unknown device that is being checked. A wrong one is taken from the budget.
#[derive(Debug)]
pub(super) struct BudgetAttempt<'l> {
    limits: &'l GuessLimits,
    verdict: SecretVerdict,
}

impl BudgetAttempt<'_> {
    pub(super) fn finish(mut self, verdict: SecretVerdict) {
        self.verdict = verdict;
    }
}

impl Drop for BudgetAttempt<'_> {
    fn drop(&mut self) {
        if self.verdict != SecretVerdict::Wrong {
            lock(&self.limits.budget).left.give_back(SERVER_BUDGET);
        }
    }
}

/// RAII guard: a secret of a known device that is being checked. Dropped without a verdict, it counts as unchecked.
#[derive(Debug)]
pub(super) struct DeviceAttempt<'l> {
    limits: &'l GuessLimits,
    device: KnownDevice,
    verdict: SecretVerdict,
}

impl DeviceAttempt<'_> {
    pub(super) fn finish(mut self, verdict: SecretVerdict) {
        self.verdict = verdict;
    }
}

impl Drop for DeviceAttempt<'_> {
    fn drop(&mut self) {
        if lock(&self.limits.devices).finish(&self.device, self.verdict, Instant::now()) {
            tracing::warn!("too many wrong secrets from a known device; each further failure doubles its delay");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code under these locks can panic halfway through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use hutong_protocol::Name;

    use super::*;

    fn prefix(number: u32) -> AddrPrefix {
        AddrPrefix::of(std::net::Ipv4Addr::from(0x0a00_0000 + number).into())
    }

    /// Tries a wrong secret. Returns whether it was checked.
    fn guess(limits: &GuessLimits, from: u32, now: Instant) -> bool {
        limits.begin_unknown(prefix(from), now).map(|attempt| attempt.finish(SecretVerdict::Wrong)).is_some()
    }

    #[test]
    fn guesses_from_any_number_of_addresses_have_one_budget() {
        let start = Instant::now();
        let limits = GuessLimits::new(start);
        let tried = (0..100_000).filter(|from| guess(&limits, *from, start)).count();
        assert_eq!(tried, 2_000);
        // A day of guesses from ever new addresses, one a second.
        let in_a_day =
            (0..86_400).filter(|second| guess(&limits, 200_000 + second, start + Duration::from_secs(1) * *second));
        let in_a_day = in_a_day.count();
        assert!((17_000..17_300).contains(&in_a_day), "{in_a_day}");
    }

    #[test]
    fn a_few_addresses_that_guess_do_not_use_up_the_attempts_of_others() {
        let start = Instant::now();
        let limits = GuessLimits::new(start);
        for second in 0..3_600 {
            let now = start + Duration::from_secs(1) * second;
            for from in 0..40 {
                guess(&limits, from, now);
            }
            // Somebody new mistypes twice now and then, and gets in.
            if second % 60 == 0 {
                for verdict in [SecretVerdict::Wrong, SecretVerdict::Wrong, SecretVerdict::Correct] {
                    limits.begin_unknown(prefix(1_000 + second), now).expect("in second {second}").finish(verdict);
                }
            }
        }
    }

    #[test]
    fn correct_and_unchecked_secrets_cost_nothing() {
        let now = Instant::now();
        let limits = GuessLimits::new(now);
        for _ in 0..10_000 {
            limits.begin_unknown(prefix(1), now).unwrap().finish(SecretVerdict::Correct);
            drop(limits.begin_unknown(prefix(1), now).unwrap());
        }
        // Attempts in progress count.
        let attempts: Vec<_> = (0..10_000).filter_map(|from| limits.begin_unknown(prefix(from), now)).collect();
        assert_eq!(attempts.len(), 2_000);
    }

    #[test]
    fn known_devices_have_allowances_that_nobody_else_uses_up() {
        let now = Instant::now();
        let limits = GuessLimits::new(now);
        while guess(&limits, 1, now) {}
        let ana = Name::new("Ana").unwrap().key();
        let own = KnownDevice::Session(SessionId([1; 16]));
        let tried = |device: &KnownDevice| {
            let attempts = (0..100).map_while(|_| limits.begin_known(device.clone(), now));
            attempts.map(|attempt| attempt.finish(SecretVerdict::Wrong)).count()
        };
        let allowed = DEVICE_LOCKOUT.free_failures as usize + 1;
        assert_eq!(tried(&KnownDevice::Session(SessionId([2; 16]))), allowed);
        assert_eq!(tried(&KnownDevice::FormerPassword(ana.clone())), allowed);
        assert_eq!(tried(&KnownDevice::FormerPassword(ana)), 0, "all tickets of a former password share an allowance");
        limits.begin_known(own.clone(), now).unwrap().finish(SecretVerdict::Correct);
        assert_eq!(tried(&own), allowed);
    }

    #[test]
    fn an_address_has_two_attempts_for_a_name_that_others_have_locked() {
        let now = Instant::now();
        let limits = GuessLimits::new(now);
        let [ana, bo] = ["Ana", "Bo"].map(|name| Name::new(name).unwrap().key());
        let tried = |name, from, now| (0..10).filter(|_| limits.take_try_while_locked(name, prefix(from), now)).count();
        assert_eq!((tried(&ana, 1, now), tried(&ana, 2, now), tried(&bo, 1, now)), (2, 2, 2));
        assert_eq!(tried(&ana, 1, now + Duration::from_secs(3_601)), 1);
    }

    #[test]
    fn logins_with_a_password_have_a_rate() {
        let now = Instant::now();
        let limits = GuessLimits::new(now);
        let ana = Name::new("Ana").unwrap().key();
        assert_eq!((0..100).filter(|_| limits.take_login_with_password(&ana, now)).count(), 30);
        assert!(limits.take_login_with_password(&ana, now + Duration::from_secs(6)));
    }
}
