//! `logs`: what services wrote, in the order in which they wrote it.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use shaketable_testbed::home::SystemFolder;
use shaketable_testbed::logs::{LogLine, LogReader, logged};
use shaketable_testbed::{Testbed, TestbedError};

use crate::arguments::Logs;
use crate::exit::Exit;
use crate::terminal;

/// How often `--follow` looks for more.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// Text that is gathered before it is printed.
const BLOCK_BYTES: usize = 64 << 10;
/// The name under which the supervisor's own log is found.
const SUPERVISOR: &str = "supervisor";

pub async fn run(testbed: &Testbed, arguments: Logs) -> Result<Exit, TestbedError> {
    // Logs outlive the system: they are found by folder, not by asking a supervisor.
    let system = system(testbed, &arguments).await?;
    let folder = testbed.home().system(&system);
    let mut known = logged(&folder);
    if let Ok(status) = testbed.client(&system).status().await {
        known.extend(status.instances.into_iter().map(|instance| instance.name));
    }
    known.sort();
    known.dedup();
    let chosen = choose(&system, &known, &arguments.services)?;
    let names_one = arguments.services.len() == 1 && chosen == arguments.services;
    let mut printer = Printer {
        width: (!names_one).then(|| chosen.iter().map(String::len).max().unwrap_or_default()),
        timestamps: arguments.timestamps,
        text: String::new(),
    };
    let mut sources: Vec<Source> = chosen
        .iter()
        .map(|name| Source::new(&folder, name, arguments.since, arguments.tail))
        .collect();
    loop {
        // Asked before reading: the last words come before the end.
        let goes_on = arguments.follow && testbed.client(&system).status().await.is_ok();
        if !printer.merge(&mut sources)? || !goes_on {
            return Ok(Exit::Passed);
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// The system that is meant: the one that was named, the only one that is up, or the only one whose
/// logs there are and that has the services.
async fn system(testbed: &Testbed, arguments: &Logs) -> Result<String, TestbedError> {
    if let Some(name) = &arguments.system {
        return Ok(match testbed.find(Some(name)).await {
            Ok((_, status)) => status.name,
            Err(_) => name.clone(),
        });
    }
    let mut names = testbed.home().system_names();
    if names.len() > 1 {
        let has_all = |name: &String| {
            let known = logged(&testbed.home().system(name));
            choose(name, &known, &arguments.services).is_ok()
        };
        let having: Vec<String> = names.iter().filter(|name| has_all(name)).cloned().collect();
        let running = testbed.running().await;
        let up: Vec<String> = running.into_iter().map(|status| status.name).collect();
        let both: Vec<String> = having
            .iter()
            .filter(|name| up.contains(name))
            .cloned()
            .collect();
        names = if both.len() == 1 { both } else { having };
    }
    match names.as_slice() {
        [name] => Ok(name.clone()),
        [] if testbed.home().system_names().is_empty() => Err(TestbedError::NotUp {
            name: None,
            known: "no system was ever up here".to_owned(),
        }),
        [] => Err(TestbedError::UnknownService {
            system: testbed.home().system_names().join("`, `"),
            service: arguments.services.join("`, `"),
            available: "not all of them; name a system with --system".to_owned(),
        }),
        several => Err(TestbedError::Conflict(format!(
            "several systems have such logs ({}); name one with --system",
            several.join(", ")
        ))),
    }
}

/// The instances that are meant, of those that have a log.
fn choose(system: &str, known: &[String], wanted: &[String]) -> Result<Vec<String>, TestbedError> {
    if wanted.is_empty() {
        let own = |name: &&String| *name != SUPERVISOR;
        return Ok(known.iter().filter(own).cloned().collect());
    }
    let mut chosen = Vec::new();
    for service in wanted {
        let is_meant = |name: &&String| {
            *name == service
                || name
                    .strip_prefix(service)
                    .and_then(|rest| rest.strip_prefix('-'))
                    .is_some_and(|ordinal| ordinal.parse::<usize>().is_ok())
        };
        let found: Vec<String> = known.iter().filter(is_meant).cloned().collect();
        if found.is_empty() {
            return Err(TestbedError::UnknownService {
                system: system.to_owned(),
                service: service.clone(),
                available: if known.is_empty() {
                    "no logs at all".to_owned()
                } else {
                    known.join(", ")
                },
            });
        }
        chosen.extend(found);
    }
    let mut seen = Vec::new();
    chosen.retain(|name| {
        let is_new = !seen.contains(name);
        seen.push(name.clone());
        is_new
    });
    Ok(chosen)
}

/// The lines of one instance that are wanted.
struct Source {
    instance: String,
    reader: LogReader,
    since: Option<Timestamp>,
    tail: Option<usize>,
    waiting: VecDeque<LogLine>,
}

impl Source {
    fn new(
        folder: &SystemFolder,
        instance: &str,
        since: Option<Timestamp>,
        tail: Option<usize>,
    ) -> Source {
        Source {
            instance: instance.to_owned(),
            reader: LogReader::new(folder, instance),
            since,
            tail,
            waiting: VecDeque::new(),
        }
    }

    /// Reads ahead: one line, or all there are when only the last ones are wanted.
    fn fill(&mut self) -> Result<(), TestbedError> {
        while self.waiting.is_empty() || self.tail.is_some() {
            let line = self.reader.line().map_err(|source| TestbedError::Io {
                what: format!("read the log of `{}`", self.instance),
                source,
            })?;
            let Some(line) = line else {
                return Ok(());
            };
            let is_old = matches!((line.at, self.since), (Some(at), Some(since)) if at < since);
            if !is_old {
                self.waiting.push_back(line);
            }
            if let Some(tail) = self.tail {
                let surplus = self.waiting.len().saturating_sub(tail);
                self.waiting.drain(..surplus);
            }
        }
        Ok(())
    }
}

/// What has been gathered to be printed.
struct Printer {
    /// The width of the names before the lines, when there are any.
    width: Option<usize>,
    timestamps: bool,
    text: String,
}

impl Printer {
    /// Prints all lines there are now, by their times; returns whether anybody still reads.
    fn merge(&mut self, sources: &mut [Source]) -> Result<bool, TestbedError> {
        for source in sources.iter_mut() {
            source.fill()?;
            source.tail = None;
        }
        loop {
            let with_line = sources
                .iter_mut()
                .filter_map(|source| Some((source.waiting.front()?.at, source)));
            let Some((_, first)) = with_line.min_by_key(|(at, _)| *at) else {
                return Ok(self.flush());
            };
            if let Some(line) = first.waiting.pop_front() {
                self.put(&first.instance, &line);
            }
            first.fill()?;
            if self.text.len() >= BLOCK_BYTES && !self.flush() {
                return Ok(false);
            }
        }
    }

    fn put(&mut self, instance: &str, line: &LogLine) {
        if let Some(width) = self.width {
            self.text.push_str(&format!("{instance:width$} | "));
        }
        if self.timestamps
            && let Some(at) = line.at
        {
            self.text.push_str(&format!("{at:.6} "));
        }
        self.text.push_str(&line.text);
        self.text.push('\n');
    }

    fn flush(&mut self) -> bool {
        let is_read = self.text.is_empty() || terminal::stream(&self.text);
        self.text.clear();
        is_read
    }
}
