//! What simulations have found, as short as it came to be.

use overdue::core::signal::Signal;

use crate::model::Terms;
use crate::step::{Call, Command, Hand, How, Step, Wait, When, Word};
use crate::{Setting, plot, simulate};

/// Does these steps under the settings of a seed, as a failing one prints them.
fn replay(seed: u64, steps: &[Step]) {
    assert_eq!(simulate(&Setting::of(seed), steps), Ok(()));
}

const EVERY_MINUTE: Terms =
    Terms { every: Some(60), cron: None, zone: None, grace: None, max_runtime: None };

/// A ping of a service that is due every minute.
fn call(name: &'static str, signal: Signal) -> Call {
    Call {
        name,
        signal,
        run: None,
        terms: EVERY_MINUTE,
        if_new: false,
        by_alias: false,
        when: When::Unsaid,
        lag: 0,
        duration_ms: None,
        log: 0,
    }
}

fn ping(name: &'static str, signal: Signal) -> Command {
    Command::Ping(call(name, signal))
}

#[test]
fn an_attempt_that_failed_is_over_for_a_delete_beside_it() {
    replay(
        1,
        &[
            Step::Batch(vec![ping("xray", Signal::Fail)]),
            Step::Take { to: 0, limit: 1 },
            Step::Batch(vec![Command::Land { nth: 0, how: How::Lost }, Command::Delete("xray")]),
        ],
    );
}

#[test]
fn a_ping_that_says_the_second_of_one_beside_it_that_did_not_is_the_same() {
    let again = Call { when: When::FromLast(0), ..call("echo", Signal::Success) };
    let both = vec![ping("echo", Signal::Success), Command::Ping(again)];
    replay(31, &[Step::Batch(both)]);
}

#[test]
fn a_delete_beside_the_ping_that_made_the_service_forgets_what_hands_have_left() {
    replay(
        115,
        &[
            Step::Batch(vec![ping("echo", Signal::Fail)]),
            Step::Hand(Hand::Delete("echo")),
            Step::Batch(vec![ping("echo", Signal::Start), Command::Delete("echo")]),
        ],
    );
}

#[test]
fn a_ping_by_an_alias_that_replaces_a_spoilt_row_keeps_its_name() {
    let word = Word {
        name: "delta",
        is_whole: false,
        terms: Terms::default(),
        locked: None,
        aliases: Some(vec!["xray"]),
    };
    let by_alias = Call { by_alias: true, ..call("xray", Signal::Fail) };
    replay(
        124,
        &[
            Step::Batch(vec![ping("delta", Signal::Success)]),
            Step::Batch(vec![Command::Declare(word)]),
            Step::Hand(Hand::Spoil("delta")),
            Step::Batch(vec![Command::Ping(by_alias)]),
        ],
    );
}

#[test]
fn a_failure_that_is_sent_again_after_its_silence_was_told_of_has_it_told_once() {
    let sent_again = Call { when: When::FromLast(0), ..call("yankee", Signal::Fail) };
    replay(
        150,
        &[
            Step::Batch(vec![ping("yankee", Signal::Fail)]),
            Step::Wait(Wait::Seconds(1)),
            Step::Batch(vec![ping("yankee", Signal::Start)]),
            Step::Wait(Wait::Seconds(118)),
            Step::Batch(vec![Command::Ping(sent_again)]),
            Step::Sweep,
        ],
    );
}

#[test]
fn a_success_that_is_sent_again_too_late_has_its_silence_told_once() {
    let sent_again = Call { when: When::FromLast(0), ..call("yankee", Signal::Success) };
    replay(
        290,
        &[
            Step::Batch(vec![ping("yankee", Signal::Success)]),
            Step::Hand(Hand::Deadline { name: "yankee", from_now: Some(-1) }),
            Step::Wait(Wait::Seconds(120)),
            Step::Batch(vec![Command::Ping(sent_again)]),
            Step::Sweep,
        ],
    );
}

#[test]
fn a_spoilt_row_may_be_declared_anew_where_there_may_be_no_more_services() {
    let word =
        Word { name: "yankee", is_whole: true, terms: EVERY_MINUTE, locked: None, aliases: None };
    let names = ["yankee", "alpha", "charlie"];
    replay(
        768,
        &[
            Step::Batch(names.map(|name| ping(name, Signal::Success)).to_vec()),
            Step::Hand(Hand::Spoil("yankee")),
            Step::Batch(vec![Command::Declare(word)]),
        ],
    );
}

#[test]
fn a_signal_that_is_sent_again_by_an_alias_declared_beside_it_is_recorded_once() {
    let word = Word {
        name: "echo",
        is_whole: false,
        terms: Terms::default(),
        locked: None,
        aliases: Some(vec!["yankee"]),
    };
    let again = |name, signal| Call { when: When::FromLast(0), ..call(name, signal) };
    replay(
        1_795_621_410_624,
        &[
            Step::Batch(vec![ping("echo", Signal::Fail)]),
            Step::Batch(vec![Command::Ping(again("echo", Signal::Success))]),
            Step::Batch(vec![
                Command::Declare(word),
                Command::Ping(again("yankee", Signal::Exit(0))),
            ]),
        ],
    );
}

#[test]
fn an_outage_of_which_nobody_heard_takes_no_id_from_the_end_of_one_beside_it() {
    let now = |signal| Command::Ping(Call { when: When::FromLast(0), ..call("xray", signal) });
    let later = Call { when: When::FromNow(1), ..call("xray", Signal::Fail) };
    replay(
        1_795_700_000_817,
        &[
            Step::Batch(vec![
                now(Signal::Fail),
                ping("xray", Signal::Success),
                Command::Ping(later),
            ]),
            Step::Take { to: 0, limit: 100 },
            Step::Batch(vec![Command::Delete("xray"), now(Signal::Fail), Command::Delete("xray")]),
        ],
    );
}

#[test]
fn a_name_that_is_deleted_twice_at_once_passes_over_no_id() {
    let now = |signal| Command::Ping(Call { when: When::FromLast(0), ..call("xray", signal) });
    let before = Call { when: When::FromLast(-1), ..call("xray", Signal::Exit(7)) };
    replay(
        1_795_800_000_105,
        &[
            Step::Batch(vec![ping("xray", Signal::Exit(7))]),
            Step::Take { to: 0, limit: 100 },
            Step::Batch(vec![
                Command::Delete("xray"),
                Command::Ping(before),
                ping("xray", Signal::Success),
            ]),
            Step::Batch(vec![Command::Delete("xray"), now(Signal::Fail), Command::Delete("xray")]),
        ],
    );
}

#[test]
fn a_seed_is_the_same_history_each_time() {
    for seed in 0..20 {
        assert_eq!(plot(seed, 50), plot(seed, 50));
    }
}
