//! `healthcheck`: the program that tells whether a service is well.

use std::time::Duration;

use shaketable_document::{Data, Node};

use super::Healthcheck;
use super::reader::Reader;

/// Compose's defaults for a health check.
const HEALTH_INTERVAL: Duration = Duration::from_secs(30);
const HEALTH_RETRIES: u32 = 3;
const HEALTH_START_INTERVAL: Duration = Duration::from_secs(5);

impl Reader<'_> {
    pub(super) fn healthcheck(&mut self, node: &Node) -> Option<Healthcheck> {
        let Data::Map(entries) = &node.data else {
            self.error(
                node.span,
                format!("`healthcheck` is a map, not {}", node.kind_name()),
            );
            return None;
        };
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
            match entry.key.as_str() {
                "test" => {
                    has_test = true;
                    match self.health_test(value) {
                        Some(test) => check.test = test,
                        None => disabled = true,
                    }
                }
                "interval" => check.interval = self.duration(value).unwrap_or(check.interval),
                "timeout" => check.timeout = self.duration(value).unwrap_or(check.timeout),
                "start_period" => {
                    check.start_period = self.duration(value).unwrap_or(check.start_period)
                }
                "start_interval" => {
                    check.start_interval = self.duration(value).unwrap_or(check.start_interval)
                }
                "retries" => check.retries = self.count(value, "retries") as u32,
                "disable" => match value.data {
                    Data::Bool(disable) => disabled |= disable,
                    _ => self.error(
                        value.span,
                        format!("`disable` is true or false, not {}", value.kind_name()),
                    ),
                },
                other => self.error(
                    entry.key_span,
                    format!("`{other}` of `healthcheck` is not supported"),
                ),
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
            return self.text(node).map(shell);
        }
        let words = self.words(node, "test");
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
