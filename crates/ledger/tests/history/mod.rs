//! A clean history: every attempt acknowledged, logged once and settled once, in time.

use shaketable_ledger::{Attempt, Facts, Outcome, Sighting, StageReading, StageRole, StageSpec};

/// The positions of the stages of [`clean`].
pub const LOGGED: usize = 0;
pub const SETTLED: usize = 1;
pub const REVERSED: usize = 2;

/// A message may settle this long after it was due.
pub const WITHIN_US: u64 = 30_000_000;

/// One attempt every 20 ms; stages `poke-orders` (trace), `settled` and `reversed` (unwanted).
pub fn clean(attempts: u64) -> Facts {
    let mut facts = Facts {
        attempts: (0..attempts)
            .map(|seq| Attempt {
                seq,
                intended_us: seq * 20_000,
                started_us: seq * 20_000 + 50,
                ended_us: Some(seq * 20_000 + 1_000),
                outcome: Outcome::Acknowledged { identity: id(seq) },
                status: Some(200),
            })
            .collect(),
        stages: vec![
            stage("poke-orders", StageRole::Trace, None),
            stage("settled", StageRole::Settled, Some(WITHIN_US)),
            stage("reversed", StageRole::Unwanted, None),
        ],
        deadline_us: attempts * 20_000 + 60_000_000,
    };
    for seq in 0..attempts {
        let place = format!("poke-orders/0@{seq}");
        see(&mut facts, LOGGED, &id(seq), None, &place);
        let at = Some(seq * 20_000 + 500_000);
        see(&mut facts, SETTLED, &id(seq), at, "state=success");
    }
    facts
}

pub fn id(seq: u64) -> String {
    format!("{}", 4_000 + seq)
}

pub fn stage(name: &str, role: StageRole, within_us: Option<u64>) -> StageReading {
    StageReading {
        spec: StageSpec {
            name: name.to_owned(),
            role,
            within_us,
        },
        sightings: Vec::new(),
        incomplete: None,
        baseline: Vec::new(),
    }
}

/// Adds a sighting.
pub fn see(facts: &mut Facts, stage: usize, identity: &str, at_us: Option<u64>, place: &str) {
    facts.stages[stage].sightings.push(Sighting {
        identity: identity.to_owned(),
        at_us,
        place: place.to_owned(),
        partition: partition_of(place),
    });
}

/// The 0 of `poke-orders/0@123`.
fn partition_of(place: &str) -> Option<i32> {
    let (partition, _) = place.split_once('/')?.1.split_once('@')?;
    partition.parse().ok()
}

/// Removes every sighting of an identity from a stage.
pub fn hide(facts: &mut Facts, stage: usize, identity: &str) {
    facts.stages[stage]
        .sightings
        .retain(|sighting| sighting.identity != identity);
}
