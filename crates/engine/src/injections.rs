//! The faults of a run: each lives in a task of its own from its undo record to its recovery.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use shaketable_experiment::FaultCall;
use shaketable_faults::{Context, Injection, Observed, UndoRecord};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::journal::Journal;
use crate::progress::Progress;
use crate::record::FaultOutcome;

/// All faults of a run.
pub struct Injections {
    context: Context,
    run: String,
    system: String,
    journal: Arc<Journal>,
    progress: Arc<dyn Progress>,
    heal: watch::Sender<Heal>,
    lives: Mutex<Vec<JoinHandle<FaultOutcome>>>,
}

/// How far healing is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
enum Heal {
    /// Each fault has its time.
    Scheduled,
    /// Those without a time of their own end now.
    Unscheduled,
    /// All end now.
    Now,
}

impl Injections {
    /// No faults yet. `system` is the name of the running system.
    pub fn new(
        context: Context,
        run: &str,
        system: &str,
        journal: Arc<Journal>,
        progress: Arc<dyn Progress>,
    ) -> Injections {
        Injections {
            context,
            run: run.to_owned(),
            system: system.to_owned(),
            journal,
            progress,
            heal: watch::channel(Heal::Scheduled).0,
            lives: Mutex::default(),
        }
    }

    /// Injects a fault and waits until its effect was, or was not, seen. The fault stays in place.
    pub async fn inject(&self, name: &str, call: &FaultCall) -> Observed {
        let (confirmed, wait) = tokio::sync::oneshot::channel();
        {
            let mut lives = self.lives.lock().unwrap_or_else(PoisonError::into_inner);
            let life = Life {
                context: self.context.clone(),
                run: self.run.clone(),
                system: self.system.clone(),
                id: format!("{}-{}", self.run, lives.len() + 1),
                name: name.to_owned(),
                call: call.clone(),
                journal: self.journal.clone(),
                progress: self.progress.clone(),
                heal: self.heal.subscribe(),
            };
            lives.push(tokio::spawn(life.live(confirmed)));
        }
        wait.await
            .unwrap_or_else(|_| Observed::Unknown("the fault's task ended".to_owned()))
    }

    /// Recovers every fault and waits until that was, or was not, seen. Faults with a time of
    /// their own are given it, unless `now`.
    pub async fn heal(&self, now: bool) -> Vec<FaultOutcome> {
        self.heal
            .send_replace(if now { Heal::Now } else { Heal::Unscheduled });
        let mut outcomes = Vec::new();
        let lives = std::mem::take(&mut *self.lives.lock().unwrap_or_else(PoisonError::into_inner));
        for life in lives {
            match life.await {
                Ok(outcome) => outcomes.push(outcome),
                Err(error) => outcomes.push(FaultOutcome {
                    name: String::new(),
                    fault: String::new(),
                    target: String::new(),
                    instance: None,
                    applied_us: None,
                    confirmed: Observed::Unknown(error.to_string()),
                    confirmed_us: None,
                    recovered: Observed::Unknown(error.to_string()),
                    released_us: None,
                    recovered_us: None,
                }),
            }
        }
        outcomes
    }

    /// Asks every fault to end now, also while [`Injections::heal`] waits for their time.
    pub fn hurrier(&self) -> impl FnOnce() + use<> {
        let heal = self.heal.clone();
        move || {
            heal.send_replace(Heal::Now);
        }
    }
}

struct Life {
    context: Context,
    run: String,
    system: String,
    id: String,
    name: String,
    call: FaultCall,
    journal: Arc<Journal>,
    progress: Arc<dyn Progress>,
    heal: watch::Receiver<Heal>,
}

impl Life {
    async fn live(self, confirmed: tokio::sync::oneshot::Sender<Observed>) -> FaultOutcome {
        let mut outcome = FaultOutcome {
            name: self.name.clone(),
            fault: self.call.fault.clone(),
            target: self.call.target.to_string(),
            instance: None,
            applied_us: None,
            confirmed: Observed::No("it was not applied".to_owned()),
            confirmed_us: None,
            recovered: Observed::Yes("it was not applied".to_owned()),
            released_us: None,
            recovered_us: None,
        };
        let prepared =
            Injection::prepare(&self.context, &self.run, &self.id, &self.system, &self.call).await;
        let mut injection = match prepared {
            Ok(injection) => injection,
            Err(error) => {
                outcome.confirmed = Observed::No(format!("it was not applied: {error}"));
                self.journal.write(
                    "fault-not-applied",
                    json!({ "fault": self.id, "reason": error.to_string() }),
                );
                self.progress
                    .event(&format!("fault `{}` was not applied: {error}", self.name));
                let _ = confirmed.send(outcome.confirmed.clone());
                return outcome;
            }
        };
        outcome.instance = Some(injection.record().hit.instance.clone());
        outcome.recovered = Observed::Unknown("not looked at yet".to_owned());
        if *self.heal.borrow() == Heal::Now {
            outcome.confirmed = Observed::No("it was not applied: the run was to end".to_owned());
            outcome.recovered = injection.recover().await;
            let _ = confirmed.send(outcome.confirmed.clone());
            return outcome;
        }
        let begun = Instant::now();
        outcome.applied_us = Some(self.journal.now_us());
        self.journal.write(
            "fault-applying",
            json!({ "fault": self.id, "what": told(injection.record()) }),
        );
        self.progress.event(&format!(
            "inject: {} {} ({})",
            self.call.fault,
            self.call.target,
            injection.describe()
        ));
        let deadline = injection.lasts().map(|lasts| begun + lasts);
        match injection.apply().await {
            Ok(()) => {
                let seen = tokio::select! {
                    seen = injection.confirm() => seen,
                    () = time_is_up(deadline, self.heal.clone()) => {
                        Observed::No("its effect was not seen while it was in place".to_owned())
                    }
                };
                outcome.confirmed = seen;
            }
            Err(error) => {
                outcome.confirmed =
                    Observed::Unknown(format!("it may not have been applied: {error}"))
            }
        }
        if outcome.confirmed.is_yes() {
            outcome.confirmed_us = Some(self.journal.now_us());
        }
        self.journal.write(
            "fault-confirmed",
            json!({ "fault": self.id, "observed": outcome.confirmed }),
        );
        self.progress
            .event(&format!("observe: {}", outcome.confirmed.detail()));
        let _ = confirmed.send(outcome.confirmed.clone());

        time_is_up(deadline, self.heal.clone()).await;
        // After an abort there is nothing to prove, and healing comes first.
        if outcome.confirmed.is_yes() && *self.heal.borrow() != Heal::Now {
            // What cannot be looked at now was there all the same.
            if let Observed::No(detail) = injection.is_in_place().await {
                outcome.confirmed =
                    Observed::No(format!("it was seen, but not until its end: {detail}"));
                self.journal.write(
                    "fault-gone-early",
                    json!({ "fault": self.id, "observed": outcome.confirmed }),
                );
            }
        }
        outcome.released_us = Some(self.journal.now_us());
        self.journal
            .write("fault-recovering", json!({ "fault": self.id }));
        self.progress.event(&format!(
            "heal: undoing {} {}",
            self.call.fault, self.call.target
        ));
        outcome.recovered = injection.recover().await;
        if outcome.recovered.is_yes() {
            outcome.recovered_us = Some(self.journal.now_us());
        }
        self.journal.write(
            "fault-recovered",
            json!({ "fault": self.id, "observed": outcome.recovered }),
        );
        self.progress
            .event(&format!("heal: {}", outcome.recovered.detail()));
        outcome
    }
}

/// An undo record for the journal: without the values of its parameters, which may be secrets.
fn told(record: &UndoRecord) -> serde_json::Value {
    json!({
        "fault": record.fault,
        "target": record.target,
        "hit": record.hit,
        "parameters": record.parameters.names(),
    })
}

/// Resolves when a fault has had its time, or is not to wait for it.
async fn time_is_up(deadline: Option<Instant>, mut heal: watch::Receiver<Heal>) {
    let scheduled = async {
        match deadline {
            Some(deadline) => tokio::time::sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    };
    let least = if deadline.is_some() {
        Heal::Now
    } else {
        Heal::Unscheduled
    };
    let asked = async {
        if heal.wait_for(|asked| *asked >= least).await.is_err() {
            // The run has gone without asking: heal all the same.
            tokio::time::sleep(Duration::ZERO).await;
        }
    };
    tokio::select! {
        () = scheduled => {}
        () = asked => {}
    }
}
