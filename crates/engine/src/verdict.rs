//! The verdict: three-valued facts below, one word above. Unknown is never a pass.
//!
//! In this order, the first that applies:
//! 1. **error** – the machine, the system or Shaketable failed, a fault could not be recovered, or
//!    the ledger does not balance.
//! 2. **aborted** – a safeguard or a signal ended the run.
//! 3. **inconclusive** – the system was not steady before anything was broken, or a fault was not
//!    seen to take effect, or an action could not be carried out, or something was not really done (a
//!    dry run): whatever was measured then says nothing about that fault.
//! 4. **deviated** – a probe of the hypothesis was seen not to hold.
//! 5. **inconclusive** – a probe could not be measured, there was none or none was asked, nothing was acknowledged at
//!    all, or acknowledgements repeat an identity.
//! 6. **passed**.

use serde::{Deserialize, Serialize};

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The hypothesis held, and everything needed to say so was observed.
    Passed,
    /// The hypothesis did not hold.
    Deviated,
    /// Nothing was proven.
    Inconclusive,
    /// It was ended early.
    Aborted,
    /// It could not be carried out.
    Error,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Verdict::Passed => "passed",
            Verdict::Deviated => "deviated",
            Verdict::Inconclusive => "inconclusive",
            Verdict::Aborted => "aborted",
            Verdict::Error => "error",
        })
    }
}

/// The facts a verdict follows from, each with the reasons in words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grounds {
    /// Failures of the machine, the system, Shaketable, or the document.
    pub errors: Vec<String>,
    /// Why it was ended early.
    pub aborted: Option<String>,
    /// Why the experiment proves nothing whatever was measured.
    pub unproven: Vec<String>,
    /// Probes that were seen not to hold.
    pub deviations: Vec<String>,
    /// Probes that could not be measured.
    pub unknown: Vec<String>,
}

impl Grounds {
    /// The Chaos Toolkit's `status` and `deviated` for this.
    pub fn toolkit_status(&self) -> (&'static str, bool) {
        let (verdict, _) = self.verdict();
        let status = match verdict {
            Verdict::Passed => "completed",
            Verdict::Deviated => "failed",
            Verdict::Inconclusive if self.unproven.is_empty() => "completed",
            Verdict::Inconclusive => "failed",
            Verdict::Aborted => "interrupted",
            Verdict::Error => "aborted",
        };
        (status, !self.deviations.is_empty())
    }

    /// The verdict and the reasons for it; a pass has none.
    pub fn verdict(&self) -> (Verdict, Vec<String>) {
        let all = |first: &[String], then: &[&[String]]| {
            first
                .iter()
                .chain(then.iter().copied().flatten())
                .cloned()
                .collect::<Vec<_>>()
        };
        if !self.errors.is_empty() {
            return (
                Verdict::Error,
                all(
                    &self.errors,
                    &[&self.unproven, &self.deviations, &self.unknown],
                ),
            );
        }
        if let Some(reason) = &self.aborted {
            return (Verdict::Aborted, all(std::slice::from_ref(reason), &[]));
        }
        if !self.unproven.is_empty() {
            return (
                Verdict::Inconclusive,
                all(&self.unproven, &[&self.deviations, &self.unknown]),
            );
        }
        if !self.deviations.is_empty() {
            return (Verdict::Deviated, all(&self.deviations, &[&self.unknown]));
        }
        if !self.unknown.is_empty() {
            return (Verdict::Inconclusive, self.unknown.clone());
        }
        (Verdict::Passed, Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_lattice() {
        let some = vec!["reason".to_owned()];
        for bits in 0u8..32 {
            let on = |bit: u8| {
                if bits & (1 << bit) == 0 {
                    Vec::new()
                } else {
                    some.clone()
                }
            };
            let grounds = Grounds {
                errors: on(0),
                aborted: on(1).pop(),
                unproven: on(2),
                deviations: on(3),
                unknown: on(4),
            };
            let expected = match bits {
                0 => Verdict::Passed,
                bits if bits & 1 != 0 => Verdict::Error,
                bits if bits & 2 != 0 => Verdict::Aborted,
                bits if bits & 4 != 0 => Verdict::Inconclusive,
                bits if bits & 8 != 0 => Verdict::Deviated,
                _ => Verdict::Inconclusive,
            };
            let (verdict, reasons) = grounds.verdict();
            assert_eq!(verdict, expected, "{bits:05b}");
            assert_eq!(reasons.is_empty(), verdict == Verdict::Passed);
        }
    }
}
