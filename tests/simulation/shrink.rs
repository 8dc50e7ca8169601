//! Steps that fail, made fewer by leaving some out while they still fail.

use crate::step::{Command, Step};

/// The fewest steps that were found for which `fails`, after so many tries at most.
pub fn shortest(
    steps: &[Step],
    tries_max: usize,
    mut fails: impl FnMut(&[Step]) -> bool,
) -> Vec<Step> {
    let mut best = steps.to_vec();
    let mut tries = 0;
    let mut size = (best.len() / 2).max(1);
    loop {
        let (mut start, mut has_shrunk) = (0, false);
        while start < best.len() && tries < tries_max {
            let mut fewer = best.clone();
            fewer.drain(start..best.len().min(start + size));
            tries += 1;
            if fails(&fewer) {
                (best, has_shrunk) = (fewer, true);
            } else {
                start += size;
            }
        }
        if tries >= tries_max || (size == 1 && !has_shrunk) {
            break;
        }
        size = (size / 2).max(1);
    }
    commands(best, tries_max / 4, fails)
}

/// The same for the commands of each batch.
fn commands(
    mut best: Vec<Step>,
    mut tries_left: usize,
    mut fails: impl FnMut(&[Step]) -> bool,
) -> Vec<Step> {
    for place in 0..best.len() {
        let mut nth = 0;
        while tries_left > 0 {
            let mut fewer = best.clone();
            let (Step::Batch(commands) | Step::Torn { commands, .. }) = &mut fewer[place] else {
                break;
            };
            let commands: &mut Vec<Command> = commands;
            if nth >= commands.len() {
                break;
            }
            commands.remove(nth);
            tries_left -= 1;
            if fails(&fewer) {
                best = fewer;
            } else {
                nth += 1;
            }
        }
    }
    best
}
