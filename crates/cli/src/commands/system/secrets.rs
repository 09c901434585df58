//! What `config` does not show: values that are secret by the name they stand under, as far as names
//! tell.

use shaketable_testbed::system::without_secrets;

/// Stands for what is not shown.
const HIDDEN: &str = "***";
/// Parts of the names of variables whose whole value is secret.
const SECRET_VARIABLES: [&str; 8] = [
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "SECRET",
    "TOKEN",
    "KEY",
    "CREDENTIAL",
    "JAAS",
];
/// Ends of the words, in lower case, after which a secret follows: after `=` or `:`, or as the next
/// word.
const SECRET_WORDS: [&str; 7] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "requirepass",
    "masterauth",
];

/// The value of a variable.
pub(super) fn variable(name: &str, value: &str) -> String {
    let upper = name.to_uppercase();
    if upper != "KEYED" && SECRET_VARIABLES.iter().any(|part| upper.contains(part)) {
        return HIDDEN.to_owned();
    }
    text(value)
}

/// The words of a command.
pub(super) fn command(words: &[String]) -> Vec<String> {
    let mut before: Option<&str> = None;
    let shown = words.iter().map(|word| {
        let before = before.replace(word);
        match before.is_some_and(|before| !before.contains([' ', '=']) && announces(before)) {
            true => HIDDEN.to_owned(),
            false => text(word),
        }
    });
    shown.collect()
}

/// A text, which may be a command line, a connection string or one option.
fn text(value: &str) -> String {
    let value = without_secrets(value);
    let mut shown = String::new();
    let mut rest = value.as_str();
    while let Some(end) = rest.find(|c: char| "=: ".contains(c)) {
        let (name, after) = rest.split_at(end);
        shown.push_str(name);
        let gap = after.len() - after.trim_start_matches(['=', ':', ' ']).len();
        shown.push_str(&after[..gap]);
        rest = &after[gap..];
        let name = name.rsplit([';', ',', '&', '"', '\'', '\n']).next();
        if !rest.is_empty() && name.is_some_and(announces) {
            shown.push_str(HIDDEN);
            rest = &rest[length_of_value(rest)..];
        }
    }
    shown + rest
}

/// Whether a secret follows this word.
fn announces(word: &str) -> bool {
    let word = word.to_lowercase();
    SECRET_WORDS.iter().any(|end| word.ends_with(end))
}

/// How long the value at the beginning of a text is, in bytes: to its closing quote, or to what ends
/// it.
fn length_of_value(text: &str) -> usize {
    let quote = text.chars().next().filter(|c| "\"'".contains(*c));
    match quote {
        Some(quote) => text[1..].find(quote).map_or(text.len(), |at| at + 2),
        None => text
            .find(|c: char| c.is_whitespace() || ";,&\"'".contains(c))
            .unwrap_or(text.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_secret_is_hidden() {
        for (written, shown) in [
            (
                "redis-server --requirepass x --port 1",
                "redis-server --requirepass *** --port 1",
            ),
            ("--requirepass=x", "--requirepass=***"),
            (
                "host=db password=x dbname=y",
                "host=db password=*** dbname=y",
            ),
            ("a;Password='x y';b=c", "a;Password=***;b=c"),
            ("user=\"me\" password=\"x;y\";", "user=\"me\" password=***;"),
            (
                "postgresql://me:x@db:5432/y",
                "postgresql://me:***@db:5432/y",
            ),
            ("the password", "the password"),
            ("http://web:80/?q", "http://web:80/?***"),
            ("ssl.key.password: x", "ssl.key.password: ***"),
        ] {
            assert_eq!(text(written), shown);
        }
        let words = ["redis-server", "requirepass", "x", "port", "1"].map(str::to_owned);
        assert_eq!(
            command(&words),
            ["redis-server", "requirepass", "***", "port", "1"]
        );
        assert_eq!(variable("KAFKA_SASL_JAAS_CONFIG", "x"), "***");
        assert_eq!(variable("KEYED", "yes"), "yes");
    }
}
