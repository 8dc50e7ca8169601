//! Signals that were recorded before, as they are sent again until they are answered.

use std::collections::HashMap;

use sqlx::SqliteConnection;

use super::super::Action;
use super::super::command::Command;
use super::super::history::{self, Mark};
use super::{Batch, Now, Slot};
use crate::core::name::Name;

/// The services that are declared, by each alias that is declared for them.
type Declared<'a> = HashMap<&'a Name, Vec<&'a Name>>;

fn declared(run: &[Command]) -> Declared<'_> {
    let mut declared = Declared::new();
    for command in run {
        if let Command::Steer { name, action: Action::Declare(declaration), .. } = command {
            for alias in declaration.aliases.iter().flatten() {
                declared.entry(alias).or_default().push(name);
            }
        }
    }
    declared
}

impl<'a> Batch<'a> {
    /// Looks for signals that were recorded before.
    pub(super) async fn read_recorded(
        &mut self,
        connection: &mut SqliteConnection,
        run: &'a [Command],
    ) -> Result<(), sqlx::Error> {
        let (declared, mut marks) = (declared(run), Vec::new());
        for command in run {
            let Command::Ping { ping, .. } = command else { continue };
            if ping.timestamp.is_none() {
                continue;
            }
            self.says_seconds = true;
            for name in self.may_mean(&ping.name, &declared) {
                if let Some(Slot { now: Now::Known(service), .. }) = self.slots.get(name)
                    && service.history.newest > 0
                    && let Some(mark) = Mark::of(name, ping)
                {
                    marks.push((mark, service.history));
                }
            }
        }
        self.recorded = history::recorded(connection, marks, self.rules).await?;
        Ok(())
    }

    /// The services that `name` may stand for when its turn comes: what is declared and deleted before it may have given
    /// it another meaning by then.
    fn may_mean<'n>(&'n self, name: &'n Name, declared: &Declared<'n>) -> Vec<&'n Name> {
        let (mut found, mut looked_at) = (vec![name], 0);
        while let Some(name) = found.get(looked_at).copied() {
            looked_at += 1;
            let others = declared.get(name).into_iter().flatten().copied();
            for other in others.chain(self.aliases.get(name)) {
                if !found.contains(&other) {
                    found.push(other);
                }
            }
        }
        found
    }
}
