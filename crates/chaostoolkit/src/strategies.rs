//! When the hypothesis and the rollbacks of a run are played.

use crate::problem::Problem;

/// When the hypothesis is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hypothesis {
    /// Before and after the method.
    Default,
    /// Before it only.
    BeforeMethod,
    /// After it only.
    AfterMethod,
    /// While it runs only.
    DuringMethod,
    /// Before, while it runs and after it.
    Continuous,
    /// Never.
    Skip,
}

impl Hypothesis {
    /// The strategy of a name.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn of_name(name: &str) -> Result<Hypothesis, Problem> {
        Ok(match name {
            "default" => Hypothesis::Default,
            "before-method-only" => Hypothesis::BeforeMethod,
            "after-method-only" => Hypothesis::AfterMethod,
            "during-method-only" => Hypothesis::DuringMethod,
            "continuously" => Hypothesis::Continuous,
            "skip" => Hypothesis::Skip,
            _ => return Err(Problem::crash("ValueError", "Unknown strategy")),
        })
    }

    /// Its name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Hypothesis::Default => "default",
            Hypothesis::BeforeMethod => "before-method-only",
            Hypothesis::AfterMethod => "after-method-only",
            Hypothesis::DuringMethod => "during-method-only",
            Hypothesis::Continuous => "continuous",
            Hypothesis::Skip => "skip",
        }
    }

    /// Is it evaluated before the method?
    pub fn before(self) -> bool {
        use Hypothesis::{BeforeMethod, Continuous, Default};
        matches!(self, Default | BeforeMethod | Continuous)
    }

    /// Is it evaluated while the method runs?
    pub fn during(self) -> bool {
        matches!(self, Hypothesis::DuringMethod | Hypothesis::Continuous)
    }

    /// Is it evaluated after the method?
    pub fn after(self) -> bool {
        use Hypothesis::{AfterMethod, Continuous, Default};
        matches!(self, Default | AfterMethod | Continuous)
    }
}

/// How often the hypothesis is evaluated beside the method, and what a failure does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// Seconds between two evaluations.
    pub frequency: f64,
    /// End the method at the first evaluation that is not met.
    pub fail_fast: bool,
}

/// What a dry run leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dry {
    /// Probes.
    Probes,
    /// Actions.
    Actions,
    /// Both.
    Activities,
    /// Pauses.
    Pause,
}

impl Dry {
    /// The kind of a name.
    pub fn of_name(name: &str) -> Option<Dry> {
        Some(match name {
            "probes" => Dry::Probes,
            "actions" => Dry::Actions,
            "activities" => Dry::Activities,
            "pause" => Dry::Pause,
            _ => return None,
        })
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Dry::Probes => "probes",
            Dry::Actions => "actions",
            Dry::Activities => "activities",
            Dry::Pause => "pause",
        }
    }

    /// Does it leave out an activity of this type?
    pub fn skips(self, activity_type: &str) -> bool {
        match self {
            Dry::Actions => activity_type == "action",
            Dry::Probes => activity_type == "probe",
            Dry::Activities => true,
            Dry::Pause => false,
        }
    }
}
