//! The role of this machine among those that replicate one database: one of them writes, the others read.

use super::limits::ROLE_SECONDS_MAX;

/// What this machine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// There are no others: it writes.
    Alone,
    /// It writes, and the others follow.
    Primary,
    /// It follows.
    Replica {
        /// The machine that writes; `None` where nobody does.
        primary: Option<String>,
    },
    /// It cannot tell.
    Unknown,
}

impl Role {
    /// The word of every role.
    pub const WORDS: [&'static str; 4] = ["alone", "primary", "replica", "unknown"];

    /// Whether it may write.
    pub fn may_write(&self) -> bool {
        matches!(self, Self::Alone | Self::Primary)
    }

    /// The other machine that writes, where one is known.
    pub fn elsewhere(&self) -> Option<&str> {
        match self {
            Self::Replica { primary } => primary.as_deref(),
            Self::Alone | Self::Primary | Self::Unknown => None,
        }
    }

    /// Its word in answers and logs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Alone => "alone",
            Self::Primary => "primary",
            Self::Replica { .. } => "replica",
            Self::Unknown => "unknown",
        }
    }
}

/// A role, and what is known of how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    role: Role,
    /// How often it has become primary. What was known of the database in one term is void in the next.
    term: u64,
    /// When it was last confirmed.
    heard_at: Option<i64>,
}

impl Standing {
    /// One machine without others.
    pub const ALONE: Self = Self { role: Role::Alone, term: 1, heard_at: None };

    /// One of several that has heard nothing yet.
    pub const UNKNOWN: Self = Self { role: Role::Unknown, term: 0, heard_at: None };

    /// What it is after it heard at `now` that its role is `role`. To be primary again after a silence is a new term:
    /// another may have been in between.
    #[must_use]
    pub fn heard(&self, role: Role, now: i64) -> Self {
        let stays = self.role == Role::Primary && !self.is_stale(now);
        let term = self.term + u64::from(role == Role::Primary && !stays);
        Self { role, term, heard_at: Some(now) }
    }

    /// The role at `now`: what was not confirmed for a while is not known.
    pub fn role(&self, now: i64) -> Role {
        if self.is_stale(now) { Role::Unknown } else { self.role.clone() }
    }

    /// The term in which it may write at `now`.
    pub fn term(&self, now: i64) -> Option<u64> {
        self.role(now).may_write().then_some(self.term)
    }

    /// Whether it is one of several.
    pub fn has_others(&self) -> bool {
        self.role != Role::Alone
    }

    /// How old what it knows is at `now`, in seconds; `None` where there is nothing to be told.
    pub fn age_seconds(&self, now: i64) -> Option<i64> {
        self.heard_at.map(|heard_at| (now - heard_at).max(0))
    }

    fn is_stale(&self, now: i64) -> bool {
        self.has_others() && self.age_seconds(now).is_none_or(|age| age > ROLE_SECONDS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica_of(primary: &str) -> Role {
        Role::Replica { primary: Some(primary.to_owned()) }
    }

    #[test]
    fn a_role_that_is_not_confirmed_is_not_known_after_five_seconds() {
        let primary = Standing::UNKNOWN.heard(Role::Primary, 100);
        assert_eq!(Standing::UNKNOWN.role(0), Role::Unknown);
        assert_eq!((primary.role(105), primary.term(105)), (Role::Primary, Some(1)));
        assert_eq!((primary.role(106), primary.term(106)), (Role::Unknown, None));
        assert_eq!(primary.age_seconds(106), Some(6));
        assert_eq!(Standing::ALONE.role(i64::MAX), Role::Alone);
        assert_eq!(primary.role(90), Role::Primary, "a clock that went back makes nothing old");
    }

    #[test]
    fn each_time_it_becomes_primary_is_a_new_term_and_a_silence_in_between_makes_one_too() {
        let first = Standing::UNKNOWN.heard(Role::Primary, 100);
        assert_eq!(first.heard(Role::Primary, 105).term(105), Some(1));
        assert_eq!(first.heard(Role::Primary, 106).term(106), Some(2));
        let replica = first.heard(replica_of("b"), 101);
        assert_eq!((replica.term(101), replica.role(101)), (None, replica_of("b")));
        assert_eq!(replica.role(101).elsewhere(), Some("b"));
        assert_eq!(replica.heard(Role::Primary, 102).term(102), Some(2));
    }
}
