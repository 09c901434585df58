//! One injection: the life cycle of a fault, written down once.

use std::time::Duration;

use jiff::Timestamp;
use shaketable_experiment::FaultCall;
use shaketable_testbed::process::ProcessIdentity;

use crate::catalogue;
use crate::fault::{Context, Fault, FaultError, Observed, Parameters};
use crate::target;
use crate::undo::{Phase, UndoJournal, UndoRecord};

/// How long an effect may take to be seen. A crashed broker's leadership moves after its session
/// timeout (6–18 s in common settings) and an election of the controllers before that.
pub const CONFIRM_TIMEOUT: Duration = Duration::from_secs(40);
/// How long a recovery may take to be seen. A broker on a busy machine starts in 5–20 s and then
/// catches up.
pub const RECOVER_TIMEOUT: Duration = Duration::from_secs(90);
/// How long it may take to see that an effect is still there.
const IN_PLACE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long undoing is tried again when it fails: a supervisor that is about to end answers nothing.
const RETRY_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two looks, and between two tries.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// A fault that is being applied, is in place, or is being undone.
pub struct Injection {
    fault: &'static dyn Fault,
    record: UndoRecord,
    context: Context,
    journal: UndoJournal,
}

impl Injection {
    /// Resolves the target and writes the undo record. Nothing is broken yet. `id` is unique
    /// among all injections; `system` is the name of the system.
    pub async fn prepare(
        context: &Context,
        run: &str,
        id: &str,
        system: &str,
        call: &FaultCall,
    ) -> Result<Injection, FaultError> {
        let fault = catalogue::find(&call.fault)
            .ok_or_else(|| FaultError::UnknownFault(call.fault.clone()))?;
        let status = context.client(system).status().await?;
        let hit = target::resolve(&call.target, &status).await?;
        let record = UndoRecord {
            id: id.to_owned(),
            run: run.to_owned(),
            fault: call.fault.clone(),
            parameters: Parameters::of(&call.parameters),
            target: call.target.to_string(),
            hit,
            engine: ProcessIdentity::own(),
            applied_at: Timestamp::now(),
            phase: Phase::Applying,
        };
        let journal = UndoJournal::new(context.home().faults());
        refuse_overlap(&journal, &record)?;
        journal.write(&record)?;
        Ok(Injection {
            fault,
            record,
            context: context.clone(),
            journal,
        })
    }

    /// An injection of an earlier process, to be recovered.
    pub fn resume(context: &Context, record: UndoRecord) -> Result<Injection, FaultError> {
        let fault = catalogue::find(&record.fault)
            .ok_or_else(|| FaultError::UnknownFault(record.fault.clone()))?;
        let journal = UndoJournal::new(context.home().faults());
        Ok(Injection {
            fault,
            record,
            context: context.clone(),
            journal,
        })
    }

    /// The undo record.
    pub fn record(&self) -> &UndoRecord {
        &self.record
    }

    /// What it does, in a sentence.
    pub fn describe(&self) -> String {
        self.fault.describe(&self.record)
    }

    /// After which time it is to be recovered.
    pub fn lasts(&self) -> Option<Duration> {
        self.fault.lasts(&self.record.parameters)
    }

    /// Applies it. After an error it may be in place all the same, and is to be recovered.
    pub async fn apply(&mut self) -> Result<(), FaultError> {
        self.fault.apply(&self.record, &self.context).await?;
        self.record.phase = Phase::Injected;
        self.journal.write(&self.record)
    }

    /// Waits until its effect is seen, at most [`CONFIRM_TIMEOUT`].
    pub async fn confirm(&self) -> Observed {
        look(CONFIRM_TIMEOUT, || {
            self.fault.confirm(&self.record, &self.context)
        })
        .await
    }

    /// Whether its effect can still be seen, right before it is undone: a process that died and was
    /// started again in the meantime is no longer paused.
    pub async fn is_in_place(&self) -> Observed {
        look(IN_PLACE_TIMEOUT, || {
            self.fault.confirm(&self.record, &self.context)
        })
        .await
    }

    /// Undoes it, waits until that is seen, at most [`RECOVER_TIMEOUT`], and removes the record
    /// only then.
    pub async fn recover(&mut self) -> Observed {
        self.record.phase = Phase::Recovering;
        if let Err(error) = self.journal.write(&self.record) {
            // The record of an earlier phase is still there, and undoing goes first.
            return match self.fault.recover(&self.record, &self.context).await {
                Ok(()) => Observed::Unknown(error.to_string()),
                Err(other) => Observed::Unknown(format!("{error}; {other}")),
            };
        }
        let deadline = tokio::time::Instant::now() + RETRY_TIMEOUT;
        while let Err(error) = self.fault.recover(&self.record, &self.context).await {
            if tokio::time::Instant::now() >= deadline {
                return Observed::Unknown(error.to_string());
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        let seen = look(RECOVER_TIMEOUT, || {
            self.fault.is_recovered(&self.record, &self.context)
        })
        .await;
        if seen.is_yes()
            && let Err(error) = self.journal.remove(&self.record.id)
        {
            return Observed::Unknown(error.to_string());
        }
        seen
    }
}

/// Two faults on one instance would undo each other, so the second is refused. `noop` does nothing
/// and is in nobody's way.
fn refuse_overlap(journal: &UndoJournal, record: &UndoRecord) -> Result<(), FaultError> {
    const HARMLESS: &str = "noop";
    let other = journal.all().into_iter().flatten().find(|other| {
        other.id != record.id
            && other.fault != HARMLESS
            && record.fault != HARMLESS
            && other.hit.supervisor == record.hit.supervisor
            && other.hit.instance == record.hit.instance
    });
    match other {
        None => Ok(()),
        Some(other) => Err(FaultError::Overlap {
            instance: record.hit.instance.clone(),
            other: other.fault,
            id: other.id,
        }),
    }
}

/// Looks again and again until it is so or time is up.
async fn look<F>(timeout: Duration, mut observe: impl FnMut() -> F) -> Observed
where
    F: Future<Output = Observed>,
{
    let deadline = tokio::time::Instant::now() + timeout;
    loop {
        let seen = observe().await;
        if seen.is_yes() || tokio::time::Instant::now() >= deadline {
            return seen;
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}
