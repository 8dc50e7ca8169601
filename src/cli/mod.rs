//! The command line: one file a command.

mod serve;
mod sink;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::config::{Environment, Settings};

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
    Serve(Settings),
    /// Receive alerts and print them, for a first try
    Sink(sink::Sink),
}

/// Runs the command that the arguments ask for.
///
/// # Errors
/// A sentence for the person who called.
pub fn run() -> anyhow::Result<()> {
    let matches = Cli::command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let environment = Environment { variables: std::env::vars_os().collect(), folder: ".".into() };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match cli.command {
        None => runtime.block_on(serve::run(&cli.settings.resolve(&matches, &environment)?)),
        Some(Command::Serve(settings)) => {
            let inner = matches.subcommand_matches("serve").unwrap_or(&matches);
            runtime.block_on(serve::run(&settings.resolve(inner, &environment)?))
        }
        Some(Command::Sink(sink)) => runtime.block_on(sink.run()),
    }
}
