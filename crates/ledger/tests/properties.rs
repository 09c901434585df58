//! What must hold for every history: injected anomalies are found exactly, arbitrary facts balance,
//! and what is called known could not have been different.

mod history;

use std::collections::{BTreeMap, BTreeSet};

use history::{LOGGED, REVERSED, SETTLED, WITHIN_US, clean, hide, id, see};
use proptest::prelude::*;
use shaketable_ledger::{
    Attempt, Counts, Facts, FindingKind, Ledger, Measure, Measured, Outcome, Sighting,
    StageReading, StageRole, StageSpec,
};

/// What is done to one attempt of a clean history.
#[derive(Debug, Clone, Copy)]
enum Mutation {
    None,
    Lose,
    Stick,
    Reverse,
    ReverseAfterSettling,
    Delay,
    SeeOnlyAtTheEnd,
    DuplicateEffect,
    DuplicateRecord,
    ScatterRecord,
    LoseRecord,
    Fail,
    FailWithEffect,
    Doubt,
    DoubtWithEffect,
}

fn mutation() -> impl Strategy<Value = Mutation> {
    use Mutation::*;
    let rare = prop::sample::select(vec![
        Lose,
        Stick,
        Reverse,
        ReverseAfterSettling,
        Delay,
        SeeOnlyAtTheEnd,
        DuplicateEffect,
        DuplicateRecord,
        ScatterRecord,
        LoseRecord,
        Fail,
        FailWithEffect,
        Doubt,
        DoubtWithEffect,
    ]);
    prop_oneof![3 => Just(None), 1 => rare]
}

/// The kinds that are witnessed by unclaimed identities are checked by their count alone.
type Expected = BTreeMap<FindingKind, BTreeSet<String>>;

/// Applies a mutation and writes down what must be found because of it.
fn mutate(
    facts: &mut Facts,
    seq: u64,
    mutation: Mutation,
    counts: &mut Counts,
    found: &mut Expected,
) {
    use FindingKind as Kind;
    let id = id(seq);
    let mut expect = |kind| {
        found.entry(kind).or_default().insert(id.clone());
    };
    let vanish = |facts: &mut Facts| {
        hide(facts, LOGGED, &id);
        hide(facts, SETTLED, &id);
    };
    let outcome = &mut facts.attempts[seq as usize].outcome;
    counts.attempted += 1;
    match mutation {
        Mutation::Fail | Mutation::FailWithEffect => {
            let reason = "refused".to_owned();
            *outcome = Outcome::Failed { reason };
            counts.failed += 1;
        }
        Mutation::Doubt | Mutation::DoubtWithEffect => {
            let reason = "timeout".to_owned();
            *outcome = Outcome::Indeterminate { reason };
            counts.indeterminate += 1;
        }
        _ => counts.acknowledged += 1,
    }
    match mutation {
        Mutation::None => counts.settled += 1,
        Mutation::Lose => {
            vanish(facts);
            counts.lost += 1;
            expect(Kind::Lost);
            expect(Kind::NotLogged);
        }
        Mutation::Stick => {
            hide(facts, SETTLED, &id);
            counts.stuck += 1;
            expect(Kind::Stuck);
        }
        Mutation::Reverse => {
            hide(facts, SETTLED, &id);
            see(facts, REVERSED, &id, Some(9), "state=reversed");
            counts.unwanted += 1;
            expect(Kind::Unwanted);
        }
        Mutation::ReverseAfterSettling => {
            see(facts, REVERSED, &id, Some(9), "state=reversed");
            counts.unwanted += 1;
            counts.conflicting += 1;
            expect(Kind::Unwanted);
            expect(Kind::Torn);
        }
        Mutation::Delay | Mutation::SeeOnlyAtTheEnd => {
            hide(facts, SETTLED, &id);
            let at = matches!(mutation, Mutation::Delay).then_some(seq * 20_000 + WITHIN_US + 1);
            see(facts, SETTLED, &id, at, "state=success");
            counts.settled += 1;
            counts.late += 1;
            expect(Kind::Late);
        }
        Mutation::DuplicateEffect => {
            see(facts, SETTLED, &id, Some(9), "state=success");
            counts.settled += 1;
            counts.duplicated += 1;
            expect(Kind::DuplicateEffect);
        }
        Mutation::DuplicateRecord => {
            see(facts, LOGGED, &id, None, "poke-orders/0@7");
            counts.settled += 1;
            expect(Kind::DuplicateRecord);
        }
        Mutation::ScatterRecord => {
            see(facts, LOGGED, &id, None, "poke-orders/1@7");
            counts.settled += 1;
            counts.scattered += 1;
            expect(Kind::DuplicateRecord);
            expect(Kind::Scattered);
        }
        Mutation::LoseRecord => {
            hide(facts, LOGGED, &id);
            counts.settled += 1;
            expect(Kind::NotLogged);
        }
        Mutation::Fail | Mutation::Doubt => vanish(facts),
        Mutation::FailWithEffect | Mutation::DoubtWithEffect => counts.unclaimed += 1,
    }
}

proptest! {
    #[test]
    fn every_injected_anomaly_is_found_and_nothing_else(
        mutations in prop::collection::vec(mutation(), 0..200),
        strangers in 0_u64..4,
    ) {
        let mut facts = clean(mutations.len() as u64);
        let mut expected = Counts::default();
        let mut found = Expected::new();
        for (seq, mutation) in mutations.iter().enumerate() {
            mutate(&mut facts, seq as u64, *mutation, &mut expected, &mut found);
        }
        for stranger in 0..strangers {
            see(&mut facts, LOGGED, &format!("stranger-{stranger}"), None, "poke-orders/0@9");
            expected.unclaimed += 1;
        }
        expected.resolved_plus = expected.unclaimed.min(expected.indeterminate);
        expected.resolved_minus = expected.indeterminate - expected.resolved_plus;
        expected.phantom = expected.unclaimed - expected.resolved_plus;

        let ledger = Ledger::balance(&facts);
        prop_assert_eq!(*ledger.counts(), expected);
        prop_assert_eq!(ledger.check(), Ok(()));

        let mut seen = Expected::new();
        for finding in ledger.findings() {
            prop_assert!(finding.certain);
            match finding.kind {
                FindingKind::Phantom => prop_assert_eq!(finding.count, expected.phantom),
                FindingKind::Resolved => prop_assert_eq!(finding.count, expected.resolved_plus),
                kind => {
                    prop_assert_eq!(finding.count, finding.identities.len() as u64);
                    let witnesses = finding.identities.into_iter().collect();
                    prop_assert!(seen.insert(kind, witnesses).is_none());
                }
            }
        }
        prop_assert_eq!(seen, found);
        for measure in Measure::ALL {
            prop_assert!(matches!(ledger.measure(measure), Measured::Known(_)));
        }
    }

    #[test]
    fn arbitrary_facts_balance(facts in facts()) {
        let ledger = Ledger::balance(&facts);
        prop_assert_eq!(ledger.check(), Ok(()));
        for attempt in &facts.attempts {
            prop_assert!(ledger.story(attempt.seq, "order").is_some());
        }
        for identity in ledger.unclaimed() {
            prop_assert!(ledger.unclaimed_story(identity, "order").is_some());
        }
        ledger.findings();
    }

    #[test]
    fn facts_read_back_give_the_same_ledger(facts in facts()) {
        let written = serde_json::to_string(&facts).unwrap();
        let read: Facts = serde_json::from_str(&written).unwrap();
        prop_assert_eq!(Ledger::balance(&read), Ledger::balance(&facts));
    }

    /// Nothing that an incomplete reading missed may change a measure that was called known.
    #[test]
    fn what_is_known_stays_true_when_the_rest_is_read(
        whole in facts(),
        open in prop::collection::vec(any::<bool>(), 4),
        kept in prop::collection::vec(any::<bool>(), 16),
    ) {
        let mut whole = whole;
        let mut part = whole.clone();
        for (position, stage) in part.stages.iter_mut().enumerate() {
            whole.stages[position].incomplete = None;
            stage.incomplete = open[position].then(|| "timeout".to_owned());
            if open[position] {
                let mut kept = kept.iter().cycle().skip(position);
                stage.sightings.retain(|_| kept.next() == Some(&true));
            }
        }
        let (part, whole) = (Ledger::balance(&part), Ledger::balance(&whole));
        for measure in Measure::ALL {
            if let Measured::Known(value) = part.measure(measure) {
                prop_assert_eq!(
                    whole.measure(measure), Measured::Known(value),
                    "{} was called known", measure
                );
            }
        }
    }

    /// A fate that a missing sighting in the incomplete stage would change is never known.
    #[test]
    fn an_incomplete_reading_leaves_no_false_certainty(missed in 0_u64..20, stage in 0_usize..3) {
        let mut facts = clean(20);
        hide(&mut facts, SETTLED, &id(missed));
        hide(&mut facts, LOGGED, &id(missed));
        facts.stages[stage].incomplete = Some("timeout".to_owned());
        let ledger = Ledger::balance(&facts);
        let affected: &[Measure] = match stage {
            LOGGED => &[Measure::Lost, Measure::Stuck, Measure::Phantom, Measure::Scattered],
            SETTLED => &[
                Measure::Lost, Measure::Settled, Measure::Late, Measure::Duplicated, Measure::Phantom,
                Measure::Scattered,
            ],
            _ => &[
                Measure::Lost, Measure::Settled, Measure::Unwanted, Measure::Phantom, Measure::Scattered,
            ],
        };
        for measure in Measure::ALL {
            let known = matches!(ledger.measure(measure), Measured::Known(_));
            prop_assert_eq!(known, !affected.contains(&measure), "{}", measure);
        }
    }
}

/// Facts that make little sense, except that the sequence numbers are dense.
fn facts() -> impl Strategy<Value = Facts> {
    let time = 0_u64..100;
    let identity = || (0_u32..12).prop_map(|number| number.to_string());
    let outcome = prop_oneof![
        4 => identity().prop_map(|identity| Outcome::Acknowledged { identity }),
        1 => Just(Outcome::Failed { reason: "refused".to_owned() }),
        1 => Just(Outcome::Indeterminate { reason: "timeout".to_owned() }),
    ];
    let attempt = (time.clone(), prop::option::of(time.clone()), outcome);
    let attempts = prop::collection::vec(attempt, 0..12)
        .prop_map(|attempts| {
            let numbered = attempts.into_iter().enumerate();
            numbered
                .map(|(seq, (intended_us, ended_us, outcome))| Attempt {
                    seq: seq as u64,
                    intended_us,
                    started_us: intended_us,
                    ended_us,
                    outcome,
                    status: None,
                })
                .collect::<Vec<_>>()
        })
        .prop_shuffle();
    let sighting = (
        identity(),
        prop::option::of(time.clone()),
        prop::option::of(0..3),
    )
        .prop_map(|(identity, at_us, partition)| Sighting {
            identity,
            at_us,
            place: String::new(),
            partition,
        });
    let role = prop::sample::select(vec![
        StageRole::Trace,
        StageRole::Settled,
        StageRole::Unwanted,
    ]);
    let stage = (
        role,
        prop::option::of(0_u64..40),
        prop::collection::vec(sighting, 0..16),
        prop::option::of(Just("timeout".to_owned())),
        prop::collection::vec(identity(), 0..2),
    )
        .prop_map(
            |(role, within_us, sightings, incomplete, baseline)| StageReading {
                spec: StageSpec {
                    name: "stage".to_owned(),
                    role,
                    within_us,
                },
                sightings,
                incomplete,
                baseline,
            },
        );
    (attempts, prop::collection::vec(stage, 0..4), time).prop_map(
        |(attempts, stages, deadline_us)| Facts {
            attempts,
            stages,
            deadline_us,
        },
    )
}
