//! A disk whose power can be cut: what is certainly on it, and what may be.

use std::collections::BTreeMap;
use std::path::Path;

use fastrand::Rng;

use super::recording::{Event, FOLDER, SUFFIXES};

/// The number that stands for the folder in the log: that of its kind, from 1.
const FOLDER_OBJECT: u32 = 6;

/// The disk as it is at some moment.
#[derive(Default)]
pub(crate) struct Platter {
    files: BTreeMap<u32, Content>,
    /// Which file certainly stands under which name, by kind.
    names: BTreeMap<usize, u32>,
    /// Names given and taken since, which may be on disk as far as any of them.
    renamed: Vec<(usize, Option<u32>)>,
}

/// A file: what is certain, and what was done to it since, in order.
#[derive(Clone, Default)]
struct Content {
    base: Vec<u8>,
    changes: Vec<(Change, Certainty)>,
}

#[derive(Clone)]
enum Change {
    Write { at: usize, data: Vec<u8> },
    Truncate { length: usize },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Certainty {
    Certain,
    /// Until the next sync.
    Pending,
    /// A sync has failed: the system takes it for written, so that no later sync writes it either.
    Doomed,
}

/// What becomes of all that is not certain.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    /// Nothing of it is there.
    Lost,
    /// All of it is.
    Kept,
    /// The first so many hundredths are: as if written in order.
    Cut(usize),
    /// Each write is there or not.
    Shuffled,
    /// Each sector of so many bytes is there or not.
    Torn(usize),
}

impl Fate {
    pub(crate) fn random(rng: &mut Rng) -> Self {
        match rng.u8(0..8) {
            0 | 1 => Self::Lost,
            2 => Self::Kept,
            3 => Self::Cut(rng.usize(0..100)),
            4 | 5 => Self::Shuffled,
            6 => Self::Torn(512),
            _ => Self::Torn(4096),
        }
    }
}

impl Platter {
    /// What happened to the files is done to it.
    pub(crate) fn take(&mut self, event: &Event) {
        match event {
            Event::Create { kind, object } => {
                self.files.insert(*object, Content::default());
                self.renamed.push((*kind, Some(*object)));
            }
            Event::Unlink { kind } => self.renamed.push((*kind, None)),
            Event::Write { object, at, data } => {
                let data = data.clone();
                self.change(*object, Change::Write { at: *at, data });
            }
            Event::Truncate { object, length } => {
                self.change(*object, Change::Truncate { length: *length });
            }
            Event::Sync { object: FOLDER_OBJECT } => {
                for (kind, object) in self.renamed.drain(..) {
                    match object {
                        Some(object) => self.names.insert(kind, object),
                        None => self.names.remove(&kind),
                    };
                }
            }
            Event::Sync { object } => self.file(*object).settle(Certainty::Certain),
            Event::SyncFailed { object } => self.file(*object).settle(Certainty::Doomed),
            Event::Told(_) => {}
        }
    }

    fn file(&mut self, object: u32) -> &mut Content {
        self.files.entry(object).or_default()
    }

    fn change(&mut self, object: u32, change: Change) {
        self.file(object).changes.push((change, Certainty::Pending));
    }

    /// Leaves in `folder` what is found there once the power is back.
    pub(crate) fn leave(&self, folder: &Path, fate: Fate, rng: &mut Rng) {
        let mut names = self.names.clone();
        let kept = match fate {
            Fate::Lost => 0,
            Fate::Kept => self.renamed.len(),
            _ => rng.usize(0..=self.renamed.len()),
        };
        for (kind, object) in &self.renamed[..kept] {
            match object {
                Some(object) => names.insert(*kind, *object),
                None => names.remove(kind),
            };
        }
        for (kind, object) in names {
            let path = folder.join(format!("overdue.db{}", SUFFIXES[kind]));
            let content = match SUFFIXES[kind] {
                // Memory that is shared, and which nobody syncs: anything may be there.
                "-shm" => std::iter::repeat_with(|| rng.u8(..)).take(32_768).collect(),
                _ => self.files.get(&object).map_or_else(Vec::new, |file| file.found(fate, rng)),
            };
            std::fs::write(path, content).unwrap();
        }
        assert!(FOLDER == SUFFIXES.len());
    }
}

impl Content {
    fn settle(&mut self, certainty: Certainty) {
        for (_, now) in &mut self.changes {
            if *now == Certainty::Pending {
                *now = certainty;
            }
        }
        // What is certain from the beginning on need not be remembered change by change.
        let certain = self.changes.iter().take_while(|(_, now)| *now == Certainty::Certain).count();
        for (change, _) in self.changes.drain(..certain) {
            change.happen(&mut self.base, |_| true);
        }
    }

    fn found(&self, fate: Fate, rng: &mut Rng) -> Vec<u8> {
        let mut found = self.base.clone();
        let uncertain = self.changes.iter().filter(|(_, now)| *now != Certainty::Certain).count();
        let mut seen = 0;
        for (change, certainty) in &self.changes {
            if *certainty == Certainty::Certain {
                change.happen(&mut found, |_| true);
                continue;
            }
            seen += 1;
            let is_kept = match fate {
                Fate::Lost => false,
                Fate::Kept | Fate::Torn(_) => true,
                Fate::Cut(hundredths) => seen * 100 <= uncertain * hundredths,
                Fate::Shuffled => rng.bool(),
            };
            match (fate, change) {
                (Fate::Torn(_), Change::Truncate { .. }) if rng.bool() => {}
                (Fate::Torn(bytes), change) => {
                    // Whether a sector is there is the same for each byte of it.
                    let salt = rng.u64(..);
                    change
                        .happen(&mut found, |at| Rng::with_seed(salt ^ (at / bytes) as u64).bool());
                }
                (_, change) if is_kept => change.happen(&mut found, |_| true),
                _ => {}
            }
        }
        found
    }
}

impl Change {
    /// Does to `content` what it is, as far as `is_there` says of the places of its bytes.
    fn happen(&self, content: &mut Vec<u8>, is_there: impl Fn(usize) -> bool) {
        match self {
            Self::Truncate { length } => content.resize(*length, 0),
            Self::Write { at, data } => {
                let end = at + data.len();
                // The sectors of the smallest size decide, for whatever size.
                let mut from = *at;
                while from < end {
                    let to = ((from / 512 + 1) * 512).min(end);
                    if is_there(from) {
                        if content.len() < to {
                            content.resize(to, 0);
                        }
                        content[from..to].copy_from_slice(&data[from - at..to - at]);
                    }
                    from = to;
                }
            }
        }
    }
}
