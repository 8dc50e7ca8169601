//! What somebody does with sqlite3: to the file, and to the model.

use sqlx::SqliteConnection;

use crate::model::{Plan, Terms, Watched};
use crate::step::Hand;
use crate::world::{Kept, World};

/// Does it to the file.
pub async fn edit(eyes: &mut SqliteConnection, hand: Hand, now: i64) -> Result<(), String> {
    let (statement, name, value) = match hand {
        Hand::Deadline { name, from_now } => (
            "UPDATE services SET deadline = ?2 WHERE name = ?1",
            name,
            from_now.map(|seconds| now + seconds),
        ),
        Hand::Alerted { name, value } => {
            ("UPDATE services SET alerted = ?2 WHERE name = ?1", name, Some(i64::from(value)))
        }
        Hand::Frequency { name, seconds } => (
            "UPDATE services SET frequency = ?2 WHERE name = ?1 AND cron IS NULL",
            name,
            Some(seconds),
        ),
        Hand::Grace { name, seconds } => {
            ("UPDATE services SET grace = ?2 WHERE name = ?1", name, Some(seconds))
        }
        Hand::Insert { name, from_now, .. } => (
            "INSERT OR IGNORE INTO services (name, deadline, frequency) VALUES (?1, ?2, ?3)",
            name,
            from_now.map(|seconds| now + seconds),
        ),
        Hand::Delete(name) => ("DELETE FROM services WHERE name = ?1", name, None),
        Hand::Spoil(name) => ("UPDATE services SET runs = '[7]' WHERE name = ?1", name, None),
        Hand::Mend(name) => {
            ("UPDATE services SET runs = NULL, running_since = NULL WHERE name = ?1", name, None)
        }
        Hand::DeleteAlert(name) => (
            "DELETE FROM alerts WHERE seq = (SELECT max(seq) FROM alerts WHERE service = ?1)",
            name,
            None,
        ),
    };
    let mut query = sqlx::query(statement).bind(name).bind(value);
    if let Hand::Insert { seconds, .. } = hand {
        query = query.bind(seconds);
    }
    query.execute(eyes).await.map(drop).map_err(|error| error.to_string())
}

impl World {
    /// Does it to the model.
    pub fn hand(&mut self, hand: Hand, now: i64) {
        let (Hand::Deadline { name, .. }
        | Hand::Alerted { name, .. }
        | Hand::Frequency { name, .. }
        | Hand::Grace { name, .. }
        | Hand::Insert { name, .. }
        | Hand::Delete(name)
        | Hand::Spoil(name)
        | Hand::Mend(name)
        | Hand::DeleteAlert(name)) = hand;
        if let Hand::DeleteAlert(_) = hand {
            let newest = self.alerts.iter().rposition(|alert| alert.name == name);
            newest.map(|place| self.alerts.remove(place));
            return;
        }
        if let Hand::Insert { seconds, from_now, .. } = hand {
            let terms = Terms { every: Some(seconds), ..Terms::default() };
            let mut watched = Watched::new(&terms, 0).unwrap();
            watched.deadline = from_now.map(|seconds| now + seconds);
            let kept = Kept { watched, is_spoilt: false, signals: 0, rows: Vec::new() };
            self.services.entry(name).or_insert(kept);
            return;
        }
        let Some(kept) = self.services.get_mut(name) else { return };
        let watched = &mut kept.watched;
        match hand {
            Hand::Deadline { from_now, .. } => {
                let deadline = from_now.map(|seconds| now + seconds);
                // A new deadline, of which nobody was told.
                watched.told &= watched.deadline == deadline;
                watched.deadline = deadline;
            }
            Hand::Alerted { value, .. } => watched.told = value,
            Hand::Frequency { seconds, .. } => {
                if matches!(watched.plan, Plan::Every(_)) {
                    watched.plan = Plan::Every(seconds);
                }
            }
            Hand::Grace { seconds, .. } => watched.grace = seconds,
            Hand::Delete(_) => {
                self.services.remove(name);
                self.aliases.retain(|_, service| *service != name);
            }
            Hand::Spoil(_) => kept.is_spoilt = true,
            Hand::Mend(_) => {
                kept.is_spoilt = false;
                watched.runs.clear();
            }
            Hand::Insert { .. } | Hand::DeleteAlert(_) => {}
        }
    }
}
