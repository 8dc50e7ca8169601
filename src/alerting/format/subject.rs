//! What a message is about, in the words that every format shares.

use jiff::tz::TimeZone;
use url::Url;

use super::Presentation;
use crate::core::alert::{Alert, Kind, MonitorAlert};
use crate::core::limits::BUNDLE_LINES_MAX;
use crate::core::text;
use crate::store::DueDelivery;

/// What a message is about.
#[derive(Clone, Copy, Debug)]
pub(in crate::alerting) enum Subject<'a> {
    /// One alert.
    One(&'a DueDelivery),
    /// Many alerts that go out as one message, the longest waiting first; never empty.
    Many(&'a [DueDelivery]),
    /// The monitor itself.
    Monitor(&'a MonitorAlert),
}

impl Subject<'_> {
    /// The alert's id; of many, the first one's.
    pub(super) fn id(&self) -> &str {
        match self {
            Self::One(delivery) => &delivery.id,
            Self::Many(deliveries) => deliveries.first().map_or("", |delivery| &delivery.id),
            Self::Monitor(alert) => &alert.id,
        }
    }

    /// Whether it tells that all is well again.
    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::One(delivery) => delivery.alert.kind == Kind::Recovered,
            Self::Many(deliveries) => {
                deliveries.iter().all(|delivery| delivery.alert.kind == Kind::Recovered)
            }
            Self::Monitor(alert) => alert.is_over,
        }
    }

    /// The same for everything that belongs to one outage, so that its end is matched with its beginning: short, as
    /// names can be long.
    pub(super) fn outage_key(&self) -> String {
        match self {
            Self::One(delivery) => delivery.alert.outage_key(),
            Self::Many(_) => format!("many-{}", self.id()),
            Self::Monitor(alert) => format!("monitor-{}", alert.since),
        }
    }

    /// The first line: a headline for many, the alert's sentence for one.
    pub(super) fn headline(&self, zone: &TimeZone, now: i64) -> String {
        match self {
            Self::One(delivery) => text::of(&delivery.alert, now, zone),
            Self::Many(deliveries) => {
                text::headline(deliveries.iter().map(|delivery| &delivery.alert))
            }
            Self::Monitor(alert) => text::of_monitor(alert, now, zone),
        }
    }

    /// Everything below the headline, a line each: of one, what it is and the end of its log; of many, those that are
    /// the longest overdue, and how many more.
    pub(super) fn lines(&self, zone: &TimeZone, now: i64) -> Vec<String> {
        let Self::Many(deliveries) = self else { return self.details() };
        let (mut lines, count) = (longest(deliveries, zone, now), deliveries.len());
        lines.extend(more(count - lines.len()));
        lines
    }

    /// Headline and lines, each written as `write` does it. Of many as many lines as `fits` allows, and the others are
    /// counted; what is left may be too long all the same.
    pub(super) fn written(
        &self,
        zone: &TimeZone,
        now: i64,
        write: impl Fn(&str) -> String,
        fits: impl Fn(&str) -> bool,
    ) -> String {
        let headline = write(&self.headline(zone, now));
        let (lines, count) = match self {
            Self::Many(deliveries) => (longest(deliveries, zone, now), deliveries.len()),
            Self::One(_) | Self::Monitor(_) => {
                let details = self.details();
                let lines = details.iter().map(|line| write(line));
                return std::iter::once(headline).chain(lines).collect::<Vec<_>>().join("\n");
            }
        };
        let lines: Vec<String> = lines.iter().map(|line| write(line)).collect();
        let with = |shown: usize| {
            let below = lines[..shown].iter().cloned().chain(more(count - shown));
            std::iter::once(headline.clone()).chain(below).collect::<Vec<_>>().join("\n")
        };
        (0..=lines.len()).rev().map(with).find(|text| fits(text)).unwrap_or(headline.clone())
    }

    /// What there is to say of one beside its sentence.
    fn details(&self) -> Vec<String> {
        match self {
            Self::One(delivery) => details(&delivery.alert),
            Self::Many(_) | Self::Monitor(_) => Vec::new(),
        }
    }

    /// Where to look.
    pub(super) fn link(&self, presentation: &Presentation) -> Option<Url> {
        match self {
            Self::One(delivery) => presentation.link(&delivery.alert),
            Self::Many(_) | Self::Monitor(_) => presentation.base_url.clone(),
        }
    }
}

/// A line for each of those that are the longest overdue.
fn longest(deliveries: &[DueDelivery], zone: &TimeZone, now: i64) -> Vec<String> {
    let mut alerts: Vec<_> = deliveries.iter().map(|delivery| &delivery.alert).collect();
    alerts.sort_by_key(|alert| (alert.kind == Kind::Recovered, alert.outage_since));
    alerts.iter().take(BUNDLE_LINES_MAX).map(|alert| text::of(alert, now, zone)).collect()
}

fn details(alert: &Alert) -> Vec<String> {
    let log = alert.log.as_deref().map(str::trim_end).filter(|log| !log.is_empty());
    let lines = log.into_iter().flat_map(str::lines).map(str::to_owned);
    alert.description.clone().into_iter().chain(lines).collect()
}

fn more(count: usize) -> Option<String> {
    (count > 0).then(|| format!("and {count} more"))
}
