//! Bytes to text; what the reference's detector makes of these was recorded from it.

use shaketable_providers::decode::{Decoded, as_reference, utf8_or_latin1};

/// Whether it is certain that the reference leaves `text` as it is.
fn certain(text: &str) -> bool {
    match as_reference(text.as_bytes()) {
        Decoded::Text(decoded) => {
            assert_eq!(decoded, text);
            true
        }
        Decoded::Undecided => false,
    }
}

#[test]
fn everyday_ascii_is_left_as_it_is() {
    let long = "line 17 of the log: everything is fine, {\"a\": [1, 2]}\n".repeat(10_000);
    for text in [
        "",
        "hello\n",
        "{\"status\": \"ok\", \"count\": 12}\n",
        "NAME   READY   STATUS    RESTARTS   AGE\npod-1  1/1     Running   0          5d\n",
        "-rw-r--r-- 1 root root 2325 Nov 21 13:35 /etc/hosts\n",
        long.as_str(),
    ] {
        assert!(certain(text), "{text:.40}");
    }
}

#[test]
fn what_the_detector_mistakes_is_left_to_it() {
    for text in [
        "\x1b[1;32mOK\x1b[0m\n",
        "a\0b\0c\0",
        "]?@",
        "n.",
        "\n_",
        "+/v8-abc",
        "charset=hz ~{<:~}",
        "✓ ok\n",
        "é",
    ] {
        assert!(!certain(text), "{text:?}");
    }
}

#[test]
fn without_the_detector_it_is_utf8_or_latin1() {
    assert_eq!(utf8_or_latin1("✓ ok".as_bytes()), "✓ ok");
    assert_eq!(utf8_or_latin1(b"caf\xe9"), "café");
}
