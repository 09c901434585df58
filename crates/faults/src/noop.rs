//! `noop`: breaks nothing. The template for a new fault, and a check on Shaketable itself: since
//! there is no effect to confirm, an experiment with it is inconclusive.

use std::time::Duration;

use shaketable_document::{Field, Kind};
use shaketable_experiment::FaultDeclaration;

use crate::fault::{BoxFuture, Context, Fault, FaultError, Observed, Parameters};
use crate::undo::UndoRecord;

pub(crate) struct Noop;

const PARAMETERS: &[Field<'static>] = &[Field::optional(
    "ends-after",
    Kind::Duration,
    "When it is over; at the end of the method when left out.",
)];

impl Fault for Noop {
    fn declaration(&self) -> FaultDeclaration {
        FaultDeclaration {
            name: "noop",
            doc: "Breaks nothing; an experiment with it is inconclusive.",
            parameters: PARAMETERS,
            targets: &["leader-of", "controller", "service"],
        }
    }

    fn undoing(&self) -> &'static str {
        "Nothing is undone; there is nothing to see."
    }

    fn describe(&self, record: &UndoRecord) -> String {
        format!("does nothing to {}", record.hit.instance)
    }

    fn lasts(&self, parameters: &Parameters) -> Option<Duration> {
        parameters.duration("ends-after")
    }

    fn apply<'a>(
        &'a self,
        _record: &'a UndoRecord,
        _context: &'a Context,
    ) -> BoxFuture<'a, Result<(), FaultError>> {
        Box::pin(async { Ok(()) })
    }

    fn confirm<'a>(
        &'a self,
        _record: &'a UndoRecord,
        _context: &'a Context,
    ) -> BoxFuture<'a, Observed> {
        Box::pin(async { Observed::No("noop has no effect".to_owned()) })
    }

    fn recover<'a>(
        &'a self,
        _record: &'a UndoRecord,
        _context: &'a Context,
    ) -> BoxFuture<'a, Result<(), FaultError>> {
        Box::pin(async { Ok(()) })
    }

    fn is_recovered<'a>(
        &'a self,
        _record: &'a UndoRecord,
        _context: &'a Context,
    ) -> BoxFuture<'a, Observed> {
        Box::pin(async { Observed::Yes("noop leaves nothing behind".to_owned()) })
    }
}
