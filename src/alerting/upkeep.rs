//! Upkeep: outages that last are posted again and again to a destination that forgets, as Alertmanager does when it is
//! restarted, and when the end that it was told has come.
//!
//! Protocol: a round a minute, a page of outages a post. Each page is read and posted while nothing else is on its way
//! to the destination, and nothing else leaves before it has ended. So it shows what the destination knows already, and
//! an end that is raised meanwhile comes after it. Between two pages deliveries get their turn. A page is nothing that
//! is stored, and a lost one is no loss: the next round shows what is true then.

use tracing::{debug, info, warn};

use super::client::{Answer, Client};
use super::format::Presentation;
use crate::config::Destination;
use crate::core::limits::{RETRY_AFTER_SECONDS_MAX, UPKEEP_EVERY_SECONDS};
use crate::store::{Cursor, Store};

/// When which page is due.
pub(super) struct Upkeep {
    next_page: i64,
    after: Cursor,
    /// When the present round began; `None` between two.
    round_since: Option<i64>,
    /// Whether the next page goes before deliveries that are due.
    has_turn: bool,
    is_under_way: bool,
    is_refused: bool,
}

/// What became of a page.
pub(super) enum Page {
    /// It told the destination this, and the next page begins there.
    Posted { answer: Answer, next: Option<Cursor> },
    /// There was nothing to tell.
    Empty { next: Option<Cursor> },
    /// It could not be read.
    Unread,
}

impl Page {
    pub(super) fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Posted { answer, .. } => Some(answer),
            Self::Empty { .. } | Self::Unread => None,
        }
    }
}

impl Upkeep {
    /// The first round is due at once: nobody knows for how long this monitor was away.
    pub(super) fn new() -> Self {
        Self {
            next_page: i64::MIN,
            after: Cursor::START,
            round_since: None,
            has_turn: false,
            is_under_way: false,
            is_refused: false,
        }
    }

    /// Whether deliveries have to wait at `now`: beside a page, and for one whose turn it is.
    pub(super) fn holds(&self, now: i64) -> bool {
        self.is_under_way || (self.has_turn && self.is_due(now))
    }

    /// Whether a page may leave at `now`, if nothing else is on its way.
    pub(super) fn is_due(&self, now: i64) -> bool {
        // One further ahead than any pause was set by a clock that has gone back since.
        let is_time = self.next_page <= now || self.next_page > now + RETRY_AFTER_SECONDS_MAX;
        is_time && !self.is_under_way
    }

    /// Deliveries have left, so the next page goes before others.
    pub(super) fn waits(&mut self) {
        self.has_turn = true;
    }

    /// A page begins at `now`. Returns what it begins behind.
    pub(super) fn begin(&mut self, now: i64) -> Cursor {
        self.round_since.get_or_insert(now);
        self.is_under_way = true;
        self.after
    }

    /// A page has ended at `now`.
    pub(super) fn end(&mut self, page: &Page, destination: &str, now: i64) {
        (self.is_under_way, self.has_turn) = (false, false);
        match page {
            Page::Unread => self.next_page = now + 1,
            // The same page again, as the destination's next probe. A round that told nothing has not begun.
            Page::Posted { answer: Answer::Unable { .. }, .. } => {
                self.next_page = now;
                self.round_since = self.round_since.filter(|_| self.after != Cursor::START);
            }
            Page::Posted { answer, next } => {
                self.note(answer, destination);
                self.go_on(*next, now);
            }
            Page::Empty { next } => self.go_on(*next, now),
        }
    }

    fn go_on(&mut self, next: Option<Cursor>, now: i64) {
        self.after = next.unwrap_or(Cursor::START);
        self.next_page = now;
        if next.is_none() {
            let since = self.round_since.take().unwrap_or(now).min(now);
            self.next_page = now.max(since + UPKEEP_EVERY_SECONDS);
        }
    }

    /// Logs a refusal, and its end, once.
    fn note(&mut self, answer: &Answer, destination: &str) {
        let was_refused = self.is_refused;
        match answer {
            Answer::Refused { error } => {
                self.is_refused = true;
                if !was_refused {
                    warn!(?destination, ?error, "outages that last were posted again and refused");
                }
            }
            Answer::Accepted { .. } | Answer::Unable { .. } => {
                self.is_refused = false;
                if was_refused {
                    info!(?destination, "outages that last are accepted again");
                }
            }
        }
    }
}

/// Reads the page behind `after`, and posts it as it is at `now`.
pub(super) async fn post(
    store: &Store,
    client: &Client,
    destination: &Destination,
    presentation: &Presentation,
    after: Cursor,
    now: i64,
) -> Page {
    let kinds = destination.route.kinds_of_outages();
    let told = match store.outages_told(&destination.name, &kinds, after).await {
        Ok(told) => told,
        Err(error) => {
            debug!(%error, destination = ?destination.name, "outages that last could not be read");
            return Page::Unread;
        }
    };
    let next = told.next;
    let wanted = told.alerts.into_iter();
    let wanted: Vec<_> =
        wanted.filter(|(_, alert)| destination.route.takes_service(&alert.service)).collect();
    if wanted.is_empty() {
        return Page::Empty { next };
    }
    let answer = client.keep_up(destination, presentation, &wanted, now).await;
    Page::Posted { answer, next }
}
