//! One activity of a run: its controls, its pauses, its entry in the journal.
//!
//! 1. The entry is in the journal from the moment the activity starts, and gets its end whatever
//!    happens, without a status when it was interrupted or hit an unexpected exception; only work in the
//!    background that is ended with the run gets neither.
//! 2. The duration has no pauses in it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use shaketable_dialect::{Dict, Raised, Value, template, text};

use crate::activity::{Failure, Providers, shown_result};
use crate::controls::{self, Level, Scope};
use crate::events::Event;
use crate::halt::Halt;
use crate::journal::{Entry, Place, Runs, Section, SharedEntry, timestamp};
use crate::runner::Run;
use crate::signals::Lane;
use crate::strategies::Dry;

/// The longest pause, where the document asks for more: ten years.
const LONGEST_PAUSE: f64 = 3.2e8;

impl Run {
    /// Runs the activity at a place, or the one it refers to.
    ///
    /// # Errors
    /// What halts the run or this part of it; the entry, if there is one, is finished.
    pub(crate) async fn execute(
        &self,
        place: Place,
        section: Section,
        runs: Option<&Runs>,
        lane: &Lane,
    ) -> Result<SharedEntry, Halt> {
        let place = self.resolved(place)?;
        let level = Level::Activity(place);
        let before = self.apply_controls(level, Scope::Before, controls::State::None, lane);
        let done = match before.await {
            Ok(()) => self.perform(place, section, runs, lane).await,
            Err(halt) => Err(halt),
        };
        let state = match &done {
            Ok(entry) => controls::State::Entry(entry),
            Err(_) => controls::State::None,
        };
        self.apply_controls(level, Scope::After, state, lane)
            .await?;
        if let (Ok(entry), Section::Method | Section::Rollbacks) = (&done, section) {
            self.chronicle_end(entry);
        }
        done
    }

    /// Tells the event log that an activity has ended.
    pub(crate) fn chronicle_end(&self, entry: &SharedEntry) {
        let entry = entry.borrow();
        self.chronicle
            .activity_ended(entry.id, &entry.value(&self.experiment()));
    }

    fn resolved(&self, place: Place) -> Result<Place, Halt> {
        let experiment = self.experiment();
        let reference = place.find(&experiment).and_then(|a| a.get("ref"));
        let Some(reference) = reference.filter(|reference| reference.is_truthy()) else {
            return Ok(place);
        };
        let name = text::str(reference);
        let known = self.state.borrow().named.get(&name).copied();
        known.ok_or_else(|| {
            let message = format!("could not find referenced activity '{name}'");
            Halt::unexpected("ActivityFailed", message)
        })
    }

    async fn perform(
        &self,
        place: Place,
        section: Section,
        runs: Option<&Runs>,
        lane: &Lane,
    ) -> Result<SharedEntry, Halt> {
        let logger = &self.session.logger;
        let held = self.documents();
        let activity = place.find(&held.experiment).cloned().unwrap_or_default();
        // A text in the document never equals the reference's constants, and so switches them off.
        let dry = self.dry.filter(|_| activity.get("dry").is_none());
        let (before, after) = pauses(&activity, &held.configuration, &held.secrets)?;
        let Some(activity_type) = activity.get("type") else {
            return Err(Halt::unexpected("KeyError", "'type'"));
        };
        let activity_type = text::str(activity_type);
        let skipped = dry.is_some_and(|dry| dry.skips(&activity_type));
        let pausing = dry != Some(Dry::Pause) && !skipped;
        if before.is_truthy() {
            let told = text::str(&before);
            logger.info(format!("Pausing before next activity for {told}s..."));
            if pausing {
                lane.guard(tokio::time::sleep(pause(&before)?)).await?;
            }
        }
        let name = text::str(&activity.get("name").into());
        let background = activity.get("background").is_some_and(Value::is_truthy);
        let suffix = if background { " [in background]" } else { "" };
        logger.info(format!("{}: {name}{suffix}", title(&activity_type)));

        let start = Timestamp::now();
        let id = self.chronicle.next_id();
        let entry = Entry::new(id, place, &activity, &timestamp(start));
        self.chronicle
            .activity_started(section, id, &Value::Dict(entry.fields.clone()));
        let entry: SharedEntry = Rc::new(RefCell::new(entry));
        if let Some(runs) = runs {
            runs.borrow_mut().push(Rc::clone(&entry));
        }
        self.observe(Event::ActivityStarted {
            activity: &activity,
        })
        .await;
        let held = self.documents();
        let providers = Providers::on(&self.session, lane.clone());
        let ran = if skipped {
            logger.debug(format!("Activity {name} is in dry mode"));
            Ok(Value::None)
        } else {
            providers
                .run(&activity, &held.configuration, &held.secrets)
                .await
        };
        if let Some(reason) = providers.unserialisable() {
            let mut state = self.state.borrow_mut();
            state.unserialisable.get_or_insert(reason);
        }
        let halt = self.take_result(&entry, ran);
        if halt == Some(Halt::Cancelled) {
            // The reference does not come back to it: the entry stays as it was at the start.
            self.chronicle_end(&entry);
            return Err(Halt::Cancelled);
        }
        finish(&entry, start);
        let value = entry.borrow().value(&self.experiment());
        self.observe(Event::ActivityCompleted {
            activity: &activity,
            entry: &value,
        })
        .await;
        if after.is_truthy() {
            let told = text::str(&after);
            logger.info(format!("Pausing after activity for {told}s..."));
            if pausing {
                // What has ended is on disk before it is waited; controls may add to it later.
                self.chronicle_end(&entry);
            }
            // The reference sleeps also when it was told to end; nobody waits for that here.
            if pausing && matches!(halt, None | Some(Halt::Unexpected(_))) {
                let paused = match pause(&after) {
                    Ok(pause) => lane.guard(tokio::time::sleep(pause)).await,
                    Err(raised) => Err(raised.into()),
                };
                if paused.is_err() {
                    self.chronicle_end(&entry);
                    paused?;
                }
            }
        }
        match halt {
            None => Ok(entry),
            Some(halt) => {
                self.chronicle_end(&entry);
                Err(halt)
            }
        }
    }

    fn take_result(&self, entry: &SharedEntry, ran: Result<Value, Failure>) -> Option<Halt> {
        let logger = &self.session.logger;
        let mut entry = entry.borrow_mut();
        let fields = &mut entry.fields;
        match ran {
            Ok(result) => {
                match shown_result(&self.session, &result) {
                    Some(_) if result.is_none() => {
                        logger.debug("  => succeeded without any result value");
                    }
                    Some(shown) => logger.debug(format!("  => succeeded with '{shown}'")),
                    None => {}
                }
                fields.insert("output", result);
                fields.insert("status", "succeeded");
                None
            }
            Err(Failure::Failed { message, exception }) => {
                fail(fields, exception);
                logger.error(format!("  => failed: {message}"));
                None
            }
            Err(Failure::Halted(halt)) => {
                logger.debug(format!("Activity failed: {halt}"));
                Some(halt)
            }
        }
    }
}

/// Marks an entry as failed.
pub(crate) fn fail(fields: &mut Dict, exception: Vec<String>) {
    fields.insert("status", "failed");
    let exception: Vec<Value> = exception.into_iter().map(Value::Str).collect();
    fields.insert("exception", exception);
}

fn finish(entry: &SharedEntry, start: Timestamp) {
    let end = Timestamp::now();
    let micros = end.duration_since(start).as_micros();
    let mut entry = entry.borrow_mut();
    entry.fields.insert("end", timestamp(end));
    #[expect(
        clippy::cast_precision_loss,
        reason = "a duration of centuries is not met"
    )]
    entry.fields.insert("duration", micros as f64 / 1e6);
}

fn pauses(
    activity: &Value,
    configuration: &Value,
    secrets: &Value,
) -> Result<(Value, Value), Raised> {
    let Some(pauses) = activity.get("pauses") else {
        return Ok((Value::None, Value::None));
    };
    let empty = Dict::new();
    let (configuration, secrets) = (
        configuration.as_dict().unwrap_or(&empty),
        secrets.as_dict().unwrap_or(&empty),
    );
    let pauses = template::substitute(pauses, configuration, secrets)?;
    if pauses.as_dict().is_none() {
        let kind = pauses.type_name();
        let message = format!("'{kind}' object has no attribute 'get'");
        return Err(Raised::new("AttributeError", message));
    }
    Ok((pauses.get("before").into(), pauses.get("after").into()))
}

fn pause(seconds: &Value) -> Result<Duration, Raised> {
    let Some(number) = seconds.as_f64() else {
        let kind = seconds.type_name();
        let message = format!("'{kind}' object cannot be interpreted as an integer");
        return Err(Raised::new("TypeError", message));
    };
    if number < 0.0 {
        let message = "sleep length must be non-negative";
        return Err(Raised::new("ValueError", message));
    }
    Ok(Duration::from_secs_f64(number.min(LONGEST_PAUSE)))
}

fn title(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + &letters.as_str().to_lowercase()
}
