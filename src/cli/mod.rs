//! The command line: one file a command.
//!
//! Commands that serve are only read here; `app` wires them.

pub mod greeting;
pub mod sink;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::config::{Config, ConfigError, Environment, Settings};

/// A persistent ping monitor: jobs call it when they run, and it alerts when they fall silent.
///
/// Without a command it serves. Settings: flag before environment before overdue.toml before default.
#[derive(Debug, Parser)]
#[command(name = "overdue", version, args_conflicts_with_subcommands = true)]
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
    /// Receive alerts and print them, for a first try
    Sink(sink::Sink),
}

/// What the arguments ask for.
#[derive(Debug)]
pub enum Invocation {
    /// `overdue serve`, with these settings.
    Serve(Box<Config>),
    /// `overdue sink`.
    Sink(sink::Sink),
}

/// Reads the arguments and what they leave to the environment and `overdue.toml`. Arguments that cannot be read, and
/// `--help`, end the process as clap does.
///
/// # Errors
/// [`ConfigError`] about the first setting that is wrong or unknown.
pub fn parse() -> Result<Invocation, ConfigError> {
    let matches = Cli::command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let environment = Environment { variables: std::env::vars_os().collect(), folder: ".".into() };
    let (settings, matches) = match cli.command {
        Some(Command::Sink(sink)) => return Ok(Invocation::Sink(sink)),
        Some(Command::Serve(settings)) => {
            (*settings, matches.subcommand_matches("serve").unwrap_or(&matches))
        }
        None => (cli.settings, &matches),
    };
    Ok(Invocation::Serve(Box::new(settings.resolve(matches, &environment)?)))
}
