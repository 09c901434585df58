//! What was probably meant: words that resemble a mistyped one, by the rule of Python's `difflib`.

/// How alike words have to be.
const CUTOFF: f64 = 0.6;
/// Most words that are suggested.
const MOST: usize = 3;

/// The end of a usage error: a question for each of `known` that resembles `word`; empty when none does.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    let mut alike: Vec<(f64, &str)> = known
        .map(|name| (likeness(name, word), name))
        .filter(|(likeness, _)| *likeness >= CUTOFF)
        .collect();
    alike.sort_by(|one, other| other.0.total_cmp(&one.0).then(other.1.cmp(one.1)));
    let mut names: Vec<String> = alike.iter().map(|(_, name)| format!("'{name}'")).collect();
    names.truncate(MOST);
    names.sort();
    match names.as_slice() {
        [] => String::new(),
        [one] => format!(" Did you mean {one}?"),
        several => format!(" (Did you mean one of: {}?)", several.join(", ")),
    }
}

/// `SequenceMatcher(None, one, other).ratio()`.
fn likeness(one: &str, other: &str) -> f64 {
    let one: Vec<char> = one.chars().collect();
    let other: Vec<char> = other.chars().collect();
    match one.len() + other.len() {
        0 => 1.0,
        length => 2.0 * matching(&one, &other) as f64 / length as f64,
    }
}

/// How many characters match: those of the longest common part, and of what is left and right of it.
fn matching(one: &[char], other: &[char]) -> usize {
    let (mut start, mut other_start, mut size) = (0, 0, 0);
    for i in 0..one.len() {
        for j in 0..other.len() {
            let pairs = one[i..].iter().zip(&other[j..]);
            let common = pairs.take_while(|(a, b)| a == b).count();
            if common > size {
                (start, other_start, size) = (i, j, common);
            }
        }
    }
    if size == 0 {
        return 0;
    }
    size + matching(&one[..start], &other[..other_start])
        + matching(&one[start + size..], &other[other_start + size..])
}
