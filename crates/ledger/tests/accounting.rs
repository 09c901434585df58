//! The rules of the ledger, one example each.

mod history;

use history::{LOGGED, REVERSED, SETTLED, WITHIN_US, clean, hide, id, see, stage};
use shaketable_ledger::{
    Counts, Facts, Fate, Finding, FindingKind, Ledger, Measure, Measured, Outcome, StageRole,
};

fn balanced(facts: &Facts) -> Ledger {
    let ledger = Ledger::balance(facts);
    assert_eq!(ledger.check(), Ok(()));
    ledger
}

fn finding(ledger: &Ledger, kind: FindingKind) -> Finding {
    let findings = ledger.findings();
    let found = findings.iter().find(|finding| finding.kind == kind);
    found
        .unwrap_or_else(|| panic!("no {kind} among {findings:?}"))
        .clone()
}

fn unknown(ledger: &Ledger, measure: Measure) -> String {
    match ledger.measure(measure) {
        Measured::Unknown(reason) => reason,
        Measured::Known(value) => panic!("{measure} is known to be {value}"),
    }
}

#[test]
fn a_clean_run_has_no_findings() {
    let ledger = balanced(&clean(100));
    let expected = Counts {
        attempted: 100,
        acknowledged: 100,
        settled: 100,
        ..Counts::default()
    };
    assert_eq!(*ledger.counts(), expected);
    assert_eq!(ledger.findings(), []);
    let logged = &ledger.stages()[LOGGED];
    assert_eq!((logged.ids, logged.once, logged.missing), (100, 100, 0));
}

#[test]
fn an_order_that_was_never_logged_and_reversed_tells_its_story() {
    let mut facts = clean(1_000);
    facts.attempts[711].ended_us = Some(12_031_000);
    hide(&mut facts, LOGGED, "4711");
    hide(&mut facts, SETTLED, "4711");
    see(
        &mut facts,
        REVERSED,
        "4711",
        Some(44_200_000),
        "state=reversed",
    );
    let ledger = balanced(&facts);

    assert_eq!(ledger.fate_of(711), Some(Fate::Unwanted));
    assert_eq!(ledger.ids(Fate::Unwanted).collect::<Vec<_>>(), ["4711"]);
    assert_eq!(
        ledger.story(711, "order").unwrap().to_string(),
        "order 4711: 200 at 12.031 s, no record in poke-orders, reversed at 44.2 s"
    );
    let not_logged = finding(&ledger, FindingKind::NotLogged);
    assert_eq!(not_logged.to_string(), "NOT_LOGGED in poke-orders: 1");
    assert_eq!(not_logged.seqs, [711]);
}

#[test]
fn stories_of_the_other_fates() {
    let mut facts = clean(5);
    hide(&mut facts, LOGGED, &id(0));
    hide(&mut facts, SETTLED, &id(0));
    hide(&mut facts, SETTLED, &id(1));
    hide(&mut facts, SETTLED, &id(2));
    see(&mut facts, SETTLED, &id(2), None, "state=rejected");
    facts.attempts[3].status = None;
    facts.attempts[3].outcome = Outcome::Indeterminate {
        reason: "timeout".to_owned(),
    };
    facts.attempts[3].ended_us = None;
    let ledger = balanced(&facts);
    let story = |seq| ledger.story(seq, "order").unwrap().to_string();

    assert_eq!(
        story(0),
        "order 4000: 200 at 0.001 s, no record in poke-orders, seen nowhere by 60.1 s"
    );
    assert_eq!(
        story(1),
        "order 4001: 200 at 0.021 s, in poke-orders (poke-orders/0@1), not settled by 60.1 s"
    );
    assert_eq!(
        story(2),
        "order 4002: 200 at 0.041 s, in poke-orders (poke-orders/0@2), \
         settled when the drain had ended (state=rejected) (60.06 s after it was due, limit 30 s)"
    );
    assert_eq!(
        story(3),
        "order attempt 3: outcome unknown (timeout), sent at 0.06 s"
    );
    assert_eq!(ledger.story(5, "order"), None);
    assert_eq!(
        ledger.unclaimed_story(&id(3), "order").unwrap().to_string(),
        "order 4003: no attempt was acknowledged with it, in poke-orders (poke-orders/0@3), \
         settled at 0.56 s (state=success)"
    );
    assert_eq!(ledger.unclaimed_story(&id(2), "order"), None);
}

#[test]
fn settled_and_unwanted_is_torn_and_counts_as_unwanted() {
    let mut facts = clean(3);
    see(&mut facts, REVERSED, &id(1), None, "");
    let ledger = balanced(&facts);
    assert_eq!(ledger.counts().unwanted, 1);
    assert_eq!(ledger.counts().conflicting, 1);
    assert_eq!(finding(&ledger, FindingKind::Torn).seqs, [1]);
}

#[test]
fn lateness_counts_from_the_intended_time_and_its_limit_is_inclusive() {
    let mut facts = clean(2);
    facts.attempts[0].started_us = 20_000_000;
    for sighting in &mut facts.stages[SETTLED].sightings {
        sighting.at_us = Some(WITHIN_US + 20_000);
    }
    let ledger = balanced(&facts);
    assert_eq!(finding(&ledger, FindingKind::Late).seqs, [0]);
}

#[test]
fn lateness_is_unknown_while_an_earlier_sighting_may_be_missing() {
    let mut facts = clean(2);
    facts.stages[SETTLED].sightings[0].at_us = Some(WITHIN_US + 1);
    assert_eq!(balanced(&facts).measure(Measure::Late), Measured::Known(1));
    facts.stages[SETTLED].incomplete = Some("timeout".to_owned());
    let ledger = balanced(&facts);
    assert!(unknown(&ledger, Measure::Late).starts_with("late is between 0 and 1: "));
    assert!(!finding(&ledger, FindingKind::Late).certain);
}

#[test]
fn unclaimed_identities_are_excused_by_indeterminate_attempts_only() {
    let mut facts = clean(4);
    facts.attempts[0].outcome = Outcome::Indeterminate {
        reason: "reset".to_owned(),
    };
    facts.attempts[1].outcome = Outcome::Failed {
        reason: "status 400".to_owned(),
    };
    let ledger = balanced(&facts);
    let counts = ledger.counts();
    assert_eq!(
        (counts.unclaimed, counts.resolved_plus, counts.phantom),
        (2, 1, 1)
    );
    assert_eq!(finding(&ledger, FindingKind::Phantom).count, 1);
    assert_eq!(
        finding(&ledger, FindingKind::Phantom).identities,
        [id(0), id(1)]
    );

    hide(&mut facts, LOGGED, &id(1));
    hide(&mut facts, SETTLED, &id(1));
    let ledger = balanced(&facts);
    assert_eq!(ledger.counts().phantom, 0);
    assert_eq!(finding(&ledger, FindingKind::Resolved).identities, [id(0)]);
}

#[test]
fn what_was_there_before_the_load_counts_for_nothing() {
    let mut facts = clean(2);
    see(&mut facts, LOGGED, "old", None, "poke-orders/0@0");
    see(
        &mut facts,
        SETTLED,
        "old",
        Some(5),
        "settled during the run",
    );
    see(
        &mut facts,
        SETTLED,
        "old",
        Some(6),
        "settled during the run",
    );
    facts.stages[LOGGED].baseline.push("old".to_owned());
    facts.stages[SETTLED].baseline.push("old".to_owned());
    let ledger = balanced(&facts);
    assert_eq!(ledger.findings(), []);

    // An old message that settles during the run is no phantom.
    facts.stages[SETTLED].baseline.clear();
    facts.stages[SETTLED].sightings.pop();
    assert_eq!(balanced(&facts).findings(), []);

    // An acknowledgement that names an old message is no proof of a new one.
    facts.stages[LOGGED].baseline.push(id(1));
    facts.stages[SETTLED].baseline.push(id(1));
    let ledger = balanced(&facts);
    assert_eq!(ledger.fate_of(1), Some(Fate::Lost));
    assert_eq!(finding(&ledger, FindingKind::Stale).seqs, [1]);
}

#[test]
fn attempts_with_one_identity_are_counted_one_by_one() {
    let mut facts = clean(3);
    facts.attempts[2].outcome = Outcome::Acknowledged { identity: id(1) };
    hide(&mut facts, LOGGED, &id(2));
    hide(&mut facts, SETTLED, &id(2));
    let ledger = balanced(&facts);
    assert_eq!(ledger.counts().settled, 3);
    assert_eq!(ledger.counts().repeated, 1);
    assert_eq!(finding(&ledger, FindingKind::Repeated).seqs, [1, 2]);
}

#[test]
fn an_incomplete_reading_is_unknown_only_where_it_matters() {
    let mut facts = clean(10);
    facts.stages[LOGGED].incomplete = Some("partition 0 has no leader".to_owned());
    let ledger = balanced(&facts);
    // Everything was seen to settle: the missing rest of the log cannot change that.
    assert_eq!(ledger.measure(Measure::Lost), Measured::Known(0));
    assert_eq!(ledger.measure(Measure::Settled), Measured::Known(10));
    assert_eq!(ledger.measure(Measure::Duplicated), Measured::Known(0));
    assert_eq!(
        unknown(&ledger, Measure::Phantom),
        "phantom is at least 0: stage `poke-orders` was not read completely (partition 0 has no leader)"
    );

    // One that no stage showed may be in the log all the same.
    hide(&mut facts, LOGGED, &id(3));
    hide(&mut facts, SETTLED, &id(3));
    let ledger = balanced(&facts);
    assert_eq!(ledger.counts().lost, 1);
    assert!(unknown(&ledger, Measure::Lost).starts_with("lost is between 0 and 1: "));
    assert!(unknown(&ledger, Measure::Stuck).starts_with("stuck is between 0 and 1: "));
    assert!(!finding(&ledger, FindingKind::Lost).certain);
    assert_eq!(ledger.measure(Measure::Settled), Measured::Known(9));
    assert!(
        ledger
            .story(3, "order")
            .unwrap()
            .to_string()
            .contains("not read completely")
    );

    // Any settled order may have been reversed.
    facts.stages[REVERSED].incomplete = Some("connection refused".to_owned());
    let ledger = balanced(&facts);
    assert!(unknown(&ledger, Measure::Settled).starts_with("settled is between 0 and 9: "));
    assert!(unknown(&ledger, Measure::Unwanted).starts_with("unwanted is between 0 and 10: "));
}

#[test]
fn a_measure_whose_stage_does_not_exist_is_unknown() {
    let mut facts = clean(3);
    facts.stages[SETTLED].spec.within_us = None;
    assert_eq!(
        unknown(&balanced(&facts), Measure::Late),
        "late cannot be told: the ledger has no settled stage with a time limit"
    );
    facts.stages = vec![stage("poke-orders", StageRole::Trace, Some(1))];
    let ledger = balanced(&facts);
    for measure in [
        Measure::Settled,
        Measure::Unwanted,
        Measure::Stuck,
        Measure::Duplicated,
        Measure::Late,
    ] {
        unknown(&ledger, measure);
    }
    assert_eq!(ledger.measure(Measure::Lost), Measured::Known(3));
    facts.stages.clear();
    unknown(&balanced(&facts), Measure::Lost);
    unknown(&balanced(&facts), Measure::Phantom);
    assert_eq!(
        balanced(&facts).measure(Measure::Attempted),
        Measured::Known(3)
    );
}

#[test]
fn facts_with_a_gap_or_a_repeated_attempt_do_not_balance() {
    let mut facts = clean(3);
    facts.attempts.remove(1);
    let wrong = Ledger::balance(&facts).check().unwrap_err();
    assert_eq!(
        wrong[0].equation,
        "distinct sequence numbers = highest sequence number + 1"
    );
    let mut facts = clean(3);
    facts.attempts[2].seq = 1;
    let wrong = Ledger::balance(&facts).check().unwrap_err();
    assert_eq!(wrong[0].equation, "attempts = distinct sequence numbers");
}

#[test]
fn measures_are_read_as_they_are_written() {
    for measure in Measure::ALL {
        assert_eq!(measure.to_string().parse(), Ok(measure));
        let json = serde_json::to_value(measure).unwrap();
        assert_eq!(json, measure.name());
    }
    let error = "loost".parse::<Measure>().unwrap_err().to_string();
    assert!(
        error.contains("`loost`") && error.contains("lost"),
        "{error}"
    );
}
