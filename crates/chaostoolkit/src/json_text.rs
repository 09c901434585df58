//! JSON for files and terminals in ASCII only, as `json.dumps(value, indent=n)` writes it.

use shaketable_dialect::{Raised, Value, json};

/// The JSON text of a value, `indent` columns a level, everything beyond ASCII escaped.
///
/// # Errors
/// `TypeError` for what JSON does not have.
pub(crate) fn dump(value: &Value, indent: usize) -> Result<String, Raised> {
    let text = json::dump(value, Some(indent))?;
    let mut ascii = String::with_capacity(text.len());
    for letter in text.chars() {
        // Only texts hold such letters, so an escape is right wherever one is met.
        if letter.is_ascii() {
            ascii.push(letter);
        } else {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                ascii.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    Ok(ascii)
}
