//! Who is watched and who watches: one task looks whether the database has changed while any page is open, and tells them
//! all. Without a page nobody looks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::board::read_or;
use crate::core::limits::{LIVE_PAGES_MAX, LIVE_POLL_MS, LIVE_UPDATE_MS};
use crate::http::Api;
use crate::http::problem::Problem;
use crate::store::Overview;

/// A moment at which pages are to be looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Beat {
    /// Which one it is.
    pub(super) number: u64,
    /// How many of them came because the database had changed.
    pub(super) changes: u64,
}

/// What all pages that are watched share.
#[derive(Debug)]
pub(super) struct Live {
    places: Arc<Semaphore>,
    /// `None` while nobody watches.
    beats: Mutex<Option<watch::Sender<Beat>>>,
    /// What was read of all services at a beat, so that it is read once for all pages.
    overview: tokio::sync::Mutex<Option<(u64, Arc<Overview>)>>,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(LIVE_PAGES_MAX)),
            beats: Mutex::new(None),
            overview: tokio::sync::Mutex::new(None),
        }
    }
}

impl Live {
    /// A place among those who watch; `None`: there are as many as there may be.
    pub(super) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// What all services are at a beat.
    pub(super) async fn overview(
        &self,
        api: &Api,
        beat: u64,
        now: i64,
    ) -> Result<Arc<Overview>, Problem> {
        let mut read = self.overview.lock().await;
        if let Some((at, overview)) = &*read
            && *at == beat
        {
            return Ok(Arc::clone(overview));
        }
        let overview = Arc::new(read_or(api.0.store.overview(now).await)?);
        *read = Some((beat, Arc::clone(&overview)));
        Ok(overview)
    }
}

/// The beats from now on; the first who asks has them begin.
pub(super) fn beats(api: &Api) -> watch::Receiver<Beat> {
    let live = &api.0.pages.live;
    let mut beats = live.beats.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(running) = &*beats {
        return running.subscribe();
    }
    let (sender, receiver) = watch::channel(Beat::default());
    *beats = Some(sender);
    tokio::spawn(watch_database(api.clone()));
    receiver
}

/// Beats every [`LIVE_UPDATE_MS`], and at once when the database has changed and nothing was told of for so long; until
/// nobody watches any more.
async fn watch_database(api: Api) {
    let closing = api.0.pages.outlook.closing.clone();
    let mut witness = api.0.store.witness();
    let pause = Duration::from_millis(LIVE_UPDATE_MS);
    let (mut beat, mut changed) = (Beat::default(), false);
    let (mut last_beat, mut last_change) = (Instant::now(), None::<Instant>);
    loop {
        tokio::select! {
            () = closing.cancelled() => break,
            () = tokio::time::sleep(Duration::from_millis(LIVE_POLL_MS)) => {}
        }
        changed |= witness.has_changed().await;
        let tells = changed && last_change.is_none_or(|last| last.elapsed() >= pause);
        if !tells && last_beat.elapsed() < pause {
            continue;
        }
        beat.number += 1;
        last_beat = Instant::now();
        if tells {
            beat.changes += 1;
            (changed, last_change) = (false, Some(last_beat));
        }
        let mut beats = api.0.pages.live.beats.lock().unwrap_or_else(PoisonError::into_inner);
        match &*beats {
            Some(sender) if sender.receiver_count() > 0 => drop(sender.send_replace(beat)),
            _ => {
                *beats = None;
                return;
            }
        }
    }
    *api.0.pages.live.beats.lock().unwrap_or_else(PoisonError::into_inner) = None;
}
