//! Keys: which one a caller shows, whether it allows what is asked, and how many wrong ones an address may show.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, Uri, header};

use super::caller::network;
use super::problem::Problem;
use super::query::Query;
use crate::config::{Key, KeyKind, Keys};
use crate::core::limits::{WRONG_KEY_ADDRESSES_MAX, WRONG_KEYS_MAX, WRONG_KEYS_SECONDS};
use crate::metrics::Metrics;

/// The keys that there are, and the wrong ones that were shown lately.
#[derive(Debug)]
pub(super) struct Door {
    keys: Keys,
    wrong: WrongKeys,
    metrics: Metrics,
}

impl Door {
    pub(super) fn new(keys: Keys, metrics: Metrics) -> Self {
        metrics.watch_keys(keys.iter().map(|key| (key.kind.as_str(), key.label.as_str())));
        Self { keys, wrong: WrongKeys::default(), metrics }
    }

    /// Whether a key is asked for at all.
    pub(super) fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// The keys that there are.
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The label of the key with which `address` may do what `needed` allows; `None` where there are no keys.
    pub(super) fn admit(
        &self,
        needed: KeyKind,
        headers: &HeaderMap,
        uri: &Uri,
        address: Option<IpAddr>,
        now: i64,
    ) -> Result<Option<String>, Problem> {
        if !self.has_keys() {
            return Ok(None);
        }
        if !self.keys.has(needed) {
            return Err(no_such_key(needed));
        }
        let Some(secret) = shown_secret(needed, headers, uri) else {
            return Err(Problem::NoKey(format!("a key is missing: {}", how(needed))));
        };
        match self.keys.find(&secret) {
            Some(key) if key.kind.allows(needed) => Ok(Some(self.used(key, now))),
            Some(key) => Err(Problem::Forbidden(format!(
                "the key {:?} is for {}, and this needs one of {}",
                key.label,
                match key.kind {
                    KeyKind::Ping => "pings",
                    KeyKind::Read => "reading",
                    KeyKind::Admin => "everything",
                },
                settings(needed)
            ))),
            None => {
                self.count_wrong(address, now)?;
                Err(Problem::NoKey(format!("this key is not known: {}", how(needed))))
            }
        }
    }
}

impl Door {
    /// Notes that a key was used, and tells its label.
    fn used(&self, key: &Key, now: i64) -> String {
        self.metrics.key_used(key.kind.as_str(), &key.label, now);
        key.label.clone()
    }
}

/// What a caller shows of a key for pings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ShownKey {
    /// There are no keys, so whatever is shown is right.
    NotAsked,
    /// One that allows pings, of this label.
    Right(String),
    /// One or more, and none that does.
    Wrong,
    /// None.
    None,
}

/// For routes that ask in a way of their own.
impl Door {
    /// What a caller shows, in its path or as others do.
    pub(super) fn shown_ping_key(
        &self,
        in_path: Option<&str>,
        headers: &HeaderMap,
        uri: &Uri,
        now: i64,
    ) -> ShownKey {
        if !self.has_keys() {
            return ShownKey::NotAsked;
        }
        let in_path = in_path.map(|key| key.as_bytes().to_vec());
        let shown = in_path.into_iter().chain(shown_secret(KeyKind::Ping, headers, uri));
        let mut answer = ShownKey::None;
        for secret in shown {
            match self.keys.find(&secret) {
                Some(key) if key.kind.allows(KeyKind::Ping) => {
                    return ShownKey::Right(self.used(key, now));
                }
                _ => answer = ShownKey::Wrong,
            }
        }
        answer
    }

    /// Why a ping without a right key is refused, where it is for another reason than that.
    pub(super) fn refuse_ping(
        &self,
        shown: &ShownKey,
        address: Option<IpAddr>,
        now: i64,
    ) -> Result<(), Problem> {
        if !self.keys.has(KeyKind::Ping) {
            return Err(no_such_key(KeyKind::Ping));
        }
        if *shown == ShownKey::Wrong { self.count_wrong(address, now) } else { Ok(()) }
    }

    /// Counts a wrong key from `address`.
    ///
    /// # Errors
    /// That there were too many.
    pub(super) fn count_wrong(&self, address: Option<IpAddr>, now: i64) -> Result<(), Problem> {
        self.wrong.count(address, now).map_err(|retry_after_seconds| Problem::TooManyWrongKeys {
            detail: format!(
                "over {WRONG_KEYS_MAX} wrong keys came from this address within a minute: a right one is taken at any time"
            ),
            retry_after_seconds,
        })
    }
}

/// Why nobody may do this.
pub(super) fn no_such_key(needed: KeyKind) -> Problem {
    Problem::Forbidden(format!("there is no key that allows this: set {}", settings(needed)))
}

/// The settings whose keys allow it.
fn settings(needed: KeyKind) -> String {
    match needed {
        KeyKind::Admin => KeyKind::Admin.setting().to_owned(),
        other => format!("{} or {}", other.setting(), KeyKind::Admin.setting()),
    }
}

fn how(needed: KeyKind) -> &'static str {
    match needed {
        KeyKind::Ping => "send Authorization: Bearer KEY, or ?key=KEY",
        KeyKind::Read | KeyKind::Admin => "send Authorization: Bearer KEY",
    }
}

/// The secret that a request carries. In the query, where it ends in other programs' logs, only pings may have it: many
/// who send them can do no better.
fn shown_secret(needed: KeyKind, headers: &HeaderMap, uri: &Uri) -> Option<Vec<u8>> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let (scheme, secret) =
            value.as_bytes().split_at_checked(b"Bearer ".len()).unwrap_or_default();
        if scheme.eq_ignore_ascii_case(b"Bearer ") {
            return Some(secret.trim_ascii().to_vec());
        }
    }
    if needed != KeyKind::Ping {
        return None;
    }
    // One that cannot be read, or is given twice, is a key and a wrong one; it is not repeated in an error.
    let given = Query::parse(uri.query().unwrap_or_default()).get("key");
    given.map_or(Some(Vec::new()), |key| key.map(String::into_bytes))
}

/// Wrong keys by address, of a bounded number of addresses.
#[derive(Debug, Default)]
struct WrongKeys(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    /// `None` are those whose address is not known, and those for which there was no room.
    minutes: HashMap<Option<IpAddr>, Minute>,
    /// When what is over was last removed for want of room.
    cleared_at: i64,
}

#[derive(Clone, Copy, Debug)]
struct Minute {
    since: i64,
    count: u32,
}

impl Minute {
    fn is_over(self, now: i64) -> bool {
        !(0..WRONG_KEYS_SECONDS).contains(&(now - self.since))
    }
}

impl WrongKeys {
    /// Counts a wrong key from `address` at `now`.
    ///
    /// # Errors
    /// That there were too many: the seconds until it may try again.
    fn count(&self, address: Option<IpAddr>, now: i64) -> Result<(), i64> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut who = address.map(network);
        if !table.minutes.contains_key(&who) && table.minutes.len() >= WRONG_KEY_ADDRESSES_MAX {
            if table.cleared_at != now {
                table.cleared_at = now;
                table.minutes.retain(|_, minute| !minute.is_over(now));
            }
            if table.minutes.len() >= WRONG_KEY_ADDRESSES_MAX {
                who = None;
            }
        }
        let minute = table.minutes.entry(who).or_insert(Minute { since: now, count: 0 });
        if minute.is_over(now) {
            *minute = Minute { since: now, count: 0 };
        }
        minute.count = minute.count.saturating_add(1);
        if minute.count <= WRONG_KEYS_MAX {
            Ok(())
        } else {
            Err(minute.since + WRONG_KEYS_SECONDS - now)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    #[test]
    fn thirty_wrong_keys_a_minute_are_counted_by_address_and_then_it_waits() {
        let wrong = WrongKeys::default();
        for _ in 0..WRONG_KEYS_MAX {
            assert_eq!(wrong.count(Some(numbered(1)), 100), Ok(()));
        }
        assert_eq!(wrong.count(Some(numbered(1)), 110), Err(50));
        assert_eq!(wrong.count(Some(numbered(2)), 110), Ok(()));
        assert_eq!(wrong.count(Some(numbered(1)), 160), Ok(()));
        let one: IpAddr = "2001:db8::1".parse().unwrap();
        let beside: IpAddr = "2001:db8::ffff:1".parse().unwrap();
        for _ in 0..WRONG_KEYS_MAX {
            assert_eq!(wrong.count(Some(one), 100), Ok(()));
        }
        assert_eq!(wrong.count(Some(beside), 100), Err(60));
    }

    #[test]
    fn any_number_of_addresses_takes_a_bounded_place_and_resets_nobody() {
        let wrong = WrongKeys::default();
        for _ in 0..=WRONG_KEYS_MAX {
            let _ = wrong.count(Some(numbered(1)), 100);
        }
        for number in 2..30_000 {
            let _ = wrong.count(Some(numbered(number)), 100);
        }
        let places = |wrong: &WrongKeys| wrong.0.lock().unwrap().minutes.len();
        // One more for those that are counted together.
        assert_eq!(places(&wrong), WRONG_KEY_ADDRESSES_MAX + 1);
        assert_eq!(wrong.count(Some(numbered(1)), 101), Err(59));
        assert_eq!(
            wrong.count(Some(numbered(40_000)), 101),
            Err(59),
            "the crowd is counted together"
        );
        assert_eq!(wrong.count(Some(numbered(40_000)), 160), Ok(()));
        assert_eq!(places(&wrong), 1, "what is over makes room");
    }
}
