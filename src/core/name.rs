//! The name of a service.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::sync::Arc;

use super::limits::NAME_BYTES_MAX;

/// Stands before the names `.` and `..` where they are a segment of a path: browsers and other programs resolve such
/// segments, percent-encoded or not, before they ask for anything (the URL Standard's "double-dot URL path segment"). No
/// name has this character.
const DOTS_MARK: char = '\u{1f}';

/// A name as a segment of a path, to be percent-encoded.
pub fn segment(name: &str) -> Cow<'_, str> {
    match name {
        "." | ".." => Cow::Owned(format!("{DOTS_MARK}{name}")),
        _ => Cow::Borrowed(name),
    }
}

/// What a segment, percent-decoded, stands for.
pub fn of_segment(text: &str) -> &str {
    text.strip_prefix(DOTS_MARK).filter(|rest| matches!(*rest, "." | "..")).unwrap_or(text)
}

/// A service's name: 1 to 255 bytes of UTF-8 without control characters (Unicode category Cc).
///
/// Spaces, slashes and emoji are fine; two names are the same when their bytes are. A copy costs next to nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl Name {
    /// Takes `text` as a name.
    ///
    /// # Errors
    /// [`NameError`], which says what would be right.
    pub fn parse(text: impl AsRef<str> + Into<Arc<str>>) -> Result<Self, NameError> {
        let name = text.as_ref();
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(NameError::TooLong { bytes: name.len() });
        }
        if name.chars().any(char::is_control) {
            return Err(NameError::ControlCharacter);
        }
        Ok(Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same text, to be kept by somebody else too.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

/// So that a table by names is asked with a text.
impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no name. Reads as the end of a sentence that begins with the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No characters at all.
    #[error("is empty: a name has 1 to {NAME_BYTES_MAX} bytes")]
    Empty,
    /// More bytes than [`NAME_BYTES_MAX`].
    #[error("is {bytes} bytes long: a name has 1 to {NAME_BYTES_MAX} bytes")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// A line break, a tab, a NUL or the like.
    #[error("has a control character: a name is UTF-8 text without line breaks, tabs and the like")]
    ControlCharacter,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_leads_back_to_its_name_and_is_never_one_that_addresses_lose() {
        for name in ["a", "..", ".", "...", "a/b", "%2e%2e"] {
            assert_eq!(of_segment(&segment(name)), name);
            assert!(!matches!(&*segment(name), "." | ".."));
        }
        assert_eq!(of_segment("\u{1f}a"), "\u{1f}a", "it stands before nothing else");
    }

    #[test]
    fn spaces_slashes_and_emoji_are_fine() {
        for text in ["a", " ", "a/b c", "💾 backup", "%", "remove", &"x".repeat(255)] {
            assert_eq!(Name::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn empty_long_and_control_characters_are_refused() {
        assert_eq!(Name::parse(""), Err(NameError::Empty));
        assert_eq!(Name::parse("x".repeat(256)), Err(NameError::TooLong { bytes: 256 }));
        assert_eq!(Name::parse("é".repeat(128)), Err(NameError::TooLong { bytes: 256 }));
        for text in ["a\nb", "\0", "a\u{85}", "\u{7f}", "\t"] {
            assert_eq!(Name::parse(text), Err(NameError::ControlCharacter), "{text:?}");
        }
    }
}
