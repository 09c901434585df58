//! The text of a body, by what its headers say of its charset.

use crate::decode::{Decoded, as_reference};

/// The text of `body`, as `requests`' `r.text` makes it.
pub(crate) fn text(body: &[u8], content_type: Option<&str>) -> Decoded {
    if body.is_empty() {
        return Decoded::Text(String::new());
    }
    match content_type.and_then(named) {
        Some(charset) => Decoded::Text(decode(body, &charset)),
        None => as_reference(body),
    }
}

/// The charset a content type names or implies.
fn named(content_type: &str) -> Option<String> {
    let mut parts = content_type.split(';');
    let kind = parts.next().unwrap_or_default().trim();
    let mut charset = None;
    for part in parts {
        if let Some((name, value)) = part.split_once('=')
            && name
                .trim_matches([' ', '"', '\''])
                .eq_ignore_ascii_case("charset")
        {
            charset = Some(value.trim_matches([' ', '"', '\'']).to_owned());
        }
    }
    if charset.is_some() {
        charset
    } else if kind.contains("text") {
        Some("iso-8859-1".to_owned())
    } else if kind.contains("application/json") {
        Some("utf-8".to_owned())
    } else {
        None
    }
}

/// `body` decoded, what cannot be replaced; an unknown charset is taken for UTF-8.
fn decode(body: &[u8], charset: &str) -> String {
    let charset = charset.trim().to_lowercase().replace(['_', ' '], "-");
    match charset.as_str() {
        "iso-8859-1" | "iso8859-1" | "latin-1" | "latin1" | "latin" | "l1" | "8859" | "cp819" => {
            body.iter().map(|byte| char::from(*byte)).collect()
        }
        "ascii" | "us-ascii" | "646" => body
            .iter()
            .map(|byte| {
                if byte.is_ascii() {
                    char::from(*byte)
                } else {
                    char::REPLACEMENT_CHARACTER
                }
            })
            .collect(),
        "utf-8-sig" => {
            String::from_utf8_lossy(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)).into_owned()
        }
        "utf-16" => encoding_rs::UTF_16LE.decode(body).0.into_owned(),
        other => match encoding_rs::Encoding::for_label(other.as_bytes()) {
            Some(encoding) if encoding != encoding_rs::UTF_8 => {
                encoding.decode_without_bom_handling(body).0.into_owned()
            }
            _ => String::from_utf8_lossy(body).into_owned(),
        },
    }
}
