//! Values as they are written, and where, so that an error can name both.

use std::net::SocketAddr;

use super::{ConfigError, Database, Durability, LogFormat};
use crate::core::frequency::{Frequency, Grace};
use crate::core::limits::HISTORY_ROWS_MAX;

/// A setting's value, and where it came from, as an error names it.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) text: String,
    pub(super) from: String,
}

impl Given {
    pub(super) fn wrong(&self, what: impl std::fmt::Display) -> ConfigError {
        ConfigError::one(format!("{} {:?} {what}", self.from, self.text))
    }

    pub(super) fn frequency(&self) -> Result<Frequency, ConfigError> {
        Frequency::parse(&self.text).map_err(|error| self.wrong(error))
    }

    pub(super) fn grace(&self) -> Result<Grace, ConfigError> {
        Grace::parse(&self.text).map_err(|error| self.wrong(error))
    }

    pub(super) fn boolean(&self) -> Result<bool, ConfigError> {
        self.one_of(&[("true", true), ("false", false)])
    }

    pub(super) fn durability(&self) -> Result<Durability, ConfigError> {
        self.one_of(&[("full", Durability::Full), ("relaxed", Durability::Relaxed)])
    }

    pub(super) fn log_format(&self) -> Result<LogFormat, ConfigError> {
        self.one_of(&[("text", LogFormat::Text), ("json", LogFormat::Json)])
    }

    pub(super) fn count(&self) -> Result<i64, ConfigError> {
        let count = self.text.parse().ok().filter(|count| *count >= 1);
        count.ok_or_else(|| self.wrong("is not a count: use a whole number of 1 or more"))
    }

    pub(super) fn history(&self) -> Result<i64, ConfigError> {
        let count = self.text.parse().ok().filter(|count| (0..=HISTORY_ROWS_MAX).contains(count));
        count.ok_or_else(|| {
            self.wrong(format!("is not a count: use a whole number from 0 to {HISTORY_ROWS_MAX}"))
        })
    }

    /// Bytes: digits and one of KB, MB and GB.
    pub(super) fn size(&self) -> Result<i64, ConfigError> {
        let units = [("KB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000)];
        let size = units.into_iter().find_map(|(unit, bytes)| {
            let digits = self.text.strip_suffix(unit)?;
            let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| digits.parse::<i64>().ok()?.checked_mul(bytes)).flatten()
        });
        size.ok_or_else(|| {
            self.wrong("is not a size: use a whole number and one of KB, MB and GB, as in 256MB")
        })
    }

    pub(super) fn one_of<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, ConfigError> {
        let found = choices.iter().find(|(word, _)| *word == self.text);
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        found
            .map(|(_, value)| *value)
            .ok_or_else(|| self.wrong(format!("is not known: use {}", or(&words))))
    }

    pub(super) fn log_filter(&self) -> Result<String, ConfigError> {
        match tracing_subscriber::EnvFilter::builder().parse(&self.text) {
            Ok(_) => Ok(self.text.clone()),
            Err(error) => Err(self
                .wrong(format!("is not a log filter, as in info or overdue=debug,warn: {error}"))),
        }
    }

    pub(super) fn zone(&self) -> Result<jiff::tz::TimeZone, ConfigError> {
        let wrong =
            |_| self.wrong("is not a time zone: use an IANA name, as in Europe/Berlin, or UTC");
        jiff::tz::TimeZone::get(&self.text).map_err(wrong)
    }

    pub(super) fn address(&self) -> Result<SocketAddr, ConfigError> {
        let text = self.text.replacen("localhost:", "127.0.0.1:", 1);
        let wrong =
            |_| self.wrong("is not an address: use an IP address and a port, as in 127.0.0.1:4000");
        text.parse().map_err(wrong)
    }

    pub(super) fn database(&self) -> Result<Database, ConfigError> {
        let wrong = || {
            self.wrong("is not a SQLite database: use sqlite:FILE, as in sqlite:overdue.db, or sqlite::memory:")
        };
        let rest = self.text.strip_prefix("sqlite:").ok_or_else(wrong)?;
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        if rest == ":memory:" {
            return Ok(Database::Memory);
        }
        // Other programs ask for a file to be made with ?mode=rwc; here it always is.
        let path = rest.strip_suffix("?mode=rwc").unwrap_or(rest);
        if path.is_empty() || path.contains('?') {
            return Err(wrong());
        }
        let path = percent_encoding::percent_decode_str(path).decode_utf8().map_err(|_| wrong())?;
        Ok(Database::File(path.as_ref().into()))
    }
}

/// `a or b`, `a, b or c`.
fn or(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [word] => (*word).to_owned(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}
