//! One simulation: each step is done by the machine and by the model, and then they are held against each other.

#[path = "deliver.rs"]
mod deliver;

use std::collections::{HashMap, HashSet};

use overdue::core::name::Name;
use overdue::store::{Action, StoreError};

use crate::check::{self, Seen};
use crate::hands;
use crate::machine::{self, Answered, Machine, Request};
use crate::model::No;
use crate::plot::Setting;
use crate::step::{Command, How, Part, Step, Wait};
use crate::world::{Answer, DESTINATIONS, Flight, State, World};

/// Rows of the history beyond twice those that are kept: what comes before it is looked through.
const HISTORY_SLACK_ROWS: usize = 256;

/// Longer than this nobody watches the clock; what is further ahead is a gap.
const ATTENDED_SECONDS_MAX: i64 = 150;

/// What this machine is, as far as it has heard.
#[derive(Clone, Debug)]
struct Post {
    part: Part,
    heard: i64,
    /// How often it became primary.
    term: u64,
    /// The term that the store has taken up.
    taken: u64,
}

/// A command, and which delivery has ended how, if it says that.
type Noted = (Command, Option<(Sent, How)>);

/// A delivery on its way.
#[derive(Clone, Debug)]
struct Sent {
    flight: Flight,
    /// When its alert was raised, or somebody asked for it again.
    since: i64,
    attempts: i64,
}

pub struct Run {
    world: World,
    machine: Option<Machine>,
    seen: Seen,
    sent: Vec<Sent>,
    /// The last alert of each service that arrived at each destination.
    last: HashMap<(String, usize), u64>,
    /// Which alert arrived under an id.
    arrived: HashMap<String, u64>,
    deliveries: HashSet<Flight>,
    /// What somebody asked for again: it may follow what came behind it.
    retried: HashSet<Flight>,
    /// Ids that arrived and are known no more: a machine died before it noted that, or hands and age removed the alert.
    excused: HashSet<String>,
    post: Post,
    steps: usize,
}

/// Does these steps. Where they fail: at which, and what is wrong.
pub async fn run(setting: &Setting, steps: &[Step]) -> Result<(), (usize, String)> {
    let mut run = Run::new(setting.clone()).await;
    for (place, step) in steps.iter().enumerate() {
        run.step(step).await.map_err(|error| (place, error))?;
    }
    run.settle().await.map_err(|error| (steps.len(), error))
}

impl Run {
    async fn new(setting: Setting) -> Self {
        let machine = Machine::new(&setting).await;
        let post = Post { part: Part::Primary, heard: setting.start, term: 1, taken: 1 };
        Self {
            world: World::new(setting),
            machine: Some(machine),
            seen: Seen::default(),
            sent: Vec::new(),
            last: HashMap::new(),
            arrived: HashMap::new(),
            deliveries: HashSet::new(),
            retried: HashSet::new(),
            excused: HashSet::new(),
            post,
            steps: 0,
        }
    }

    fn machine(&mut self) -> &mut Machine {
        self.machine.as_mut().unwrap()
    }

    fn now(&self) -> i64 {
        self.machine.as_ref().unwrap().clock.now()
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        self.steps += 1;
        let mut is_thorough = self.steps.is_multiple_of(10);
        match step {
            Step::Wait(wait) => self.wait(*wait).await?,
            Step::Jump(seconds) => self.set_clock((self.now() + seconds).max(1_000_000)),
            Step::Batch(commands) => self.batch(commands).await?,
            Step::Torn { commands, written, away } => {
                is_thorough = true;
                self.torn(commands, *written, *away).await?;
            }
            Step::Sweep => self.sweep().await?,
            Step::Take { to, limit } => self.take(*to, *limit).await?,
            Step::Retry { nth, to } => self.retry(*nth, *to).await?,
            Step::Revive { to } => {
                let now = self.now();
                let store = self.machine().store.clone();
                let done = store.revive(DESTINATIONS[*to].to_owned(), now).await;
                if self.is_done(done)? {
                    self.world.revive(*to, now);
                }
            }
            Step::Upkeep { to } => self.upkeep(*to).await?,
            Step::Purge { age } => self.purge(*age).await?,
            Step::Hand(hand) => {
                let now = self.now();
                hands::edit(&mut self.machine().eyes, *hand, now).await?;
                self.without(|world| world.hand(*hand, now));
            }
            Step::Crash { arrived, away } => {
                is_thorough = true;
                self.restart(Some(*arrived), *away, None).await?;
            }
            Step::Stop { away } => {
                is_thorough = true;
                self.restart(None, *away, None).await?;
            }
            Step::Change { there, grace, hold, remind, away } => {
                is_thorough = true;
                let before = self.world.setting.clone();
                let (there, grace, hold, remind) = (*there, *grace, *hold, *remind);
                let setting = Setting { grace, hold, remind, there, ..before };
                self.restart(None, *away, Some(setting)).await?;
            }
            Step::Role(part) => self.hear(*part),
        }
        self.check(is_thorough).await
    }

    async fn check(&mut self, is_thorough: bool) -> Result<(), String> {
        let eyes = &mut self.machine.as_mut().unwrap().eyes;
        check::check(eyes, &self.world, &mut self.seen, is_thorough).await?;
        if is_thorough {
            check::check_history(eyes, &self.world, HISTORY_SLACK_ROWS).await?;
        }
        if self.steps.is_multiple_of(50) {
            check::check_integrity(eyes).await?;
        }
        Ok(())
    }

    fn hear(&mut self, part: Part) {
        if !self.world.setting.is_cluster {
            return;
        }
        self.machine().hear(part);
        let now = self.now();
        let stays = self.post.part == Part::Primary && now - self.post.heard <= 5;
        if part == Part::Primary && !stays {
            self.post.term += 1;
        }
        (self.post.part, self.post.heard) = (part, now);
    }

    /// Sets the clock; LiteFS is heard at once.
    fn set_clock(&mut self, second: i64) {
        self.machine().clock.set(second);
        self.hear(self.post.part);
    }

    /// Whether the store may write now. What was handed out in a term before is forgotten, and cut off on its way.
    fn may_write(&mut self) -> bool {
        if self.post.part != Part::Primary {
            if self.post.part == Part::Elsewhere {
                self.cut_off(true);
            }
            return false;
        }
        if self.post.taken != self.post.term {
            self.post.taken = self.post.term;
            self.cut_off(true);
            self.begin();
        }
        true
    }

    /// A term begins, if this machine is the one that writes.
    fn begin(&mut self) {
        if self.post.part == Part::Primary {
            self.world.give_up_strangers();
        }
    }

    /// What is in flight ends; every other one has arrived, or none.
    fn cut_off(&mut self, arrived: bool) {
        for (place, sent) in std::mem::take(&mut self.sent).into_iter().enumerate() {
            if arrived && place % 2 == 0 {
                // Whether it is in order was checked as it was handed out.
                let _ = self.arrives(sent.flight);
                self.excused.insert(self.seen.alerts[&sent.flight.0].1.clone());
            }
        }
        self.world.flying.clear();
    }

    /// Takes an answer that the model has none for but that it may not write.
    fn is_done<T>(&mut self, done: Result<T, StoreError>) -> Result<bool, String> {
        match (self.may_write(), done) {
            (true, Ok(_)) => Ok(true),
            (false, Err(StoreError::NotPrimary)) => Ok(false),
            (true, Err(error)) => Err(format!("it did not: {error}")),
            (false, Ok(_)) => Err("it did what only a primary may".to_owned()),
            (false, Err(error)) => Err(format!("it said {error}, and is not primary")),
        }
    }

    async fn wait(&mut self, wait: Wait) -> Result<(), String> {
        let now = self.now();
        let services = self.world.services.values().filter(|kept| !kept.watched.told);
        let deadlines = services.filter_map(|kept| kept.watched.deadline);
        let pending = self.world.alerts.iter().flat_map(|alert| &alert.deliveries);
        let pending = pending.filter(|delivery| delivery.state == State::Pending);
        let target = match wait {
            Wait::Seconds(seconds) => Some(now + seconds),
            Wait::Deadline(after) => {
                deadlines.map(|deadline| deadline + after).filter(|second| *second >= now).min()
            }
            Wait::Delivery => {
                pending.map(|delivery| delivery.next).filter(|second| *second > now).min()
            }
        };
        let target = target.unwrap_or(now + 1);
        if target - now > ATTENDED_SECONDS_MAX {
            self.set_clock(target - 20);
        }
        let stride = if self.world.setting.is_cluster { 5 } else { 10 };
        loop {
            let next = target.min(self.now() + stride);
            self.set_clock(next);
            self.sweep().await?;
            if next == target {
                return Ok(());
            }
        }
    }

    async fn sweep(&mut self) -> Result<(), String> {
        let done = self.machine().sweep().await;
        if self.is_done(done)? {
            let now = self.now();
            self.world.sweep(now);
        }
        Ok(())
    }

    /// What the commands are for the store and for the model.
    fn requests(&self, commands: &[Command]) -> (Vec<Request>, Vec<Noted>) {
        let mut left = self.sent.clone();
        let mut world = self.world.clone();
        let now = self.now();
        let (mut requests, mut noted) = (Vec::new(), Vec::new());
        for command in commands {
            let named = |name: &&'static str| -> Name { machine::name(name) };
            let mut note = None;
            requests.push(match command {
                Command::Ping(call) => {
                    Request::Ping(Box::new(machine::ping(call, &world.ask(call, now))))
                }
                Command::Delete(name) => Request::Delete(named(name)),
                Command::Pause(name) => Request::Steer(named(name), Action::Pause),
                Command::Resume(name) => Request::Steer(named(name), Action::Resume),
                Command::Declare(said) => {
                    Request::Steer(machine::name(said.name), machine::declaration(said))
                }
                Command::Land { nth, how } => {
                    if !left.is_empty() {
                        note = Some((left.remove(nth % left.len()), *how));
                    }
                    let attempts = note.iter().map(|(sent, how)| self.attempt(sent, *how));
                    Request::Record(attempts.collect())
                }
            });
            // A timestamp that counts from the last ping needs to know it.
            let model_note = note.as_ref().map(|(sent, how)| (sent.flight, self.note(sent, *how)));
            let _ = world.batch(&[(command.clone(), model_note)], now);
            noted.push((command.clone(), note));
        }
        (requests, noted)
    }

    async fn batch(&mut self, commands: &[Command]) -> Result<(), String> {
        if commands.is_empty() {
            return Ok(());
        }
        if !self.may_write() {
            let (requests, _) = self.requests(commands);
            let answers = self.machine().ask(requests).await;
            let wrong = answers.iter().find(|answer| **answer != Err(StoreError::NotPrimary));
            return wrong.map_or(Ok(()), |answer| Err(format!("not primary, and says {answer:?}")));
        }
        let (requests, noted) = self.requests(commands);
        self.arrivals(&noted)?;
        let answers = self.machine().ask(requests).await;
        let wanted = self.decide(&noted);
        for (place, (answer, wanted)) in answers.iter().zip(&wanted).enumerate() {
            same_answer(answer, wanted).map_err(|error| format!("command {place}: {error}"))?;
        }
        let landed: HashSet<Flight> = flights(&noted).collect();
        self.sent.retain(|sent| !landed.contains(&sent.flight));
        Ok(())
    }

    fn decide(&mut self, noted: &[Noted]) -> Vec<Result<Answer, No>> {
        let commands: Vec<_> = noted
            .iter()
            .map(|(command, note)| {
                let note = note.as_ref().map(|(sent, how)| (sent.flight, self.note(sent, *how)));
                (command.clone(), note)
            })
            .collect();
        let now = self.now();
        self.world.batch(&commands, now)
    }

    /// A batch that is written as the machine dies: all of it is there afterwards, or nothing.
    async fn torn(
        &mut self,
        commands: &[Command],
        thousandths: i64,
        away: i64,
    ) -> Result<(), String> {
        if !self.may_write() || commands.is_empty() {
            return Ok(());
        }
        let (requests, noted) = self.requests(commands);
        self.arrivals(&noted)?;
        let machine = self.machine();
        let before = machine.written();
        let answers = machine.ask(requests).await;
        let can_tear = machine.can_tear(before);
        let (world, is_lost) = (self.world.clone(), can_tear && thousandths < 1000);
        let wanted = self.decide(&noted);
        let torn = can_tear.then_some((before, thousandths));
        if is_lost {
            self.world = world;
            for flight in flights(&noted) {
                self.excused.insert(self.seen.alerts[&flight.0].1.clone());
            }
        }
        self.cut_off(false);
        let machine = self.machine.take().unwrap();
        self.machine = Some(machine.crash(torn, away).await);
        self.start();
        for (answer, wanted) in answers.iter().zip(&wanted) {
            same_answer(answer, wanted)?;
        }
        Ok(())
    }

    fn start(&mut self) {
        let now = self.now();
        (self.post.heard, self.post.term) = (now, 1);
        self.post.taken = u64::from(self.post.part == Part::Primary);
        if self.post.part != Part::Primary {
            self.post.term = 0;
        }
        self.begin();
    }

    /// It dies, with what is in flight arrived or not, or is stopped as it should be, and starts again, perhaps with
    /// another setting.
    async fn restart(
        &mut self,
        crash: Option<bool>,
        away: i64,
        setting: Option<Setting>,
    ) -> Result<(), String> {
        let mut machine = self.machine.take().unwrap();
        if let Some(setting) = &setting {
            machine.adopt(setting);
        }
        let now = machine.clock.now();
        self.cut_off(crash.unwrap_or(true));
        self.machine = Some(if crash.is_some() {
            machine.crash(None, away).await
        } else {
            let is_writing = self.post.part == Part::Primary && self.post.taken == self.post.term;
            if is_writing {
                self.world.note_listening(now);
            }
            machine.stop(away).await
        });
        self.world.setting = setting.unwrap_or_else(|| self.world.setting.clone());
        self.start();
        Ok(())
    }

    async fn purge(&mut self, age: i64) -> Result<(), String> {
        let before = self.now() - age;
        let store = self.machine().store.clone();
        let done = store.purge(before).await;
        if self.is_done(done)? {
            self.without(|world| world.purge(before));
        }
        Ok(())
    }

    /// Does what removes alerts for good: their ids may come again.
    fn without(&mut self, remove: impl FnOnce(&mut World)) {
        let ids = |run: &Self| -> HashSet<u64> {
            run.world.alerts.iter().map(|alert| alert.ordinal).collect()
        };
        let before = ids(self);
        remove(&mut self.world);
        for ordinal in before.difference(&ids(self)) {
            self.excused.extend(self.seen.alerts.get(ordinal).map(|(_, id)| id.clone()));
        }
    }
}

fn flights(noted: &[Noted]) -> impl Iterator<Item = Flight> {
    noted.iter().filter_map(|(_, note)| note.as_ref().map(|(sent, _)| sent.flight))
}

fn same_answer(answer: &Answered, wanted: &Result<Answer, No>) -> Result<(), String> {
    let found = match answer {
        Ok(found) => found,
        Err(error) => {
            let no = machine::refusal(error)?;
            return match wanted {
                Err(wanted) if *wanted == no => Ok(()),
                wanted => Err(format!("refused with {no:?}, not {wanted:?}")),
            };
        }
    };
    let (found, wanted) = match (found, wanted) {
        (None, Ok(Answer::Done)) => return Ok(()),
        (Some((service, is_new)), Ok(Answer::Service(watched, wanted_new))) => (
            (
                is_new,
                service.last_ping,
                service.deadline,
                service.alerted,
                service.outage_since,
                service.paused,
            ),
            (
                wanted_new,
                watched.last_ping,
                watched.deadline,
                watched.told,
                watched.outage,
                watched.paused,
            ),
        ),
        (found, wanted) => {
            return Err(format!(
                "answered {:?}, not {wanted:?}",
                found.as_ref().map(|_| "a service")
            ));
        }
    };
    if found == wanted { Ok(()) } else { Err(format!("answered {found:?}, not {wanted:?}")) }
}
