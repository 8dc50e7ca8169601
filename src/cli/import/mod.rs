//! `overdue import`: takes over what another monitor watches.

mod healthchecks;

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use healthchecks::{Declared, Plan, no_slug, shown};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde_json::json;

use super::client::{Monitor, MonitorArgs, Outcome};
use crate::core::limits::{IMPORT_BYTES_MAX, IMPORT_PAUSE_MS, IMPORT_TRIES_MAX};
use crate::core::name::segment;

/// How standard input is written.
const STDIN: &str = "-";

/// Takes over what another monitor watches. Doing it again changes nothing more.
#[derive(Clone, Debug, Args)]
pub(super) struct ImportArgs {
    #[command(subcommand)]
    source: Source,
}

/// The other monitor.
#[derive(Clone, Debug, Subcommand)]
enum Source {
    /// What Healthchecks' GET /api/v3/checks/ returns, best with a read-write key
    Healthchecks {
        /// The file, or - for standard input
        file: PathBuf,
        #[command(flatten)]
        monitor: MonitorArgs,
    },
}

impl ImportArgs {
    /// What is to be done.
    ///
    /// # Errors
    /// A sentence about what is wrong with the arguments or the file.
    pub(super) fn resolve(&self) -> Result<Import, String> {
        let Source::Healthchecks { file, monitor } = &self.source;
        let monitor = monitor.resolve()?;
        let plan = Plan::read(&read(file)?).map_err(|why| format!("{}: {why}", called(file)))?;
        Ok(Import { plan, monitor })
    }
}

fn called(file: &Path) -> String {
    if file == Path::new(STDIN) { "standard input".to_owned() } else { file.display().to_string() }
}

/// The whole of a file, within its bound.
fn read(file: &Path) -> Result<Vec<u8>, String> {
    let wrong = |error: std::io::Error| format!("{} cannot be read: {error}", called(file));
    let source: Box<dyn std::io::Read> = if file == Path::new(STDIN) {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(file).map_err(wrong)?)
    };
    let mut bytes = Vec::new();
    source.take(IMPORT_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(wrong)?;
    if bytes.len() as u64 > IMPORT_BYTES_MAX {
        return Err(format!("{} is over {IMPORT_BYTES_MAX} bytes: split it", called(file)));
    }
    Ok(bytes)
}

/// What is to be taken over, and by whom.
#[derive(Debug)]
pub struct Import {
    plan: Plan,
    monitor: Monitor,
}

/// How the import of one service went.
enum Imported {
    Done,
    /// Nothing more can be asked now.
    Away(String),
    /// This one the monitor does not want.
    Refused(String),
}

/// Takes over everything, and says what has no place here; whether every check has one.
pub async fn import(import: Import) -> bool {
    let Import { mut plan, monitor } = import;
    let (mut done, mut refused, mut away) = (0, 0, None);
    for service in &plan.services {
        match take_over(&monitor, service, &mut plan.notes).await {
            Imported::Done => done += 1,
            Imported::Refused(said) => {
                refused += 1;
                plan.notes.push(format!("{} is left out: {said}", shown(service.name.as_str())));
            }
            Imported::Away(error) => {
                away = Some(error);
                break;
            }
        }
    }
    let all = plan.services.len() + plan.left_out;
    plan.notes.push(format!(
        "{done} of {all} checks are services now; one that was never pinged here waits, and nothing is told of it, until it is"
    ));
    // Nobody may be reading.
    let _ = writeln!(std::io::stdout(), "{}", plan.notes.join("\n"));
    if let Some(error) = &away {
        let server = monitor.server().trim_end_matches('/');
        let _ = writeln!(
            std::io::stderr(),
            "overdue: {server}: {error}; what comes behind it in the file was not tried"
        );
    }
    away.is_none() && refused + plan.left_out == 0
}

/// Declares a service, and pauses it where it was.
async fn take_over(monitor: &Monitor, service: &Declared, notes: &mut Vec<String>) -> Imported {
    let mut outcome = declare(monitor, service, service.slug.as_deref()).await;
    if let (Outcome::Refused { status: 400, said }, Some(slug)) = (&outcome, &service.slug)
        && said.starts_with(&format!("alias {slug:?} "))
    {
        notes.push(no_slug(&shown(service.name.as_str()), slug));
        outcome = declare(monitor, service, None).await;
    }
    if outcome == Outcome::Accepted && service.paused {
        outcome = ask(monitor, Method::POST, &format!("{}/pause", path(service)), Vec::new()).await;
    }
    match outcome {
        Outcome::Accepted => Imported::Done,
        // Keys and addresses are wrong for all of them.
        Outcome::Refused { status: 401 | 403, said } => {
            Imported::Away(format!("{said} (the key for it goes into OVERDUE_KEY)"))
        }
        Outcome::Refused { status: 404 | 405, said } => Imported::Away(said),
        Outcome::Refused { said, .. } | Outcome::Older(said) => Imported::Refused(said),
        Outcome::Unable { error, .. } => Imported::Away(error),
    }
}

async fn declare(monitor: &Monitor, service: &Declared, slug: Option<&str>) -> Outcome {
    let aliases: Vec<&str> = service.uuid.as_deref().into_iter().chain(slug).collect();
    let mut body = service.body.clone();
    body["aliases"] = json!(aliases);
    ask(monitor, Method::PUT, &path(service), body.to_string().into_bytes()).await
}

fn path(service: &Declared) -> String {
    format!(
        "api/v1/services/{}",
        utf8_percent_encode(&segment(service.name.as_str()), NON_ALPHANUMERIC)
    )
}

/// Asks, and again where the monitor cannot do it just now.
async fn ask(monitor: &Monitor, method: Method, target: &str, body: Vec<u8>) -> Outcome {
    let mut tries = 1;
    loop {
        let body = Some(body.clone());
        let outcome = monitor.send(method.clone(), target, body, monitor.timeout).await;
        let Outcome::Unable { is_away: false, .. } = &outcome else { return outcome };
        if tries >= IMPORT_TRIES_MAX {
            return outcome;
        }
        tries += 1;
        tokio::time::sleep(Duration::from_millis(IMPORT_PAUSE_MS)).await;
    }
}
