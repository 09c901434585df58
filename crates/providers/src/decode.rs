//! Bytes to text, as the Chaos Toolkit decodes them.
//!
//! The reference runs a statistical charset detector (`charset-normalizer` 3.5) on everything a
//! process wrote and lets its guess win over UTF-8: coloured output comes out as UTF-16, a lone
//! tick mark as Cyrillic. ASCII that the detector finds unsuspicious it leaves alone; that much is
//! told here. For everything else only the detector itself knows ([`Decoded::Undecided`]): callers
//! that have a Python host ask it, others take [`utf8_or_latin1`].

/// Texts up to this many bytes are judged whole, longer ones by samples.
const JUDGED_WHOLE: usize = 5 * SAMPLE_BYTES;
/// Bytes of a sample.
const SAMPLE_BYTES: usize = 512;
/// Bytes after which the judgement of a sample is looked at; the shortest the detector uses.
const STEP: usize = 32;
/// The oddity from which the detector takes a text for something else than ASCII.
const ODD: f64 = 0.1;

/// What an escape character counts for: enough to make any sample odd.
const ESCAPE_WEIGHT: usize = JUDGED_WHOLE;

/// What the reference makes of some bytes, as far as it can be told without its detector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// Certainly this text.
    Text(String),
    /// It takes the reference's detector to tell.
    Undecided,
}

/// What the reference's `decode_bytes` makes of `bytes`, as far as it is certain.
pub fn as_reference(bytes: &[u8]) -> Decoded {
    if !bytes.is_ascii() || declares_charset(bytes) || bytes.starts_with(b"+/v") {
        return Decoded::Undecided;
    }
    let unsuspicious = if bytes.len() <= JUDGED_WHOLE {
        is_unsuspicious(bytes)
    } else {
        (0..bytes.len())
            .step_by(bytes.len() / 5)
            .all(|start| is_unsuspicious(&bytes[start..bytes.len().min(start + SAMPLE_BYTES)]))
    };
    match std::str::from_utf8(bytes) {
        Ok(text) if unsuspicious => Decoded::Text(text.to_owned()),
        _ => Decoded::Undecided,
    }
}

/// `bytes` as UTF-8, or as Latin-1 when they are none: what can be done without the detector.
pub fn utf8_or_latin1(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// Whether the text may name a charset, which the detector then tries first.
fn declares_charset(bytes: &[u8]) -> bool {
    let head = bytes[..bytes.len().min(8192)].to_ascii_lowercase();
    [&b"coding"[..], b"charset"].iter().any(|word| {
        head.windows(word.len() + 1)
            .any(|window| window.starts_with(word) && b":= ".contains(&window[word.len()]))
    })
}

/// Whether the detector finds nothing odd in an ASCII text, at whatever point it looks.
///
/// Odd are control characters, many symbols, and words with symbols in them.
fn is_unsuspicious(text: &[u8]) -> bool {
    let mut oddity = Oddity::default();
    for (position, byte) in text.iter().enumerate() {
        oddity.feed(*byte);
        if (position + 1) % STEP == 0 && oddity.ratio() >= ODD {
            return false;
        }
    }
    let at_end = oddity.ratio();
    oddity.feed(b'\n');
    at_end < ODD && oddity.ratio() < ODD
}

/// How odd a text is so far.
#[derive(Default)]
struct Oddity {
    characters: usize,
    unprintable: usize,
    printable: usize,
    symbols: usize,
    last_printable: Option<u8>,
    words: usize,
    letters: usize,
    odd_letters: usize,
    word: usize,
    word_is_odd: bool,
}

impl Oddity {
    fn feed(&mut self, byte: u8) {
        let space = matches!(byte, b'\t' | b'\n' | 0x0b | 0x0c | b'\r' | b' ');
        let printable = matches!(byte, b' '..=b'~');
        self.characters += 1;
        if !printable && !space && byte != 0x1a {
            self.unprintable += if byte == 0x1b { ESCAPE_WEIGHT } else { 1 };
        }
        if printable {
            self.printable += 1;
            if self.last_printable != Some(byte) {
                self.symbols += match byte {
                    b'!' | b'#' | b'%' | b'\'' | b'*' | b'.' | b'?' | b'@' | b'\\' | b'_' => 1,
                    b'$' | b'+' | b'^' | b'`' | b'~' => 2,
                    _ => 0,
                };
            }
            self.last_printable = Some(byte);
        }
        self.feed_word(byte, space);
    }

    /// The part about words: letters with symbols among them, up to a blank or a punctuation mark.
    fn feed_word(&mut self, byte: u8, space: bool) {
        if byte.is_ascii_alphabetic() {
            self.word += 1;
        } else if self.word == 0 {
            // Not in a word: nothing to judge.
        } else if space
            || matches!(byte, 0x1c..=0x1f)
            || (byte.is_ascii_punctuation() && !b"$=^`|~".contains(&byte))
        {
            self.words += 1;
            self.letters += self.word;
            if self.word_is_odd {
                self.odd_letters += self.word;
            }
            self.word = 0;
            self.word_is_odd = false;
        } else if matches!(byte, b'$' | b'^' | b'`') {
            self.word += 1;
            self.word_is_odd = true;
        }
    }

    fn ratio(&self) -> f64 {
        let part = |count: usize, of: usize| {
            if of == 0 {
                0.0
            } else {
                count as f64 / of as f64
            }
        };
        let symbols = part(self.symbols, self.printable);
        let symbols = if symbols >= 0.3 { symbols } else { 0.0 };
        let words = if self.words > 10 {
            part(self.odd_letters, self.letters)
        } else {
            0.0
        };
        symbols + words + 8.0 * part(self.unprintable, self.characters)
    }
}
