//! The places of connections. While there are enough, nobody has to leave. When all are taken, connections that wait for
//! nothing but their caller (for its next request, for the rest of one, or for it to read) make room for the next: those
//! of the address that holds the most come first, and of these the ones that have waited longest. So who holds many
//! holds up only himself, and what the server works on is never cut off.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tracing::warn;

use super::caller::network;
use crate::core::limits::{CONNECTIONS_MAKING_ROOM_SHARE, CROWDED_EVERY_SECONDS, ROOM_MS_MAX};

/// All places.
#[derive(Debug)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    all: usize,
    opened: Instant,
    guests: Mutex<Guests>,
}

#[derive(Debug, Default)]
struct Guests {
    /// The number of the next one.
    next: u64,
    places: HashMap<u64, Arc<Place>>,
    /// How many places an address holds.
    crowds: HashMap<IpAddr, Arc<AtomicUsize>>,
    /// When it was last said that all places are taken.
    said_at: Option<Instant>,
}

impl Places {
    /// So many.
    pub(super) fn new(all: usize) -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(all)),
            all,
            opened: Instant::now(),
            guests: Mutex::default(),
        })
    }

    /// A place for a connection from `address`, as soon as there is one.
    pub(super) async fn take(self: &Arc<Self>, address: IpAddr) -> Stay {
        loop {
            if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
                return self.seat(address, permit);
            }
            self.make_room();
            let freed = Arc::clone(&self.free).acquire_owned();
            let patience = Duration::from_millis(ROOM_MS_MAX);
            if let Ok(Ok(permit)) = tokio::time::timeout(patience, freed).await {
                return self.seat(address, permit);
            }
        }
    }

    fn seat(self: &Arc<Self>, address: IpAddr, permit: OwnedSemaphorePermit) -> Stay {
        let network = network(address);
        let mut guests = self.guests();
        let number = guests.next;
        guests.next += 1;
        let crowd = Arc::clone(guests.crowds.entry(network).or_default());
        crowd.fetch_add(1, Ordering::Relaxed);
        let place = Arc::new(Place {
            network,
            crowd,
            opened: self.opened,
            waits_since: AtomicU64::new(0),
            leave: Notify::new(),
        });
        place.wait();
        guests.places.insert(number, Arc::clone(&place));
        Stay { place, number, places: Arc::clone(self), _permit: permit }
    }

    /// Asks some who wait to leave.
    fn make_room(&self) {
        let mut guests = self.guests();
        let every = Duration::from_secs(CROWDED_EVERY_SECONDS);
        if guests.said_at.is_none_or(|at| at.elapsed() >= every) {
            guests.said_at = Some(Instant::now());
            warn!(
                connections = self.all,
                "all connections are taken; idle ones make room for new ones"
            );
        }
        let wanted = (self.all / CONNECTIONS_MAKING_ROOM_SHARE).max(1);
        let waiting = guests.places.values().filter_map(|place| {
            let crowd = place.crowd.load(Ordering::Relaxed);
            place.waits_since().map(|since| (usize::MAX - crowd, since, place))
        });
        let mut waiting: Vec<_> = waiting.collect();
        if wanted < waiting.len() {
            waiting.select_nth_unstable_by_key(wanted, |(rest, since, _)| (*rest, *since));
            waiting.truncate(wanted);
        }
        for (_, _, place) in waiting {
            place.leave.notify_one();
        }
    }

    fn guests(&self) -> MutexGuard<'_, Guests> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of one connection.
#[derive(Debug)]
pub(super) struct Place {
    network: IpAddr,
    /// How many places its address holds.
    crowd: Arc<AtomicUsize>,
    opened: Instant,
    /// Since which millisecond it waits for nothing but its caller; 0: the server works for it.
    waits_since: AtomicU64,
    leave: Notify,
}

impl Place {
    /// The server works for it now.
    pub(super) fn work(&self) {
        self.waits_since.store(0, Ordering::Relaxed);
    }

    /// It is the caller's turn, from now on if it was not before.
    pub(super) fn wait(&self) {
        if self.waits_since().is_none() {
            self.wait_since(self.now());
        }
    }

    /// It has been the caller's turn since this moment.
    pub(super) fn wait_since(&self, since: u64) {
        self.waits_since.store(since, Ordering::Relaxed);
    }

    /// This moment, in milliseconds from 1 on.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    fn waits_since(&self) -> Option<u64> {
        Some(self.waits_since.load(Ordering::Relaxed)).filter(|since| *since > 0)
    }
}

/// A place that is held, until this is dropped.
#[derive(Debug)]
pub(super) struct Stay {
    /// What is known of the connection.
    pub(super) place: Arc<Place>,
    number: u64,
    places: Arc<Places>,
    _permit: OwnedSemaphorePermit,
}

impl Stay {
    /// Waits until the connection has to make room. Whatever it asked for is answered first.
    pub(super) async fn has_to_end(&self) {
        loop {
            self.place.leave.notified().await;
            if self.place.waits_since().is_some() {
                return;
            }
        }
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        let mut guests = self.places.guests();
        guests.places.remove(&self.number);
        if self.place.crowd.fetch_sub(1, Ordering::Relaxed) == 1 {
            guests.crowds.remove(&self.place.network);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([203, 0, 113, last])
    }

    async fn taken(places: &Arc<Places>, last: u8) -> Stay {
        tokio::time::timeout(Duration::from_secs(20), places.take(address(last))).await.unwrap()
    }

    /// Whether it was asked to leave, and may.
    async fn has_to_end(stay: &Stay) -> bool {
        tokio::time::timeout(Duration::ZERO, stay.has_to_end()).await.is_ok()
    }

    #[tokio::test]
    async fn who_holds_the_most_makes_room_first_and_there_who_has_waited_longest() {
        let places = Places::new(5);
        let alone = taken(&places, 1).await;
        alone.place.wait_since(1);
        let mut crowd = Vec::new();
        for since in [7, 5, 9, 6] {
            let stay = taken(&places, 2).await;
            stay.place.wait_since(since);
            crowd.push(stay);
        }
        places.make_room();
        let asked = async |crowd: &[Stay]| {
            let mut asked = Vec::new();
            for stay in crowd {
                asked.push(has_to_end(stay).await);
            }
            asked
        };
        assert_eq!(asked(&crowd).await, [false, true, false, false]);
        crowd[1].place.work();
        places.make_room();
        assert_eq!(asked(&crowd).await, [false, false, false, true], "what is worked on stays");
        assert!(!has_to_end(&alone).await);
        crowd.truncate(0);
        for last in 3..7 {
            crowd.push(taken(&places, last).await);
        }
        places.make_room();
        assert!(has_to_end(&alone).await, "of as many each, who has waited longest");
        drop((alone, crowd));
        assert!(places.guests().places.is_empty() && places.guests().crowds.is_empty());
    }

    #[tokio::test]
    async fn a_newcomer_gets_the_place_of_one_who_leaves_and_work_is_waited_for() {
        let places = Places::new(1);
        let first = taken(&places, 1).await;
        first.place.work();
        let newcomer = tokio::spawn({
            let places = Arc::clone(&places);
            async move { taken(&places, 2).await }
        });
        let leaves = async |ms| {
            tokio::time::timeout(Duration::from_millis(ms), first.has_to_end()).await.is_ok()
        };
        assert!(!leaves(1).await);
        first.place.wait();
        assert!(leaves(20_000).await);
        assert!(!newcomer.is_finished());
        drop(first);
        newcomer.await.unwrap();
    }
}
