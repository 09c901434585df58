//! Events of a document, with the grammar of YAML 1.2 evened out towards PyYAML's where experiments meet the
//! difference:
//! - inside brackets and quotes PyYAML does not look at indentation, so that `]` may stand below the key;
//! - a block scalar whose last line is the end of the file, without a line break, ends without one.

use std::borrow::Cow;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};

use crate::raised::Raised;

/// How many lines may be indented before the document is given up.
const MAX_REPAIRS: usize = 1000;

/// By how much a line is indented that stands too far left, in columns.
const REPAIR: &str = match std::str::from_utf8(&[b' '; 128]) {
    Ok(blanks) => blanks,
    Err(_) => "",
};

/// The document with every line indented that the grammar of 1.2 wants further right. White space at the
/// beginning of such lines means nothing.
pub(super) fn evened(text: &str) -> Cow<'_, str> {
    // White space after the last line break is no line of its own.
    let content = text.trim_end_matches([' ', '\t']);
    let is_blank = content.ends_with('\n');
    let mut text = Cow::Borrowed(if is_blank { content } else { text });
    for _ in 0..MAX_REPAIRS {
        let Some(error) = Parser::new_from_str(&text).find_map(Result::err) else {
            break;
        };
        let Some(at) = repair(&text, &error) else {
            break;
        };
        text.to_mut().insert_str(at, REPAIR);
    }
    text
}

/// Where the line begins that stands too far left; nothing if that is not what is wrong.
fn repair(text: &str, error: &ScanError) -> Option<usize> {
    // The number of the line, from 0. Of quoted text the error tells where it began: it is one of the lines
    // after, and all before the culprit belong to the text as well.
    let first = match error.info() {
        "invalid indentation" | "invalid indentation in flow construct" => {
            error.marker().line().checked_sub(1)?
        }
        "invalid indentation in quoted scalar" => error.marker().line(),
        _ => return None,
    };
    let is_quoted = error.info().ends_with("quoted scalar");
    let mut begin = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let is_new = !line.starts_with(REPAIR) && !line.trim().is_empty();
        if number == first && !is_quoted {
            return is_new.then_some(begin);
        }
        if number >= first && is_new {
            return Some(begin);
        }
        begin += line.len();
    }
    None
}

/// The events of a document and the lines where they are, counted from 1.
pub(super) fn events(text: &str) -> impl Iterator<Item = Result<(Event<'_>, usize), Raised>> {
    let length = text.chars().count();
    let is_open = !text.ends_with(['\n', '\r']);
    Parser::new_from_str(text).map(move |event| {
        let (mut event, span) = event.map_err(|error| {
            let (line, column) = (error.marker().line(), error.marker().col() + 1);
            let message = format!("{} at line {line}, column {column}", error.info());
            Raised::new("ScannerError", message)
        })?;
        if let Event::Scalar(text, ScalarStyle::Literal | ScalarStyle::Folded, _, _) = &mut event
            && is_open
            && span.end.index() >= length
            && text.ends_with('\n')
        {
            text.to_mut().pop();
        }
        Ok((event, span.start.line()))
    })
}
