//! The help of a command, laid out as the click library does.

use crate::command_line::{Command, Takes};

/// Columns of a line.
const WIDTH: usize = 78;

/// Most columns of the left one of two.
const LEFT_MOST: usize = 30;

/// The first line of the help, and of every usage error.
pub(crate) fn usage(path: &str, command: &Command) -> String {
    let mut usage = format!("Usage: {path} [OPTIONS]");
    for argument in command.arguments {
        usage.push_str(&format!(" {}", argument.name));
    }
    if !command.commands.is_empty() {
        usage.push_str(" COMMAND [ARGS]...");
    }
    usage.push('\n');
    usage
}

/// The whole help.
pub(crate) fn of(path: &str, command: &Command) -> String {
    let mut help = usage(path, command);
    for paragraph in command.about.split("\n\n").filter(|text| !text.is_empty()) {
        help.push('\n');
        for line in wrap(paragraph, WIDTH - 2) {
            help.push_str(&format!("  {line}\n"));
        }
    }
    let mut options: Vec<(String, String)> = command
        .options
        .iter()
        .map(|option| {
            let left = format!("{}{}", option.name, metavar(option.takes));
            (left, option.about.to_string())
        })
        .collect();
    options.push((
        "--help".to_string(),
        "Show this message and exit.".to_string(),
    ));
    help.push_str("\nOptions:\n");
    help.push_str(&columns(&options));
    if !command.commands.is_empty() {
        let longest = command.commands.iter().map(|known| known.name.len());
        let longest = longest.max().unwrap_or(0);
        let commands: Vec<(String, String)> = command
            .commands
            .iter()
            .map(|known| (known.name.to_string(), short(known, WIDTH - 6 - longest)))
            .collect();
        help.push_str("\nCommands:\n");
        help.push_str(&columns(&commands));
    }
    help
}

fn metavar(takes: Takes) -> String {
    match takes {
        Takes::Flag => String::new(),
        Takes::Text => " TEXT".to_string(),
        Takes::Float => " FLOAT".to_string(),
        Takes::AnyPath | Takes::Path => " PATH".to_string(),
        Takes::File => " FILE".to_string(),
        Takes::Choice(choices) => format!(" [{}]", choices.join("|")),
    }
}

/// Two columns; a left side that is too long stands alone.
fn columns(rows: &[(String, String)]) -> String {
    let widest = rows.iter().map(|(left, _)| left.len()).max().unwrap_or(0);
    let left_width = widest.min(LEFT_MOST) + 2;
    let right_width = WIDTH - left_width - 2;
    let mut text = String::new();
    for (left, right) in rows {
        text.push_str(&format!("  {left}"));
        if left.len() <= left_width - 2 {
            text.push_str(&" ".repeat(left_width - left.len()));
        } else {
            text.push_str(&format!("\n{}", " ".repeat(left_width + 2)));
        }
        let lines = wrap(right, right_width);
        let indent = format!("\n{}", " ".repeat(left_width + 2));
        text.push_str(&lines.join(&indent));
        text.push('\n');
    }
    text
}

/// Lines of at most `width` columns, broken at spaces and after hyphens between letters.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for chunk in chunks(text) {
        if line.is_empty() && chunk.trim().is_empty() && !lines.is_empty() {
            continue;
        }
        if !line.is_empty() && line.len() + chunk.len() > width && !chunk.trim().is_empty() {
            lines.push(line.trim_end().to_string());
            line = String::new();
        }
        line.push_str(&chunk);
    }
    lines.push(line.trim_end().to_string());
    lines
}

/// Words, the spaces between them, and the parts of words with hyphens.
fn chunks(text: &str) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    let mut chunks: Vec<String> = vec![String::new()];
    for (at, letter) in letters.iter().enumerate() {
        let around = |at: Option<usize>| {
            at.and_then(|at| letters.get(at))
                .is_some_and(|letter| letter.is_alphabetic())
        };
        let space = *letter == ' ' || *letter == '\n';
        if let Some(chunk) = chunks.last()
            && chunk
                .chars()
                .next_back()
                .is_some_and(|last| (last == ' ') != space)
        {
            chunks.push(String::new());
        }
        let hyphen = *letter == '-' && around(at.checked_sub(1)) && around(Some(at + 1));
        if let Some(chunk) = chunks.last_mut() {
            chunk.push(if space { ' ' } else { *letter });
        }
        if hyphen {
            chunks.push(String::new());
        }
    }
    chunks
}

/// The first sentence of a command, cut to `width` columns.
fn short(command: &Command, width: usize) -> String {
    let text = command.about.split("\n\n").next().unwrap_or_default();
    let sentence = text.split_inclusive(". ").next().unwrap_or_default().trim();
    if sentence.len() <= width {
        return sentence.to_string();
    }
    let mut short = String::new();
    for word in sentence.split_whitespace() {
        if short.len() + word.len() + 1 + "...".len() > width {
            break;
        }
        if !short.is_empty() {
            short.push(' ');
        }
        short.push_str(word);
    }
    short.push_str("...");
    short
}
