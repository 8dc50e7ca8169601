//! What the writer can be asked, and how each is answered.

use std::pin::Pin;

use sqlx::SqliteConnection;

use super::batch::Answer;
use super::{
    Action, Attempt, Cursor, DueDeliveries, Reply, Retried, Steered, StoreError, SweepFor,
    SweepPage,
};
use crate::core::name::Name;
use crate::core::ping::{Origin, Ping};

/// A job on the writer's connection, for reads of a database in memory.
pub(super) type ReadJob = Box<
    dyn for<'c> FnOnce(&'c mut SqliteConnection) -> Pin<Box<dyn Future<Output = ()> + Send + 'c>>
        + Send
        + Sync,
>;

/// What the writer can be asked. The first four share transactions, the others have their own.
pub(super) enum Command {
    Ping { ping: Box<Ping>, reply: Reply<Steered> },
    Delete { name: Name, at: i64, by: Origin, reply: Reply<()> },
    Steer { name: Name, action: Action, at: i64, by: Origin, reply: Reply<Steered> },
    Record { attempts: Vec<Attempt>, reply: Reply<()> },
    Sweep { sweep: SweepFor, now: i64, after: Cursor, reply: Reply<SweepPage> },
    Take { destination: String, now: i64, limit: usize, reply: Reply<DueDeliveries> },
    Retry { id: String, destination: Option<String>, at: i64, reply: Reply<Retried> },
    Revive { destination: String, now: i64, reply: Reply<()> },
    Purge { before: i64, reply: Reply<u64> },
    Read { job: ReadJob },
}

impl Command {
    pub(super) fn shares_a_transaction(&self) -> bool {
        matches!(
            self,
            Self::Ping { .. } | Self::Delete { .. } | Self::Steer { .. } | Self::Record { .. }
        )
    }

    /// The name, or the alias, of the service that it is about, if it is about one.
    pub(super) fn service(&self) -> Option<&Name> {
        match self {
            Self::Ping { ping, .. } => Some(&ping.name),
            Self::Delete { name, .. } | Self::Steer { name, .. } => Some(name),
            _ => None,
        }
    }

    /// The names in it that stand for a service as aliases, whatever services are called.
    pub(super) fn aliases(&self) -> &[Name] {
        match self {
            Self::Steer { action: Action::Declare(declaration), .. } => {
                declaration.aliases.as_deref().unwrap_or_default()
            }
            Self::Ping { ping, .. } if ping.by_alias_alone => std::slice::from_ref(&ping.name),
            _ => &[],
        }
    }

    /// Answers one that shares a transaction. A caller that has gone away does not wait for its answer; what it asked is
    /// done all the same.
    pub(super) fn answer(self, answer: Result<Answer, StoreError>) {
        match self {
            Self::Ping { reply, .. } | Self::Steer { reply, .. } => {
                let _ = reply.send(answer.and_then(Answer::steered));
            }
            Self::Delete { reply, .. } | Self::Record { reply, .. } => {
                let _ = reply.send(answer.map(|_| ()));
            }
            Self::Sweep { .. }
            | Self::Take { .. }
            | Self::Retry { .. }
            | Self::Revive { .. }
            | Self::Purge { .. }
            | Self::Read { .. } => {}
        }
    }

    /// Answers whichever it is that it cannot be done. A read whose answer is not sent is as good as refused.
    pub(super) fn refuse(self, error: StoreError) {
        match self {
            Self::Sweep { reply, .. } => drop(reply.send(Err(error))),
            Self::Take { reply, .. } => drop(reply.send(Err(error))),
            Self::Retry { reply, .. } => drop(reply.send(Err(error))),
            Self::Revive { reply, .. } => drop(reply.send(Err(error))),
            Self::Purge { reply, .. } => drop(reply.send(Err(error))),
            Self::Read { .. } => {}
            shared => shared.answer(Err(error)),
        }
    }
}
