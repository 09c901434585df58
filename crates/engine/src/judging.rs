//! Judging: whether what is asked of the system is as it has to be.
//!
//! No answer is unknown, never a failure of the system and never a pass. Of several questions that are
//! judged together, one without an answer counts as one whose answer is not as it has to be; all of them
//! without an answer are unknown.

use std::time::Duration;

use serde_json::{Value, json};
use shaketable_dialect::{Value as PythonValue, text};
use shaketable_experiment::{Activity, Condition, ProcessArguments, Provider, Tolerance, Until};
use shaketable_faults::Observed;
use shaketable_ledger::Ledger;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout_at};

use crate::carrying::Carried;
use crate::probes::{Asker, brief};

/// What was asked, and what it says.
#[derive(Clone, Debug)]
pub struct Judged {
    /// What came of the last question.
    pub carried: Carried,
    /// Whether the answer is as it has to be.
    pub holds: Observed,
}

impl Asker {
    /// Asks an activity that is [prepared](Asker::prepare), and judges what it answers. With `wait`,
    /// it is asked again as its `until` says. `ledger` is what a ledger probe is answered from.
    pub async fn judge(&self, activity: &Activity, ledger: Option<&Ledger>, wait: bool) -> Judged {
        match activity.until.filter(|_| wait) {
            Some(until) => self.judge_until(activity, ledger, until).await,
            None => self.judge_once(activity, ledger).await,
        }
    }

    async fn judge_until(
        &self,
        activity: &Activity,
        ledger: Option<&Ledger>,
        until: Until,
    ) -> Judged {
        let end = Instant::now() + until.timeout;
        let mut last = None;
        loop {
            match timeout_at(end, self.judge_once(activity, ledger)).await {
                Ok(judged) if judged.holds.is_yes() || judged.carried.interrupts.is_some() => {
                    return judged;
                }
                Ok(judged) => last = Some(judged),
                Err(_) => {}
            }
            if end <= Instant::now() + until.every {
                let waited = format!("within {} s", until.timeout.as_secs_f64());
                let Some(mut judged) = last else {
                    let reason = format!("no answer {waited}");
                    return Judged {
                        carried: Carried::not_begun(reason.clone()),
                        holds: Observed::Unknown(reason),
                    };
                };
                if let Observed::No(detail) = &mut judged.holds {
                    *detail = format!("not {waited}: {detail}");
                }
                return judged;
            }
            sleep(until.every).await;
        }
    }

    async fn judge_once(&self, activity: &Activity, ledger: Option<&Ledger>) -> Judged {
        match &activity.tolerance {
            Some(Tolerance::Samples {
                condition,
                at_least,
                of,
                every,
            }) => {
                let wanted = (condition, *at_least);
                self.judge_samples(activity, ledger, wanted, *of, *every)
                    .await
            }
            Some(Tolerance::Rate {
                condition,
                over,
                target,
            }) => {
                let target = target.as_deref();
                self.judge_rate(activity, ledger, condition, *over, target)
                    .await
            }
            tolerance => {
                let carried = self.carry_out(activity, ledger).await;
                let holds = match (&carried.output, tolerance) {
                    (Err(reason), _) => Observed::Unknown(reason.clone()),
                    (Ok(output), Some(Tolerance::Output(condition))) => {
                        self.observed(output, condition)
                    }
                    (Ok(output), Some(Tolerance::Probe(judge))) => {
                        self.judged_by(judge, output).await
                    }
                    (Ok(_), _) => Observed::Unknown("the probe has no tolerance".to_owned()),
                };
                Judged { carried, holds }
            }
        }
    }

    fn observed(&self, output: &Value, condition: &Condition) -> Observed {
        let found = self.brief(output);
        match condition.holds(output) {
            true => Observed::Yes(found),
            false => Observed::No(format!("{found}, tolerated is {condition}")),
        }
    }

    /// Asks as often as is to be asked: each answer is one of the distribution that is reported.
    async fn judge_samples(
        &self,
        activity: &Activity,
        ledger: Option<&Ledger>,
        (condition, at_least): (&Condition, f64),
        of: u32,
        every: Duration,
    ) -> Judged {
        let mut clock = interval(every);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut held, mut unanswered) = (0_u32, 0_u32);
        let mut unmet = None;
        let mut last = Carried::not_begun("it was never asked".to_owned());
        for _ in 0..of {
            clock.tick().await;
            let carried = self.carry_out(activity, ledger).await;
            match &carried.output {
                Ok(output) if condition.holds(output) => held += 1,
                Ok(output) => unmet = Some(self.brief(output)),
                Err(_) => unanswered += 1,
            }
            let is_interrupted = carried.interrupts.is_some();
            last = carried;
            if is_interrupted {
                break;
            }
        }
        let holds = match &last.output {
            Err(reason) if unanswered == of || last.interrupts.is_some() => Observed::Unknown(
                format!("none of {of} samples gave an answer, last: {reason}"),
            ),
            _ => {
                let share = f64::from(held) / f64::from(of);
                let mut found = format!("{held} of {of} samples ({})", percent(share));
                if unanswered > 0 {
                    found.push_str(&format!(", {unanswered} without an answer"));
                }
                if share >= at_least {
                    Observed::Yes(found)
                } else {
                    let last = unmet.map_or(String::new(), |unmet| format!(", last unmet {unmet}"));
                    let wanted = percent(at_least);
                    Observed::No(format!(
                        "{found}{last}; tolerated is {condition} in at least {wanted}"
                    ))
                }
            }
        };
        last.output = last.output.map(
            |last| json!({ "samples": of, "held": held, "unanswered": unanswered, "last": last }),
        );
        Judged {
            carried: last,
            holds,
        }
    }

    async fn judge_rate(
        &self,
        activity: &Activity,
        ledger: Option<&Ledger>,
        condition: &Condition,
        over: Duration,
        target: Option<&str>,
    ) -> Judged {
        let first = self.carry_out(activity, ledger).await;
        let begun = Instant::now();
        let from = first.output.as_ref().map_err(Clone::clone);
        let from = match from.and_then(|output| self.number(output, target)) {
            Ok(number) => number,
            Err(reason) => {
                return Judged {
                    carried: first,
                    holds: Observed::Unknown(reason),
                };
            }
        };
        sleep(over).await;
        let mut second = self.carry_out(activity, ledger).await;
        let elapsed_s = begun.elapsed().as_secs_f64();
        let to = second.output.as_ref().map_err(Clone::clone);
        let holds = match to.and_then(|output| self.number(output, target)) {
            Err(reason) => Observed::Unknown(reason),
            Ok(to) => {
                let rate = (to - from) / elapsed_s;
                second.output = Ok(json!({ "first": from, "second": to, "per_second": rate }));
                let found = format!("{rate:.3} per second");
                match condition.holds(&json!(rate)) {
                    true => Observed::Yes(found),
                    false => Observed::No(format!("{found}, tolerated is {condition}")),
                }
            }
        };
        Judged {
            carried: second,
            holds,
        }
    }

    /// The number that a rate is of: of the output, or of one of its keys.
    fn number(&self, output: &Value, target: Option<&str>) -> Result<f64, String> {
        let value = match target {
            Some(key) => output
                .get(key)
                .ok_or_else(|| format!("{} has no `{key}`", self.brief(output)))?,
            None => output,
        };
        let number = match value {
            Value::String(text) => text.trim().parse().ok(),
            _ => value.as_f64(),
        };
        let number = number.filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| format!("{} is no number", self.brief(value)))
    }

    /// Asks a probe whether the output of another is tolerated.
    async fn judged_by(&self, judge: &Activity, output: &Value) -> Observed {
        let found = self.brief(output);
        let name = &judge.name;
        let mut judge = judge.clone();
        if let Err(reason) = hand_over(&mut judge, output) {
            return Observed::Unknown(format!("`{name}` cannot judge {found}: {reason}"));
        }
        let verdict = match self.carry_out(&judge, None).await.output {
            Ok(verdict) => verdict,
            Err(reason) => {
                return Observed::Unknown(format!("`{name}` did not judge {found}: {reason}"));
            }
        };
        let holds = match judge.provider {
            // What a process leaves is a map, which is always true.
            Provider::Process(_) => verdict["status"] == 0,
            _ => PythonValue::from(verdict.clone()).is_truthy(),
        };
        match holds {
            true => Observed::Yes(found),
            false => Observed::No(format!("{found}, `{name}` says {}", self.brief(&verdict))),
        }
    }

    /// An output in a few words, without secrets.
    pub(crate) fn brief(&self, output: &Value) -> String {
        brief(&self.redaction.json(output))
    }
}

/// Puts the output where the judging probe finds it: its argument `value`, of a process two arguments.
fn hand_over(judge: &mut Activity, output: &Value) -> Result<(), String> {
    match &mut judge.provider {
        Provider::Python(call) => {
            call.arguments.insert("value".to_owned(), output.clone());
        }
        Provider::Function(call) => {
            call.arguments.insert("value".to_owned(), output.clone());
        }
        Provider::Process(call) => {
            let value = text::str(&PythonValue::from(output.clone()));
            match &mut call.arguments {
                ProcessArguments::List(list) => list.extend(["value".to_owned(), value]),
                ProcessArguments::Shell(_) => {
                    return Err("a command of a shell takes no further argument".to_owned());
                }
            }
        }
        _ => return Err("only a function or a process can judge an output".to_owned()),
    }
    Ok(())
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}
