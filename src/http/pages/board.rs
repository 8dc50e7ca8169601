//! The list of services as a page shows it: what was asked for, which rows that is, and the sentence above them.

use std::collections::HashMap;

use super::folds::{Item, items};
use super::rows::{self, Row};
use super::words::number;
use super::{Icon, encoded};
use crate::core::limits::{PAGE_ROWS, SEARCH_BYTES_MAX, SEARCH_FOUND_MAX};
use crate::core::service::Status;
use crate::core::text::rough_duration;
use crate::http::Api;
use crate::http::problem::{NOTHING_READ, Problem, shown};
use crate::http::query::Query;
use crate::store::{Outlined, Overview, Place, Run, StoreError, Tally, Walk, rank};

/// Which services are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Show {
    /// All.
    #[default]
    All,
    /// Those overdue, failed or late.
    Trouble,
    /// Those with an open run.
    Running,
    /// Those of which nothing is expected.
    Paused,
}

impl Show {
    const ALL: [Self; 4] = [Self::All, Self::Trouble, Self::Running, Self::Paused];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Trouble => "trouble",
            Self::Running => "running",
            Self::Paused => "paused",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::All => "All",
            Self::Trouble => "Trouble",
            Self::Running => "Running",
            Self::Paused => "Paused",
        }
    }

    fn takes(self, one: &Outlined) -> bool {
        match self {
            Self::All => true,
            Self::Trouble => one.place.is_trouble(),
            Self::Running => one.running,
            Self::Paused => one.place.rank == rank(Status::Paused),
        }
    }

    fn count(self, tally: &Tally) -> i64 {
        match self {
            Self::All => tally.total,
            Self::Trouble => tally.trouble(),
            Self::Running => tally.running,
            Self::Paused => tally.of(Status::Paused),
        }
    }

    fn walk(self) -> Walk {
        match self {
            Self::All => Walk::Ranks(0, rank(Status::Paused)),
            Self::Trouble => Walk::Ranks(0, rank(Status::Late)),
            Self::Running => Walk::Running,
            Self::Paused => Walk::Ranks(rank(Status::Paused), rank(Status::Paused)),
        }
    }
}

/// What a page of the list was asked for: `?search=…&show=…&after=…`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) search: String,
    pub(super) show: Show,
    pub(super) after: Option<Place>,
}

impl Asked {
    pub(super) fn parse(query: &str) -> Result<Self, Problem> {
        let query = Query::parse(query);
        let search = query.get("search")?.unwrap_or_default().trim().to_owned();
        if search.len() > SEARCH_BYTES_MAX || search.contains('\0') {
            return Err(Problem::BadRequest(format!(
                "search {} is not part of a name: use {SEARCH_BYTES_MAX} bytes at most",
                shown(&search)
            )));
        }
        let show = match query.get("show")? {
            Some(text) => {
                Show::ALL.into_iter().find(|one| one.as_str() == text).ok_or_else(|| {
                    Problem::BadRequest(format!(
                        "show {} is not known: use one of all, trouble, running, paused",
                        shown(&text)
                    ))
                })?
            }
            None => Show::All,
        };
        let after = match query.get("after")?.filter(|text| !text.is_empty()) {
            Some(text) => Some(place(&text).ok_or_else(|| {
                Problem::BadRequest(format!(
                    "after {} is no place in the list: follow the link to the next page",
                    shown(&text)
                ))
            })?),
            None => None,
        };
        Ok(Self { search, show, after })
    }

    /// The query of the same list, of those that `show` takes, from `after` on.
    fn query(&self, show: Show, after: Option<Place>) -> String {
        let mut parts = Vec::new();
        if !self.search.is_empty() {
            parts.push(format!("search={}", encoded(&self.search)));
        }
        if show != Show::All {
            parts.push(format!("show={}", show.as_str()));
        }
        if let Some(Place { rank, second, id }) = after {
            parts.push(format!("after={rank}.{second}.{id}"));
        }
        if parts.is_empty() { "/".to_owned() } else { format!("/?{}", parts.join("&")) }
    }

    /// Whether it is the list as it is first seen, in which names fold.
    pub(super) fn folds(&self) -> bool {
        self.search.is_empty() && self.show == Show::All
    }
}

fn place(text: &str) -> Option<Place> {
    let mut parts = text.split('.');
    let place = Place {
        rank: parts.next()?.parse().ok()?,
        second: parts.next()?.parse().ok()?,
        id: parts.next()?.parse().ok()?,
    };
    parts.next().is_none().then_some(place)
}

/// A filter with how many services it takes.
pub(super) struct Chip {
    pub(super) title: &'static str,
    pub(super) count: String,
    pub(super) href: String,
    pub(super) is_on: bool,
}

/// The runs of services that were read before, by row and number of signals: they change with these alone.
pub(super) type KnownRuns = HashMap<i64, (i64, Vec<Run>)>;

/// The list as a page shows it.
pub(super) struct Board {
    /// The sentence above it.
    pub(super) headline: Headline,
    /// The filters.
    pub(super) chips: Vec<Chip>,
    /// The rows.
    pub(super) rows: Vec<Row>,
    /// Where the list goes on.
    pub(super) next: Option<String>,
    /// Where it begins, if this is not the beginning.
    pub(super) first: Option<String>,
    /// What there is to say of the rows: that there are none, or not all.
    pub(super) remark: Option<String>,
    /// Whether there are no services at all.
    pub(super) is_empty: bool,
}

/// The sentence above the list, with the class of each part.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Headline {
    pub(super) parts: Vec<(&'static str, String)>,
    /// The one that is due next: its name, and when.
    pub(super) next: Option<(String, i64)>,
    pub(super) icon: Icon,
}

impl Headline {
    /// What the tab says.
    pub(super) fn title(&self) -> String {
        let parts: Vec<&str> = self.parts.iter().map(|(_, text)| text.as_str()).collect();
        format!("{} · overdue", parts.join(", "))
    }

    /// How long it is at `now` until the next one is due.
    pub(super) fn left(&self, now: i64) -> String {
        rough_duration(self.next.as_ref().map_or(0, |(_, at)| at - now))
    }

    fn of(tally: &Tally, next: Option<(String, i64)>) -> Self {
        let part = |class, status: Status| {
            let count = tally.of(status);
            (count > 0).then(|| (class, format!("{} {}", number(count), status.as_str())))
        };
        let up = tally.of(Status::Up);
        if tally.trouble() > 0 {
            let parts = [
                part("bad", Status::Overdue),
                part("bad", Status::Failed),
                part("warn", Status::Late),
                part("quiet", Status::Up),
            ];
            let is_bad = tally.of(Status::Overdue) + tally.of(Status::Failed) > 0;
            let icon = if is_bad { Icon::Bad } else { Icon::Late };
            return Self { parts: parts.into_iter().flatten().collect(), next: None, icon };
        }
        let (text, icon) = if tally.total == 0 {
            ("Nothing is watched yet".to_owned(), Icon::Idle)
        } else if up > 0 {
            let all = if up == 1 && tally.total == 1 { String::new() } else { "All ".to_owned() };
            (format!("{all}{} up", number(up)), Icon::Up)
        } else {
            let waiting = part("", Status::Waiting).map(|(_, text)| text);
            let paused = part("", Status::Paused).map(|(_, text)| text);
            let said: Vec<String> = waiting.into_iter().chain(paused).collect();
            (said.join(", "), Icon::Idle)
        };
        Self { parts: vec![("", text)], next: next.filter(|_| up > 0), icon }
    }
}

/// Reads what was asked for at `now`, with what is known of all services.
pub(super) async fn read(
    api: &Api,
    asked: &Asked,
    overview: &Overview,
    known: &mut KnownRuns,
    now: i64,
) -> Result<Board, Problem> {
    let store = &api.0.store;
    let (items, is_cut, tally) = match overview {
        Overview::Whole(outline) => {
            let search = asked.search.to_ascii_lowercase();
            let found = outline.iter().filter(|one| {
                asked.show.takes(one) && one.name.to_ascii_lowercase().contains(&search)
            });
            (items(found, asked, outline), false, Tally::count(outline))
        }
        Overview::Counted(tally) if asked.search.is_empty() => {
            let places = read_or(store.walk(asked.show.walk(), asked.after, now).await)?;
            (places.into_iter().map(Item::Service).collect(), false, *tally)
        }
        Overview::Counted(tally) => {
            let found = read_or(store.search(asked.search.clone(), now).await)?;
            let is_cut = found.len() >= SEARCH_FOUND_MAX;
            let taken = found.iter().filter(|one| asked.show.takes(one));
            (items(taken, asked, &[]), is_cut, *tally)
        }
    };
    let has_more = items.len() > PAGE_ROWS;
    let page = &items[..items.len().min(PAGE_ROWS)];
    let rows = self::rows(api, page, known, now).await?;
    let next =
        page.last().filter(|_| has_more).map(|last| asked.query(asked.show, Some(last.place())));
    let headline = Headline::of(&tally, next_due(api, overview, &tally, now).await?);
    let remark = match (rows.is_empty(), is_cut) {
        (true, _) if tally.total > 0 => Some(nothing(asked)),
        (false, true) => Some(format!(
            "Over {} match: these are in order among those found first. Search for more of the name.",
            number(i64::try_from(SEARCH_FOUND_MAX).unwrap_or(i64::MAX))
        )),
        _ => None,
    };
    let chips = Show::ALL.into_iter().map(|show| Chip {
        title: show.title(),
        count: number(show.count(&tally)),
        href: asked.query(show, None),
        is_on: show == asked.show,
    });
    Ok(Board {
        headline,
        chips: chips.collect(),
        rows,
        next,
        first: asked.after.map(|_| asked.query(asked.show, None)),
        remark,
        is_empty: tally.total == 0,
    })
}

fn nothing(asked: &Asked) -> String {
    if !asked.search.is_empty() {
        return format!("No name has {} in it.", shown(&asked.search));
    }
    match asked.show {
        Show::Trouble => "No trouble.".to_owned(),
        Show::Running => "Nothing runs at the moment.".to_owned(),
        Show::Paused => "Nothing is paused.".to_owned(),
        Show::All => "The list ends here.".to_owned(),
    }
}

async fn rows(
    api: &Api,
    page: &[Item],
    cache: &mut KnownRuns,
    now: i64,
) -> Result<Vec<Row>, Problem> {
    let ids: Vec<i64> = page
        .iter()
        .filter_map(|item| match item {
            Item::Service(place) => Some(place.id),
            Item::Fold(_) => None,
        })
        .collect();
    cache.retain(|id, _| ids.contains(id));
    let signals: HashMap<i64, i64> =
        cache.iter().map(|(id, (signals, _))| (*id, *signals)).collect();
    let knows = move |id, count| signals.get(&id) == Some(&count);
    let mut found = HashMap::new();
    for mut shown in read_or(api.0.store.shown(ids, knows).await)? {
        let signals = shown.service.history.signals;
        if cache.get(&shown.id).is_none_or(|(before, _)| *before != signals) {
            cache.insert(shown.id, (signals, std::mem::take(&mut shown.runs)));
        }
        found.insert(shown.id, shown);
    }
    let routes = &api.0.pages.outlook.routes;
    let row = |item: &Item| match item {
        Item::Fold(fold) => Some(rows::fold(fold, now)),
        Item::Service(place) => {
            let shown = found.get(&place.id)?;
            let runs = cache.get(&place.id).map_or(&[][..], |(_, runs)| runs);
            Some(rows::service(shown, runs, routes, now, &api.0.zone))
        }
    };
    Ok(page.iter().filter_map(row).collect())
}

/// The service that is due next, where all are well.
async fn next_due(
    api: &Api,
    overview: &Overview,
    tally: &Tally,
    now: i64,
) -> Result<Option<(String, i64)>, Problem> {
    if tally.trouble() > 0 || tally.of(Status::Up) == 0 {
        return Ok(None);
    }
    let up = rank(Status::Up);
    match overview {
        Overview::Whole(outline) => Ok(outline
            .iter()
            .filter(|one| one.place.rank == up && !one.running)
            .filter_map(|one| Some((one.name.clone(), one.due.filter(|due| *due >= now)?)))
            .min_by_key(|(_, due)| *due)),
        Overview::Counted(_) => {
            let first = read_or(api.0.store.walk(Walk::Ranks(up, up), None, now).await)?;
            let ids = first.into_iter().map(|place| place.id).take(1).collect();
            let shown = read_or(api.0.store.shown(ids, |_, _| true).await)?;
            Ok(shown.into_iter().find_map(|shown| {
                let due = shown.service.expected.or(shown.service.deadline)?;
                Some((shown.service.name.as_str().to_owned(), due))
            }))
        }
    }
}

pub(super) fn read_or<T>(result: Result<T, StoreError>) -> Result<T, Problem> {
    result.map_err(|_| Problem::Unavailable(NOTHING_READ.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(by_status: [i64; 6]) -> Tally {
        Tally { total: by_status.iter().sum(), by_status, running: 0 }
    }

    #[test]
    fn the_headline_is_a_sentence() {
        let title = |by_status| Headline::of(&tally(by_status), None).title();
        insta::assert_snapshot!(title([2, 1, 1, 208, 0, 0]), @"2 overdue, 1 failed, 1 late, 208 up · overdue");
        insta::assert_snapshot!(title([0, 0, 0, 212, 3, 1]), @"All 212 up · overdue");
        insta::assert_snapshot!(title([0, 0, 0, 1, 0, 0]), @"1 up · overdue");
        insta::assert_snapshot!(title([0, 0, 0, 0, 0, 0]), @"Nothing is watched yet · overdue");
        insta::assert_snapshot!(title([0, 0, 0, 0, 3, 2]), @"3 waiting, 2 paused · overdue");
        insta::assert_snapshot!(title([12_000, 0, 0, 0, 0, 0]), @"12,000 overdue · overdue");
        let icon = |by_status| Headline::of(&tally(by_status), None).icon;
        assert_eq!(icon([1, 0, 1, 1, 0, 0]), Icon::Bad);
        assert_eq!(icon([0, 0, 1, 1, 0, 0]), Icon::Late);
        assert_eq!(icon([0, 0, 0, 1, 0, 0]), Icon::Up);
        assert_eq!(icon([0, 0, 0, 0, 1, 1]), Icon::Idle);
    }

    #[test]
    fn a_place_in_the_list_is_read_back() {
        let asked = Asked::parse("search=a%26b&show=trouble&after=3.1795600800.17").unwrap();
        assert_eq!(
            asked.query(asked.show, asked.after),
            "/?search=a%26b&show=trouble&after=3.1795600800.17"
        );
        for wrong in ["after=x", "after=1.2", "after=1.2.3.4", "show=up", "after=999.1.1"] {
            assert!(Asked::parse(wrong).is_err(), "{wrong}");
        }
    }
}
