//! Availability and recovery, on hand-made histories of 50 attempts per second.

use shaketable_ledger::{Attempt, Outcome, recovery};

const SECOND_US: u64 = 1_000_000;
/// 50 attempts per second, each answered after 5 ms.
const PERIOD_US: u64 = 20_000;
const ANSWER_US: u64 = 5_000;

/// `seconds` of load in which `ok` says whether the attempt due at a time is acknowledged.
fn load(seconds: u64, ok: impl Fn(u64) -> bool) -> Vec<Attempt> {
    (0..seconds * SECOND_US / PERIOD_US)
        .map(|seq| {
            let due = seq * PERIOD_US;
            Attempt {
                seq,
                intended_us: due,
                started_us: due,
                ended_us: Some(due + ANSWER_US),
                outcome: if ok(due) {
                    Outcome::Acknowledged {
                        identity: seq.to_string(),
                    }
                } else {
                    Outcome::Failed {
                        reason: "refused".to_owned(),
                    }
                },
                status: None,
            }
        })
        .collect()
}

fn between(from_s: u64, to_s: u64) -> impl Fn(u64) -> bool {
    move |due| (from_s * SECOND_US..to_s * SECOND_US).contains(&due)
}

#[test]
fn a_steady_run_recovers_at_once() {
    let attempts = load(60, |_| true);
    let recovery = recovery(
        &attempts,
        Some(20 * SECOND_US),
        Some(40 * SECOND_US),
        60 * SECOND_US,
    );
    assert_eq!(recovery.longest_gap_s, 0.02);
    assert_eq!(recovery.unavailable_s, 0.0);
    assert_eq!(recovery.first_error_at_s, None);
    assert_eq!(recovery.time_to_detect_s, None);
    assert_eq!(recovery.mttr_fault_s, Some(0.0));
    assert_eq!(recovery.mttr_heal_s, Some(0.0));
}

#[test]
fn a_failover_is_measured_from_the_fault_though_it_bites_late() {
    // Fault at 20 s, errors from 28 s to 31 s, healed at 50 s.
    let down = between(28, 31);
    let attempts = load(70, |due| !down(due));
    let recovery = recovery(
        &attempts,
        Some(20 * SECOND_US),
        Some(50 * SECOND_US),
        70 * SECOND_US,
    );
    assert_eq!(recovery.longest_gap_s, 3.02);
    assert_eq!(recovery.unavailable_s, 3.0);
    assert_eq!(recovery.first_error_at_s, Some(28.005));
    assert_eq!(recovery.time_to_detect_s, Some(8.005));
    assert_eq!(recovery.mttr_fault_s, Some(11.0));
    assert_eq!(recovery.mttr_heal_s, Some(0.0));
}

#[test]
fn an_outage_until_after_the_healing_has_no_failover() {
    let down = between(20, 52);
    let attempts = load(70, |due| !down(due));
    let recovery = recovery(
        &attempts,
        Some(20 * SECOND_US),
        Some(50 * SECOND_US),
        70 * SECOND_US,
    );
    assert_eq!(recovery.unavailable_s, 32.0);
    assert_eq!(recovery.mttr_fault_s, None);
    assert_eq!(recovery.mttr_heal_s, Some(2.0));
}

#[test]
fn a_system_that_never_comes_back_has_a_gap_to_the_end() {
    let attempts = load(60, between(0, 20));
    let recovery = recovery(
        &attempts,
        Some(20 * SECOND_US),
        Some(30 * SECOND_US),
        60 * SECOND_US,
    );
    // From the last answer (19.985 s) to the last attempt (59.98 s).
    assert_eq!(recovery.longest_gap_s, 39.995);
    assert_eq!(recovery.unavailable_s, 40.0);
    assert_eq!(recovery.mttr_fault_s, None);
    assert_eq!(recovery.mttr_heal_s, None);
}

#[test]
fn errors_before_the_fault_are_not_its_detection() {
    let down = between(5, 6);
    let attempts = load(30, |due| !down(due));
    let with_fault = recovery(&attempts, Some(10 * SECOND_US), None, 30 * SECOND_US);
    assert_eq!(with_fault.first_error_at_s, None);
    assert_eq!(with_fault.mttr_heal_s, None);
    let without = recovery(&attempts, None, None, 30 * SECOND_US);
    assert_eq!(without.first_error_at_s, Some(5.005));
    assert_eq!(without.time_to_detect_s, None);
}

#[test]
fn an_answer_belongs_to_the_time_at_which_it_was_due() {
    // Everything due between 10 s and 13 s is answered at 13 s: a gap, and yet nothing failed.
    let stalled = between(10, 13);
    let mut attempts = load(30, |_| true);
    for attempt in attempts.iter_mut().filter(|a| stalled(a.intended_us)) {
        attempt.ended_us = Some(13 * SECOND_US);
    }
    let recovery = recovery(&attempts, Some(10 * SECOND_US), None, 30 * SECOND_US);
    assert_eq!(recovery.longest_gap_s, 3.015);
    assert_eq!(recovery.unavailable_s, 0.0);
    assert_eq!(recovery.mttr_fault_s, Some(0.0));
}

#[test]
fn no_load_has_no_gap() {
    let recovery = recovery(&[], Some(1), Some(2), 3);
    assert_eq!(recovery.longest_gap_s, 0.0);
    assert_eq!(recovery.mttr_fault_s, None);
}
