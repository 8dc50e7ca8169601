//! Folds: where there are many services, those whose names begin alike and that are all well are one row.

use std::collections::{HashMap, HashSet};

use super::board::Asked;
use crate::core::limits::{FOLD_SERVICES_MIN, FOLDED_ABOVE_SERVICES, PAGE_ROWS};
use crate::core::service::Status;
use crate::store::{Outlined, Place, rank};

/// Services whose names begin alike, all of them well.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fold {
    /// How their names begin.
    pub(super) prefix: String,
    /// How many they are.
    pub(super) services: usize,
    /// When the first of them is due.
    pub(super) due: Option<i64>,
    place: Place,
}

/// What a row is of.
pub(super) enum Item {
    /// The service in this place.
    Service(Place),
    /// Many of them.
    Fold(Fold),
}

impl Item {
    /// Where it stands.
    pub(super) fn place(&self) -> Place {
        match self {
            Self::Service(place) => *place,
            Self::Fold(fold) => fold.place,
        }
    }
}

/// The items of a page among `found`, which are in order, and one more if there are more.
pub(super) fn items<'a>(
    found: impl Iterator<Item = &'a Outlined>,
    asked: &Asked,
    outline: &'a [Outlined],
) -> Vec<Item> {
    let folds = if asked.folds() { folds(outline) } else { HashMap::new() };
    let mut items = Vec::new();
    for one in found {
        let item = match prefix(&one.name).and_then(|prefix| folds.get(prefix)) {
            Some(fold) if fold.place == one.place => Item::Fold(fold.clone()),
            Some(_) => continue,
            None => Item::Service(one.place),
        };
        if asked.after.is_none_or(|after| item.place() > after) {
            items.push(item);
        }
        if items.len() > PAGE_ROWS {
            break;
        }
    }
    items
}

/// The folds of an outline by how the names begin: where there are many services, those of which enough begin alike and
/// all are well. A fold stands where the first of its services would.
fn folds(outline: &[Outlined]) -> HashMap<&str, Fold> {
    let mut folds: HashMap<&str, Fold> = HashMap::new();
    if outline.len() <= FOLDED_ABOVE_SERVICES {
        return folds;
    }
    let mut unwell = HashSet::new();
    for one in outline {
        let Some(prefix) = prefix(&one.name) else { continue };
        if one.place.rank != rank(Status::Up) {
            unwell.insert(prefix);
            continue;
        }
        let fold = folds.entry(prefix).or_insert_with(|| Fold {
            prefix: prefix.to_owned(),
            services: 0,
            due: one.due,
            place: one.place,
        });
        fold.services += 1;
    }
    folds.retain(|prefix, fold| !unwell.contains(prefix) && fold.services >= FOLD_SERVICES_MIN);
    folds
}

/// How a name begins: up to its first sign that separates, and with that.
fn prefix(name: &str) -> Option<&str> {
    let end = name.find(['-', '_', '.', '/', ':', ' '])?;
    (end > 0).then(|| &name[..=end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fold_at_their_first_separator() {
        assert_eq!(prefix("backup-db-1"), Some("backup-"));
        assert_eq!(prefix("billing/invoices"), Some("billing/"));
        for name in ["backup", "-x", "über"] {
            assert_eq!(prefix(name), None);
        }
    }
}
