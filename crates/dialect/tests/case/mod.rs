//! Recorded cases: what Python made of inputs, by `tests/recorded/record.py`.

use serde_json::Value as Json;

/// One recorded case.
pub struct Case(Json);

impl Case {
    /// All cases of a file.
    pub fn all(recorded: &str) -> Vec<Case> {
        recorded
            .lines()
            .map(|line| Case(serde_json::from_str(line).expect("a recorded case")))
            .collect()
    }

    /// A text of the case.
    pub fn text(&self, name: &str) -> &str {
        let text = self.0.get(name).and_then(Json::as_str);
        text.unwrap_or_else(|| panic!("no {name} in {}", self.0))
    }

    /// What Python made of it: a value's `repr()`, or `kind: message` of an exception.
    pub fn outcome(&self) -> Result<String, String> {
        match self.0.get("repr") {
            Some(_) => Ok(self.text("repr").to_string()),
            None => Err(format!("{}: {}", self.text("raises"), self.text("message"))),
        }
    }
}

/// Fails with what differs.
pub fn report(differences: &[String]) {
    assert!(
        differences.is_empty(),
        "{} cases differ:\n{}",
        differences.len(),
        differences.join("\n")
    );
}
