//! The runs of a service that have begun and not ended, as far as signals tell.

use super::limits::{OVERTAKING_MS_MAX, RUNS_MAX};
use super::signal::{RunId, Signal};

/// A run of which one end is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its id, where its signals carry one.
    pub id: Option<RunId>,
    /// When it began.
    pub began: Began,
}

/// When a run began, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Began {
    /// Then; it is open.
    At(i64),
    /// Its end came then, and its start is still to come: pings may overtake each other.
    After(i64),
}

impl Run {
    /// When it began, if it is open.
    fn started_ms(&self) -> Option<i64> {
        match self.began {
            Began::At(ms) => Some(ms),
            Began::After(_) => None,
        }
    }
}

/// The runs of one service that are open, in the order in which their signals came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runs(Vec<Run>);

/// What a signal that ends a run has closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Closed {
    /// When the run began, if that is known.
    pub started_ms: Option<i64>,
}

impl Runs {
    /// The runs as they were stored, the oldest first; those beyond the bound are left out.
    pub fn new(mut runs: Vec<Run>) -> Self {
        if runs.len() > RUNS_MAX {
            runs.drain(..runs.len() - RUNS_MAX);
        }
        Self(runs)
    }

    /// All of them, those too whose end came before their start.
    pub fn all(&self) -> &[Run] {
        &self.0
    }

    /// The second at which the latest open run began.
    pub fn running_since(&self) -> Option<i64> {
        self.latest_ms().map(|ms| ms.div_euclid(1000))
    }

    fn latest_ms(&self) -> Option<i64> {
        self.0.iter().filter_map(Run::started_ms).max()
    }

    /// A run begins. Whether it is open now: its end may have come before, and then it is over.
    pub fn start(&mut self, id: Option<&RunId>, at_ms: i64) -> bool {
        let same = |run: &Run| id.is_some() && run.id.as_ref() == id;
        if let Some(index) = self.0.iter().position(same) {
            // The same start again, or the one of a run whose end is known.
            if let Began::After(end_ms) = self.0.remove(index).began
                && at_ms <= end_ms + OVERTAKING_MS_MAX
            {
                return false;
            }
        }
        // Without ids runs cannot be told apart: the new one takes the place of the one before.
        if id.is_none() {
            self.0.retain(|run| run.id.is_some());
        }
        self.push(Run { id: id.cloned(), began: Began::At(at_ms) });
        true
    }

    /// A run ends. A success with an id ends that run alone; a failure whose run is not known, and an end without an id,
    /// end all that are open.
    pub fn end(&mut self, id: Option<&RunId>, signal: Signal, at_ms: i64) -> Closed {
        let Some(id) = id else {
            let started_ms = self.latest_ms();
            self.0.clear();
            return Closed { started_ms };
        };
        if let Some(index) = self.0.iter().position(|run| run.id.as_ref() == Some(id)) {
            return Closed { started_ms: self.0.remove(index).started_ms() };
        }
        if signal.is_failure() {
            self.0.clear();
        }
        self.push(Run { id: Some(id.clone()), began: Began::After(at_ms) });
        Closed::default()
    }

    /// Ends everything, without a word about how.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Leaves only the runs for which `keeps`, by when they began; those whose end came first stay.
    pub fn retain(&mut self, keeps: impl Fn(i64) -> bool) {
        self.0.retain(|run| run.started_ms().is_none_or(&keeps));
    }

    fn push(&mut self, run: Run) {
        self.0.push(run);
        if self.0.len() > RUNS_MAX {
            self.0.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> RunId {
        RunId::parse(text).unwrap()
    }

    #[test]
    fn runs_that_overlap_are_told_apart_by_their_ids() {
        let (a, b, mut runs) = (id("a"), id("b"), Runs::default());
        assert!(runs.start(Some(&a), 1000) && runs.start(Some(&b), 5000));
        assert_eq!(runs.running_since(), Some(5));
        assert_eq!(runs.end(Some(&a), Signal::Success, 9000).started_ms, Some(1000));
        assert_eq!(runs.running_since(), Some(5));
        assert_eq!(runs.end(Some(&b), Signal::Fail, 9000).started_ms, Some(5000));
        assert_eq!(runs, Runs::default());
    }

    #[test]
    fn a_success_of_another_run_leaves_it_open_and_a_failure_or_no_id_closes_it() {
        let open = || {
            let mut runs = Runs::default();
            runs.start(Some(&id("a")), 1000);
            runs
        };
        let mut runs = open();
        assert_eq!(runs.end(Some(&id("b")), Signal::Success, 2000).started_ms, None);
        assert_eq!(runs.running_since(), Some(1));
        let mut runs = open();
        runs.end(Some(&id("b")), Signal::Fail, 2000);
        assert_eq!(runs.running_since(), None);
        let mut runs = open();
        assert_eq!(runs.end(None, Signal::Success, 2000).started_ms, Some(1000));
        assert_eq!(runs.running_since(), None);
    }

    #[test]
    fn a_start_that_its_end_has_overtaken_opens_nothing() {
        let mut runs = Runs::default();
        assert_eq!(runs.end(Some(&id("a")), Signal::Success, 2000), Closed::default());
        assert!(!runs.start(Some(&id("a")), 1000));
        assert_eq!(runs, Runs::default());
        runs.end(Some(&id("a")), Signal::Success, 2000);
        assert!(runs.start(Some(&id("a")), 90_000), "an id that is used again and again");
        runs.clear();
        assert!(runs.start(Some(&id("b")), 1000) && runs.start(Some(&id("b")), 1000), "twice");
        assert_eq!(runs.all().len(), 1);
    }

    #[test]
    fn their_number_is_bounded() {
        let mut runs = Runs::default();
        for number in 0..100 {
            runs.start(Some(&id(&number.to_string())), number);
        }
        assert_eq!(runs.all().len(), RUNS_MAX);
        assert_eq!(runs.all()[0].began, Began::At(80));
    }
}
