//! `chaos settings` and `chaos info settings`.

use crate::invocation::Place;

const SETTINGS: &str = "\
auths:
  example.com:
    type: bearer
    value: '123'
controls:
- name: a
- name: b
";

#[test]
fn entries_are_found_by_their_dotted_key() {
    let place = Place::new();
    place.file("settings.yaml", SETTINGS);
    let get = |key: &str, format: &str| {
        let outcome = place.chaos(&["settings", "get", key, "--format", format]);
        (outcome.code, outcome.out)
    };
    assert_eq!(
        get(r"auths.example\.com.type", "string"),
        (0, "bearer\n".to_string())
    );
    assert_eq!(get("controls[1]", "yaml"), (0, "name: b\n\n".to_string()));
    let json = "{\n  \"type\": \"bearer\",\n  \"value\": \"123\"\n}\n";
    assert_eq!(get(r"auths.example\.com", "json"), (0, json.to_string()));
    assert_eq!(get("controls[2]", "yaml"), (1, String::new()));
    assert_eq!(get("auths.example.com", "yaml"), (1, String::new()));
}

#[test]
fn entries_are_changed_in_the_file() {
    let place = Place::new();
    place.file("settings.yaml", SETTINGS);
    let key = r"auths.example\.com.value";
    assert_eq!(place.chaos(&["settings", "set", key, "[1, \"x\"]"]).code, 0);
    assert_eq!(place.chaos(&["settings", "remove", "controls[0]"]).code, 0);
    assert_eq!(place.chaos(&["settings", "set", "nothing", "1"]).code, 1);
    let changed = "\
auths:
  example.com:
    type: bearer
    value:
    - 1
    - x
controls:
- name: b
";
    assert_eq!(place.read("settings.yaml"), changed);
}

#[test]
fn the_whole_file_is_shown() {
    let place = Place::new();
    place.file("settings.yaml", SETTINGS);
    assert_eq!(
        place.chaos(&["info", "settings"]).out,
        format!("{SETTINGS}\n")
    );
    assert_eq!(
        place.chaos(&["settings", "show"]).out,
        format!("{SETTINGS}\n")
    );
}

#[test]
fn settings_that_are_no_yaml_are_told_and_left_out() {
    let place = Place::new();
    place.file("settings.yaml", "a: [\n");
    let path = place.file(
        "x.json",
        r#"{"title": "t", "description": "d", "method": []}"#,
    );
    let outcome = place.chaos(&["validate", &path]);
    assert_eq!(outcome.code, 0);
    assert!(
        outcome
            .err
            .starts_with("[ERROR] Failed parsing YAML settings: ")
    );
}

#[test]
fn settings_that_are_no_mapping_end_a_command() {
    let place = Place::new();
    place.file("settings.yaml", "just text\n");
    let outcome = place.chaos(&["validate", "no/matter"]);
    assert_eq!(outcome.code, 1);
    assert!(
        outcome
            .err
            .ends_with("AttributeError: 'str' object has no attribute 'get'")
    );
}
