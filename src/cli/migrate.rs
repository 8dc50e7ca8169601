//! `overdue migrate`: brings the database's schema up to date, apart from serving. Among several machines the primary
//! does it; on the others nothing is changed, and that is no error, as LiteFS runs it on every machine that may become
//! primary.

use std::io::Write as _;

use crate::clock::Clock;
use crate::cluster::{Cluster, ClusterError};
use crate::config::{Config, Database};
use crate::core::role::Role;
use crate::store::{self, Migrated, OpenError};

/// Why the schema was not brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database cannot be opened or migrated.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// LiteFS did not say whether this machine may.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

/// Migrates if this machine may, and prints what came of it.
///
/// # Errors
/// [`MigrateError`], a sentence for the person who called. That another machine is the primary is none.
pub async fn run(config: &Config) -> Result<(), MigrateError> {
    let sentence = sentence(config).await?;
    // Nobody may be reading.
    let _ = writeln!(std::io::stdout(), "{sentence}");
    Ok(())
}

async fn sentence(config: &Config) -> Result<String, MigrateError> {
    let Database::File(path) = &config.database else {
        return Ok("the database is in memory: there is nothing to migrate".to_owned());
    };
    if let Some(url) = config.litefs.clone() {
        let role = Cluster::new(url, Clock::system())?.settle().await?;
        if !role.may_write() {
            return Ok(left_to_the_primary(&role));
        }
    }
    match store::migrate(path, config.litefs.is_none()).await {
        Ok(done) => Ok(said(&done)),
        // It was the primary a moment ago.
        Err(error) if config.litefs.is_some() && error.is_not_primary() => {
            Ok(left_to_the_primary(&Role::Unknown))
        }
        Err(error) => Err(error.into()),
    }
}

fn left_to_the_primary(role: &Role) -> String {
    match role.elsewhere() {
        Some(primary) => {
            format!(
                "this machine is a replica of {primary}: the primary migrates, nothing is changed here"
            )
        }
        None => "no machine is the primary now: it migrates once it is, nothing is changed here"
            .to_owned(),
    }
}

fn said(done: &Migrated) -> String {
    let Migrated { path, from, to } = done;
    let path = path.display();
    match from {
        0 => format!("{path} is made, its schema has version {to}"),
        from if from == to => format!("{path} is up to date, its schema has version {to}"),
        from => format!("{path} is brought from version {from} of its schema to {to}"),
    }
}
