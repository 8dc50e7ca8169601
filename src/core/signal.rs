//! What a ping says.

use super::limits::RUN_BYTES_MAX;

/// What a ping says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Signal {
    /// The job ran.
    #[default]
    Success,
    /// It has begun.
    Start,
    /// It ran and failed.
    Fail,
    /// Something worth keeping, and nothing else.
    Log,
    /// It ended with this status: 0 is a success, anything else a failure.
    Exit(u8),
}

impl Signal {
    /// Reads a word, or an exit status of 0 to 255.
    ///
    /// # Errors
    /// [`SignalError`], which says what would be right.
    pub fn parse(text: &str) -> Result<Self, SignalError> {
        match text {
            "success" => Ok(Self::Success),
            "start" => Ok(Self::Start),
            "fail" => Ok(Self::Fail),
            "log" => Ok(Self::Log),
            _ if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                let digits = text.trim_start_matches('0');
                let status = if digits.is_empty() { Ok(0) } else { digits.parse() };
                status.map(Self::Exit).map_err(|_| SignalError::Status)
            }
            _ => Err(SignalError::Word),
        }
    }

    /// The word in the column `signal`: an exit status is a success or a failure.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success | Self::Exit(0) => "success",
            Self::Start => "start",
            Self::Fail | Self::Exit(_) => "fail",
            Self::Log => "log",
        }
    }

    /// The exit status, where it was given.
    pub fn exit_status(self) -> Option<u8> {
        match self {
            Self::Exit(status) => Some(status),
            _ => None,
        }
    }

    /// Whether it ends a run.
    pub fn is_end(self) -> bool {
        !matches!(self, Self::Start | Self::Log)
    }

    /// Whether it says that a run failed.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Fail | Self::Exit(1..))
    }
}

/// Why a text is no signal. Reads as the end of a sentence that begins with the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignalError {
    /// No word that is known.
    #[error("is not a signal: use success, start, fail, log, or an exit status from 0 to 255")]
    Word,
    /// A number that no process ends with.
    #[error("is not an exit status: use 0 to 255")]
    Status,
}

/// What ties the start of a run to its end where runs overlap: 1 to 64 bytes of UTF-8 without control characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(String);

impl RunId {
    /// Takes `text` as an id.
    ///
    /// # Errors
    /// [`RunIdError`], which says what would be right.
    pub fn parse(text: impl Into<String>) -> Result<Self, RunIdError> {
        let text = text.into();
        let is_right =
            (1..=RUN_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
        if is_right { Ok(Self(text)) } else { Err(RunIdError) }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// That a text is no id of a run. Reads as the end of a sentence that begins with the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "is not the id of a run: use 1 to {RUN_BYTES_MAX} bytes of UTF-8 without control characters, as in a UUID"
)]
pub struct RunIdError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_exit_statuses_are_signals() {
        for (text, signal) in [
            ("success", Signal::Success),
            ("start", Signal::Start),
            ("fail", Signal::Fail),
            ("log", Signal::Log),
            ("0", Signal::Exit(0)),
            ("000", Signal::Exit(0)),
            ("00001", Signal::Exit(1)),
            ("255", Signal::Exit(255)),
        ] {
            assert_eq!(Signal::parse(text), Ok(signal), "{text}");
        }
        for text in ["256", "99999999999999999999"] {
            assert_eq!(Signal::parse(text), Err(SignalError::Status), "{text}");
        }
        for text in ["", "-1", "+1", "1.0", "Start", "ok", "٣"] {
            assert_eq!(Signal::parse(text), Err(SignalError::Word), "{text}");
        }
    }

    #[test]
    fn every_status_but_zero_is_a_failure() {
        assert!(!Signal::Exit(0).is_failure() && Signal::Exit(0).is_end());
        assert!(Signal::Exit(1).is_failure() && Signal::Exit(255).is_failure());
        assert_eq!(Signal::Exit(3).as_str(), "fail");
        assert!(!Signal::Log.is_end() && !Signal::Start.is_end());
    }
}
