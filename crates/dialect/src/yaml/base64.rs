//! Base64 as Python's `base64.decodebytes` reads it: what is not of the alphabet is passed over.

/// The bytes, or why there are none.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, String> {
    if !text.is_ascii() {
        return Err("failed to convert base64 data into ascii".to_string());
    }
    let mut out = Vec::new();
    let (mut rest, mut characters, mut pads) = (0, 0, 0);
    for byte in text.bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' if characters % 4 >= 2 => {
                pads += 1;
                if characters % 4 + pads >= 4 {
                    return Ok(out);
                }
                continue;
            }
            _ => continue,
        };
        pads = 0;
        match characters % 4 {
            0 => {}
            1 => out.push(rest << 2 | six >> 4),
            2 => out.push(rest << 4 | six >> 2),
            _ => out.push(rest << 6 | six),
        }
        rest = six;
        characters += 1;
    }
    match characters % 4 {
        0 => Ok(out),
        1 => Err(format!(
            "failed to decode base64 data: Invalid base64-encoded string: number of data characters \
             ({characters}) cannot be 1 more than a multiple of 4"
        )),
        _ => Err("failed to decode base64 data: Incorrect padding".to_string()),
    }
}
