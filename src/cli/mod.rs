//! The command line: one file a command.
//!
//! Commands that serve are only read here; `app` wires them.

pub mod check_config;
mod client;
pub mod delete;
pub mod greeting;
pub mod health;
pub mod import;
pub mod list;
mod message;
pub mod migrate;
mod output;
pub mod ping;
pub mod report;
pub mod run;
mod signals;
pub mod sink;
mod spool;
pub mod steer;
mod teller;
pub mod test_alert;
pub mod why;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::clock::Clock;
use crate::config::{Config, ConfigError, Destination, Environment, Settings};

/// A persistent ping monitor: jobs call it when they run, and it alerts when they fall silent.
///
/// Without a command it serves. Settings: flag before environment before overdue.toml before default.
#[derive(Debug, Parser)]
#[command(name = "overdue", version, args_conflicts_with_subcommands = true)]
#[command(
    after_help = "SSL_CERT_FILE: a file of certificate authorities (PEM) that destinations are trusted by, too"
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten, next_help_heading = "Settings of the server")]
    settings: Settings,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve (the default)
    Serve(Box<Settings>),
    // What --help says of these stands with their arguments.
    Run(Box<run::RunArgs>),
    Ping(Box<ping::PingArgs>),
    Delete(Box<delete::DeleteArgs>),
    List(Box<list::ListArgs>),
    Why(Box<why::WhyArgs>),
    Report(Box<report::ReportArgs>),
    // Two commands share theirs.
    /// Expect nothing of a service until it is resumed or succeeds
    Pause(Box<steer::SteerArgs>),
    /// Expect the next ping of a paused service as if one had just come
    Resume(Box<steer::SteerArgs>),
    /// Take over what another monitor watches
    Import(Box<import::ImportArgs>),
    /// Receive alerts and print them, for a first try
    Sink(sink::Sink),
    /// Bring the database's schema up to date, apart from serving
    Migrate(Box<Settings>),
    /// Say by the exit status whether the server answers, for containers
    Health(Box<Settings>),
    /// Say what is wrong with the settings, or what they come to
    CheckConfig(Box<Settings>),
    /// Send one alert to a destination, and print the answer
    TestAlert(Box<test_alert::TestAlert>),
}

/// What the arguments ask for.
#[derive(Debug)]
pub enum Invocation {
    /// `overdue serve`, with these settings.
    Serve(Box<Config>),
    /// `overdue run`.
    Run(Box<run::Run>),
    /// `overdue ping`.
    Ping(Box<ping::Ping>),
    /// `overdue delete`.
    Delete(Box<delete::Delete>),
    /// `overdue list`.
    List(Box<list::List>),
    /// `overdue why`.
    Why(Box<why::Why>),
    /// `overdue report`.
    Report(Box<report::Report>),
    /// `overdue pause` and `overdue resume`.
    Steer(Box<steer::Steer>),
    /// `overdue import`.
    Import(Box<import::Import>),
    /// `overdue sink`.
    Sink(sink::Sink),
    /// `overdue migrate`, with these settings.
    Migrate(Box<Config>),
    /// `overdue health`, of the server with these settings.
    Health(Box<Config>),
    /// `overdue check-config`, of settings that are right.
    CheckConfig(Box<Config>),
    /// `overdue test-alert`, to these destinations.
    TestAlert(Box<Config>, Vec<Destination>),
}

/// Why there is nothing to do.
#[derive(Debug, thiserror::Error)]
pub enum InvocationError {
    /// A setting of the server is wrong.
    #[error(transparent)]
    Settings(#[from] ConfigError),
    /// An argument is wrong: a sentence that says what would be right.
    #[error("{0}")]
    Argument(String),
}

impl InvocationError {
    /// The exit status that says it: 2 where nothing was begun, as with arguments that cannot be read at all.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Settings(_) => 1,
            Self::Argument(_) => 2,
        }
    }
}

/// Reads the arguments and what they leave to the environment and `overdue.toml`. Arguments that cannot be read, and
/// `--help`, end the process as clap does.
///
/// # Errors
/// [`InvocationError`] about the first setting or argument that is wrong or unknown.
pub fn parse() -> Result<Invocation, InvocationError> {
    let matches = Cli::command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let environment = Environment { variables: std::env::vars_os().collect(), folder: ".".into() };
    let inner = matches.subcommand().map_or(&matches, |(_, inner)| inner);
    let resolved = |settings: &Settings| settings.resolve(inner, &environment).map(Box::new);
    let wrong = InvocationError::Argument;
    Ok(match cli.command {
        Some(Command::Run(run)) => Invocation::Run(Box::new(run.resolve().map_err(wrong)?)),
        Some(Command::Ping(ping)) => {
            let ping = ping.resolve(Clock::system().now()).map_err(wrong)?;
            Invocation::Ping(Box::new(ping))
        }
        Some(Command::Delete(delete)) => {
            Invocation::Delete(Box::new(delete.resolve().map_err(wrong)?))
        }
        Some(Command::List(list)) => Invocation::List(Box::new(list.resolve().map_err(wrong)?)),
        Some(Command::Why(why)) => Invocation::Why(Box::new(why.resolve().map_err(wrong)?)),
        Some(Command::Report(report)) => {
            Invocation::Report(Box::new(report.resolve().map_err(wrong)?))
        }
        Some(Command::Pause(steer)) => {
            Invocation::Steer(Box::new(steer.resolve(steer::Verb::Pause).map_err(wrong)?))
        }
        Some(Command::Resume(steer)) => {
            Invocation::Steer(Box::new(steer.resolve(steer::Verb::Resume).map_err(wrong)?))
        }
        Some(Command::Import(import)) => {
            Invocation::Import(Box::new(import.resolve().map_err(wrong)?))
        }
        Some(Command::Sink(sink)) => Invocation::Sink(sink),
        Some(Command::Migrate(settings)) => Invocation::Migrate(resolved(&settings)?),
        Some(Command::Health(settings)) => Invocation::Health(resolved(&settings)?),
        Some(Command::CheckConfig(settings)) => Invocation::CheckConfig(resolved(&settings)?),
        Some(Command::TestAlert(test)) => {
            let config = resolved(&test.settings)?;
            let destinations =
                test.chosen(&config).map_err(|sentence| ConfigError(vec![sentence]))?;
            Invocation::TestAlert(config, destinations)
        }
        Some(Command::Serve(settings)) => Invocation::Serve(resolved(&settings)?),
        None => Invocation::Serve(resolved(&cli.settings)?),
    })
}
