//! `healthcheck`: the program that tells whether a service is well.

use std::time::Duration;

use shaketable_document::{Data, Node};

use super::Healthcheck;
use super::keys;
use super::reader::Reader;

/// Compose's defaults for a health check.
const HEALTH_INTERVAL: Duration = Duration::from_secs(30);
const HEALTH_RETRIES: u32 = 3;
const HEALTH_START_INTERVAL: Duration = Duration::from_secs(5);

impl Reader<'_> {
    pub(super) fn healthcheck(&mut self, node: &Node) -> Option<Healthcheck> {
        let entries = self.entries(node, "`healthcheck`", "healthcheck.", keys::HEALTHCHECK)?;
        let mut check = Healthcheck {
            test: Vec::new(),
            interval: HEALTH_INTERVAL,
            timeout: HEALTH_INTERVAL,
            retries: HEALTH_RETRIES,
            start_period: Duration::ZERO,
            start_interval: HEALTH_START_INTERVAL,
        };
        let mut disabled = false;
        let mut has_test = false;
        for entry in entries {
            let value = &entry.value;
            // As in Docker, nought is the default of every one that has to be something.
            let time = |reader: &mut Self, what: &str, default| {
                let found = reader.duration(value, what);
                found.filter(|time| !time.is_zero()).unwrap_or(default)
            };
            match entry.key.as_str() {
                "test" => {
                    has_test = true;
                    match self.health_test(value) {
                        Some(test) => check.test = test,
                        None => disabled = true,
                    }
                }
                "interval" => {
                    check.interval = time(self, "`interval`", HEALTH_INTERVAL);
                }
                "timeout" => {
                    check.timeout = time(self, "`timeout`", HEALTH_INTERVAL);
                }
                "start_period" => {
                    check.start_period = self
                        .duration(value, "`start_period`")
                        .unwrap_or(check.start_period)
                }
                "start_interval" => {
                    check.start_interval = time(self, "`start_interval`", HEALTH_START_INTERVAL);
                }
                "retries" => {
                    if let Some(count @ 1..) = self.count(value, "`retries`") {
                        check.retries = count as u32;
                    }
                }
                _ => disabled |= self.truth(value, "`disable`") == Some(true),
            }
        }
        if !has_test && !disabled {
            self.error(node.span, "the health check has no `test`");
        }
        (!disabled && !check.test.is_empty()).then_some(check)
    }

    /// `None` means that the check is switched off.
    fn health_test(&mut self, node: &Node) -> Option<Vec<String>> {
        let shell = |line: String| vec!["/bin/sh".to_owned(), "-c".to_owned(), line];
        if let Data::Text(_) = node.data {
            return Some(self.string(node, "`test`").map_or_else(Vec::new, shell));
        }
        let Some(words) = self.words(node, "`test`") else {
            return Some(Vec::new());
        };
        match words.split_first() {
            Some((kind, _)) if kind == "NONE" => None,
            Some((kind, rest)) if kind == "CMD" && !rest.is_empty() => Some(rest.to_vec()),
            Some((kind, rest)) if kind == "CMD-SHELL" && rest.len() == 1 => {
                Some(shell(rest[0].clone()))
            }
            _ => {
                self.error(
                    node.span,
                    "`test` is a text, or a list that begins with CMD, CMD-SHELL or NONE",
                );
                Some(Vec::new())
            }
        }
    }
}
