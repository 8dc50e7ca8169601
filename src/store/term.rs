//! A term: the time in which this machine is the one that writes.

use std::path::Path;

use tracing::{error, info};

use super::open::OpenError;
use super::start::{Begun, start};
use super::{StoreError, Writer};

impl Writer {
    /// Lets commands through if this machine may write. To become the one that does is a start, and so is a failure
    /// behind it: what is known of the database is read afresh.
    pub(super) async fn take_up(&mut self) -> Result<(), StoreError> {
        let Some(term) = self.guard.term() else {
            self.stand_down();
            return Err(StoreError::NotPrimary);
        };
        if self.term != Some(term) {
            self.flying.clear();
            (self.term, self.is_ready) = (Some(term), false);
        }
        if self.is_ready {
            return Ok(());
        }
        let was_well = self.health.trying_since().is_none();
        self.health.begins(self.clock.now());
        self.connection = None;
        match self.started().await {
            Ok(begun) => {
                self.connection = Some(begun.connection);
                self.archive = begun.archive;
                self.memory.forget_all();
                (self.listening, self.services) = (begun.listening, begun.services);
                self.unreadable.clear();
                self.complaint.clear();
                // Behind a failure, only a commit shows that it is over: a full disk lets itself be opened.
                if was_well {
                    info!(term, services = begun.services, "takes up the writing");
                    self.health.succeeded();
                }
                self.is_ready = true;
                Ok(())
            }
            Err(error) => {
                // It is tried again every second, and said once.
                let complaint = error.to_string();
                if self.complaint != complaint {
                    error!(%error, "the writing cannot be taken up; until it can, all that writes is answered 503");
                    self.complaint = complaint;
                }
                let is_not_primary = self.guard.has_others() && error.is_not_primary();
                Err(if is_not_primary { StoreError::NotPrimary } else { StoreError::Unavailable })
            }
        }
    }

    /// The database as at the start; but where this machine is alone, only if the file is the one of the start.
    async fn started(&self) -> Result<Begun, OpenError> {
        let Some(file) = &self.file else {
            return start(&self.options, self.path.as_deref(), &self.rules, false).await;
        };
        let path = || self.path.as_deref().unwrap_or(Path::new("")).display().to_string();
        file.check().map_err(|source| OpenError::File { path: path(), source })?;
        let options = self.options.clone().create_if_missing(false);
        start(&options, self.path.as_deref(), &self.rules, true).await
    }

    /// Lets go of the database. That another machine writes is well; that none is known to is not, and whoever wrote
    /// last says so.
    fn stand_down(&mut self) {
        if self.connection.take().is_some() {
            info!("lets go of the writing");
        }
        self.is_ready = false;
        if self.guard.role().elsewhere().is_some() {
            self.term = None;
            self.flying.clear();
            self.health.succeeded();
        } else if self.term.is_some() {
            self.health.begins(self.clock.now());
        }
    }
}
