//! The one guard before everything that writes: it knows whether this machine may.

use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::core::role::{Role, Standing};

/// Knows the role of this machine. Cheap to clone; all clones see the same.
#[derive(Clone, Debug)]
pub struct Guard {
    standing: watch::Receiver<Standing>,
    clock: Clock,
}

impl Guard {
    /// That of a machine without others.
    pub fn alone(clock: Clock) -> Self {
        Self { standing: watch::channel(Standing::ALONE).1, clock }
    }

    /// That of one among several, which is told of its role.
    pub fn watching(standing: watch::Receiver<Standing>, clock: Clock) -> Self {
        Self { standing, clock }
    }

    /// The role now.
    pub fn role(&self) -> Role {
        self.standing.borrow().role(self.clock.now())
    }

    /// The term in which it may write now; `None`: it may not.
    pub fn term(&self) -> Option<u64> {
        self.standing.borrow().term(self.clock.now())
    }

    /// Whether it is one of several.
    pub fn has_others(&self) -> bool {
        self.standing.borrow().has_others()
    }

    /// How old what it knows of its role is, in seconds; `None` where there is nothing to be told.
    pub fn age_seconds(&self) -> Option<i64> {
        self.standing.borrow().age_seconds(self.clock.now())
    }

    /// Waits until the role is one that is `wanted`, but not longer than `within`; what it is then.
    pub async fn settled(&self, wanted: impl Fn(&Role) -> bool, within: Duration) -> Role {
        let role = self.role();
        if wanted(&role) {
            return role;
        }
        let mut standing = self.standing.clone();
        let is_settled = |standing: &Standing| wanted(&standing.role(self.clock.now()));
        if tokio::time::timeout(within, standing.wait_for(is_settled))
            .await
            .is_ok_and(|heard| heard.is_err())
        {
            // Nobody will tell of a change any more, so there is no use in waiting for one.
            return Role::Unknown;
        }
        self.role()
    }
}
