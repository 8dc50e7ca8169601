//! The keys that callers show: who may ping, who may read, who may change.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::ConfigError;
use super::value::Given;
use crate::core::limits::{KEY_BYTES_MAX, KEY_LABEL_CHARS_MAX, KEYS_MAX};

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Pinging, and with it making services.
    Ping,
    /// Reading.
    Read,
    /// Everything.
    Admin,
}

impl KeyKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Ping, Self::Read, Self::Admin];

    /// The label of a key that was given none.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }

    /// The setting that holds keys of this kind.
    pub fn setting(self) -> &'static str {
        match self {
            Self::Ping => "OVERDUE_PING_KEY",
            Self::Read => "OVERDUE_READ_KEY",
            Self::Admin => "OVERDUE_ADMIN_KEY",
        }
    }

    /// Whether a key of this kind allows what a key of kind `needed` does.
    pub fn allows(self, needed: Self) -> bool {
        self == needed || self == Self::Admin
    }
}

/// A key. Its secret is not kept, only what recognises it.
#[derive(Clone)]
pub struct Key {
    /// What it is for.
    pub kind: KeyKind,
    /// What it is called in the history, so that one that leaked can be told from the others.
    pub label: String,
    digest: [u8; 32],
}

impl Key {
    /// What recognises its secret, and is not to be shown either.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("kind", &self.kind)
            .field("label", &self.label)
            .finish_non_exhaustive()
    }
}

/// Every key there is.
#[derive(Clone, Debug, Default)]
pub struct Keys(Vec<Key>);

impl Keys {
    /// The keys that the settings of each kind give.
    ///
    /// # Errors
    /// What is wrong with one of them; the secret is not shown.
    pub(super) fn read(given: &[(KeyKind, Option<Given>)]) -> Result<Self, ConfigError> {
        let (mut keys, mut errors) = (Self::default(), Vec::new());
        for (kind, given) in given {
            let Some(given) = given else { continue };
            for text in given.text.split(',') {
                match key(*kind, text.trim(), given) {
                    Ok(key) if keys.0.iter().any(|before| before.digest == key.digest) => errors
                        .push(format!(
                            "{} holds the secret of {:?} a second time: every key has its own",
                            given.from, key.label
                        )),
                    Ok(key) => keys.0.push(key),
                    Err(error) => errors.extend(error.0),
                }
            }
        }
        if keys.0.len() > KEYS_MAX {
            errors.push(format!("there are {} keys: {KEYS_MAX} is the most", keys.0.len()));
        }
        if errors.is_empty() { Ok(keys) } else { Err(ConfigError(errors)) }
    }

    /// Every key.
    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        self.0.iter()
    }

    /// Whether there are none, so that nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether any key allows what a key of this kind does.
    pub fn has(&self, needed: KeyKind) -> bool {
        self.0.iter().any(|key| key.kind.allows(needed))
    }

    /// The key whose secret this is. It takes the same time whichever it is, and whether it is one.
    pub fn find(&self, secret: &[u8]) -> Option<&Key> {
        let digest = digest(secret);
        let mut found = None;
        for key in &self.0 {
            if bool::from(key.digest.ct_eq(&digest)) {
                found = Some(key);
            }
        }
        found
    }

    /// The keys of this kind and label.
    pub fn labelled(&self, kind: KeyKind, label: &str) -> impl Iterator<Item = &Key> {
        self.0.iter().filter(move |key| key.kind == kind && key.label == label)
    }

    /// A secret for `purpose` that follows from the admin keys, and without any from those for reading: every machine
    /// with these settings has the same, and another key is another secret.
    pub(crate) fn derived(&self, purpose: &str) -> [u8; 32] {
        let kind = if self.has(KeyKind::Admin) { KeyKind::Admin } else { KeyKind::Read };
        let mut digests: Vec<[u8; 32]> =
            self.0.iter().filter(|key| key.kind == kind).map(|key| key.digest).collect();
        digests.sort_unstable();
        let mut secret = Hmac::<Sha256>::new_from_slice(digests.as_flattened())
            .expect("HMAC takes keys of any length");
        secret.update(purpose.as_bytes());
        secret.finalize().into_bytes().into()
    }
}

/// `label:secret`, or a secret alone. What stands there is never shown.
fn key(kind: KeyKind, text: &str, given: &Given) -> Result<Key, ConfigError> {
    let (label, secret) = text.split_once(':').unwrap_or((kind.as_str(), text));
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let wrong = |what: String| Err(ConfigError::one(format!("{} {what}", given.from)));
    if label.is_empty() || label.len() > KEY_LABEL_CHARS_MAX || !label.chars().all(is_word) {
        return wrong(format!(
            "has a label that is none: use label:secret, the label of letters, digits, -, _ and ., at most {KEY_LABEL_CHARS_MAX}"
        ));
    }
    // A space or a comma could not be sent, or would be read as the end.
    if secret.is_empty()
        || secret.len() > KEY_BYTES_MAX
        || !secret.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return wrong(format!(
            "has a key that is none: use 1 to {KEY_BYTES_MAX} printable ASCII characters without spaces and commas, as `openssl rand -hex 24` prints them"
        ));
    }
    Ok(Key { kind, label: label.to_owned(), digest: digest(secret.as_bytes()) })
}

/// Of one length whatever the secret's, so that comparing tells nothing of that either.
fn digest(secret: &[u8]) -> [u8; 32] {
    Sha256::digest(secret).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: KeyKind, text: &str) -> Result<Keys, ConfigError> {
        let given = Given { text: text.to_owned(), from: kind.setting().to_owned() };
        Keys::read(&[(kind, Some(given))])
    }

    #[test]
    fn several_keys_have_labels_and_a_bare_secret_that_of_its_kind() {
        let keys = read(KeyKind::Ping, "old:s3cret, new:oth:er,bare").unwrap();
        let label = |secret: &[u8]| keys.find(secret).map(|key| key.label.as_str());
        assert_eq!(label(b"s3cret"), Some("old"));
        assert_eq!(label(b"oth:er"), Some("new"));
        assert_eq!(label(b"bare"), Some("ping"));
        for wrong in [&b""[..], b"s3cre", b"s3cret ", b"old:s3cret", b"S3CRET"] {
            assert_eq!(label(wrong), None);
        }
    }

    #[test]
    fn an_admin_key_allows_everything_and_the_others_only_their_own() {
        let keys = read(KeyKind::Read, "r").unwrap();
        assert!(keys.has(KeyKind::Read) && !keys.has(KeyKind::Ping) && !keys.has(KeyKind::Admin));
        let keys = read(KeyKind::Admin, "a").unwrap();
        assert!(KeyKind::ALL.into_iter().all(|kind| keys.has(kind)));
    }

    #[test]
    fn what_is_derived_follows_from_the_admin_keys_alone_where_there_are_any() {
        let given = |kind: KeyKind, text: &str| {
            (kind, Some(Given { text: text.to_owned(), from: kind.setting().to_owned() }))
        };
        let derived = |read: &str, admin: &str, purpose: &str| {
            let given = [given(KeyKind::Read, read), given(KeyKind::Admin, admin)];
            Keys::read(&given[..if admin.is_empty() { 1 } else { 2 }]).unwrap().derived(purpose)
        };
        let secret = derived("r1", "a1,b:a2", "pages");
        assert_eq!(secret, derived("r2", "c:a2,a1", "pages"), "neither order nor label counts");
        assert_ne!(secret, derived("r1", "a1,b:a3", "pages"));
        assert_ne!(secret, derived("r1", "a1,b:a2", "badges"));
        assert_ne!(derived("r1", "", "pages"), derived("r2", "", "pages"));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_secret() {
        for text in [
            "",
            "a,,b",
            "la bel:hunter2",
            "label:",
            "hunter2 hunter2",
            "hünter2",
            "a:hunter2,b:hunter2",
        ] {
            let said = read(KeyKind::Ping, text).unwrap_err().to_string();
            assert!(said.starts_with("OVERDUE_PING_KEY h") && !said.contains("nter2"), "{said}");
        }
        let keys = read(KeyKind::Ping, "label:hunter2").unwrap();
        assert!(!format!("{keys:?}").contains("hunter2"));
    }
}
