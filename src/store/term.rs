//! A term: the time in which this machine is the one that writes.

use tracing::{error, info};

use super::start::start;
use super::{StoreError, Writer};

impl Writer {
    /// Lets commands through if this machine may write. To become the one that does is a start: what is known of the
    /// database is read afresh.
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
        self.health.begins(self.clock.now());
        self.connection = None;
        match start(&self.options, self.path.as_deref(), &self.rules).await {
            Ok(begun) => {
                info!(term, services = begun.services, "takes up the writing");
                self.connection = Some(begun.connection);
                self.archive = begun.archive;
                (self.listening, self.services) = (begun.listening, begun.services);
                self.unreadable.clear();
                self.complaint.clear();
                self.health.succeeded();
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
                let is_not_primary = error.is_not_primary();
                Err(if is_not_primary { StoreError::NotPrimary } else { StoreError::Unavailable })
            }
        }
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
