//! The Python host through its public interface, with small modules and the `python3` of this machine.

mod support;

use std::time::Duration;

use shaketable_dialect::{Dict, Key, Value};
use shaketable_python::{
    Argument, CallId, Class, ControlCall, ControlFunction, ControlOutcome, Detection, DocumentName,
    Documents, FunctionCall, FunctionCheck, Host, HostOptions, Interruption, LogRecord, Notice,
    Origin, PythonError, Raised, Step, Target, Thread,
};
use support::{Modules, call, run};

fn json(text: &str) -> Value {
    Value::from(serde_json::from_str::<serde_json::Value>(text).expect("JSON"))
}

fn raised<T: std::fmt::Debug>(result: Result<T, PythonError>) -> Raised {
    match result {
        Err(PythonError::Raised(raised)) => *raised,
        other => panic!("no exception: {other:?}"),
    }
}

/// Values whose spelling tells `1`, `1.0` and `True` apart.
fn spelt(value: &Value) -> String {
    format!("{value:?}")
}

mod values {
    use super::*;

    #[tokio::test]
    async fn come_back_as_they_went() {
        let modules = Modules::new(&[("m.py", "def same(value):\n    return value\n")]);
        let mut odd = Dict::new();
        odd.0.insert(Key::Int(1), Value::from("one"));
        odd.0.insert(Key::None, Value::Float(f64::INFINITY));
        let mut tagged = Dict::new();
        tagged.insert("$bytes", "no tag of ours");
        let value = Value::List(vec![
            Value::None,
            Value::Bool(true),
            Value::Int(1),
            Value::Int(i128::MAX),
            Value::Int(-(1 << 63)),
            Value::Float(1.0),
            Value::Float(0.1 + 0.2),
            Value::Float(f64::NAN),
            Value::from("\u{0}\"\\é\u{1f600}\u{2028}\n"),
            Value::Bytes(vec![0, 255]),
            Value::Date("2020-01-01".into()),
            Value::Date("2020-01-01T10:00:00+00:00".into()),
            Value::from(odd),
            Value::from(tagged),
            json(r#"{"b": [], "a": {"deep": [{}]}}"#),
        ]);
        let mut arguments = Dict::new();
        arguments.insert("value", value.clone());
        let arguments = Value::from(arguments);
        let output = modules
            .host
            .call(&call("m", "same", &arguments))
            .await
            .expect("a value");
        assert_eq!(spelt(&output.value), spelt(&value));
        assert_eq!(output.unserialisable, None);
    }

    #[tokio::test]
    async fn that_json_lacks_are_told() {
        let modules = Modules::new(&[(
            "m.py",
            r#"
import collections, decimal, enum, uuid
class Colour(enum.Enum):
    RED = 1
class Size(enum.IntEnum):
    BIG = 3
Point = collections.namedtuple("Point", "x y")
loop = []
loop.append(loop)
VALUES = {
    "set": {1}, "enum": Colour.RED, "intenum": Size.BIG, "tuple": Point(1, (2,)),
    "decimal": decimal.Decimal("1.50"), "uuid": uuid.UUID(int=1), "error": ValueError("no"),
    "key": {(1, 2): 3}, "loop": loop, "surrogate": "\ud800x",
}
def give(name):
    return VALUES[name]
"#,
        )]);
        for (name, value, unserialisable) in [
            (
                "set",
                "Str(\"{1}\")",
                Some("Object of type set is not JSON serializable"),
            ),
            (
                "enum",
                "Str(\"<Colour.RED: 1>\")",
                Some("Object of type Colour is not JSON serializable"),
            ),
            ("intenum", "Int(3)", None),
            ("tuple", "List([Int(1), List([Int(2)])])", None),
            ("decimal", "Str(\"1.50\")", None),
            (
                "uuid",
                "Str(\"00000000-0000-0000-0000-000000000001\")",
                None,
            ),
            (
                "error",
                "Str(\"An exception was raised: ValueError('no')\")",
                None,
            ),
            ("surrogate", "Str(\"?x\")", None),
        ] {
            let arguments = json(&format!("{{\"name\": \"{name}\"}}"));
            let output = modules
                .host
                .call(&call("m", "give", &arguments))
                .await
                .expect(name);
            assert_eq!(spelt(&output.value), value, "{name}");
            assert_eq!(output.unserialisable.as_deref(), unserialisable, "{name}");
        }
        for (name, message) in [
            (
                "key",
                "keys must be str, int, float, bool or None, not tuple",
            ),
            ("loop", "Circular reference detected"),
        ] {
            let arguments = json(&format!("{{\"name\": \"{name}\"}}"));
            let output = modules
                .host
                .call(&call("m", "give", &arguments))
                .await
                .expect(name);
            assert_eq!(output.unserialisable.as_deref(), Some(message), "{name}");
        }
    }

    #[tokio::test]
    async fn get_configuration_and_named_secrets() {
        let modules = Modules::new(&[(
            "m.py",
            r#"
import functools
def both(configuration, secrets=None):
    configuration["mine"] = True
    return [configuration, secrets]
@functools.wraps(both)
def wrapped(*args, **kwargs):
    return both(*args, **kwargs)
def neither(x):
    return x
"#,
        )]);
        let configuration = json(r#"{"a": 1}"#);
        let secrets = json(r#"{"one": {"k": "v"}, "two": {"l": "w"}}"#);
        let groups = vec!["one".to_string(), "absent".to_string(), "two".to_string()];
        let documents = Documents {
            configuration: Some(&configuration),
            secrets: Some(&secrets),
            ..Documents::default()
        };
        for func in ["both", "wrapped"] {
            let request = FunctionCall {
                secret_groups: Some(&groups),
                documents,
                ..call("m", func, &Value::None)
            };
            // Twice: the configuration is a copy, and the second time it is not sent again.
            for _ in 0..2 {
                let output = modules.host.call(&request).await.expect("a value");
                let expected = json(r#"[{"a": 1, "mine": true}, {"k": "v", "l": "w"}]"#);
                assert_eq!(output.value, expected);
            }
        }
        let without = FunctionCall {
            documents,
            ..call("m", "both", &Value::None)
        };
        let output = modules.host.call(&without).await.expect("a value");
        assert_eq!(output.value, json(r#"[{"a": 1, "mine": true}, null]"#));
        let arguments = json(r#"{"x": 5}"#);
        let plain = FunctionCall {
            secret_groups: Some(&groups),
            documents,
            ..call("m", "neither", &arguments)
        };
        let output = modules.host.call(&plain).await.expect("a value");
        assert_eq!(output.value, Value::Int(5));
    }
}

mod errors {
    use super::*;

    #[tokio::test]
    async fn are_told_as_python_tells_them() {
        let modules = Modules::new(&[
            (
                "m.py",
                r#"
class Odd(ValueError):
    pass
def odd():
    raise Odd("so\nso")
def leave():
    raise SystemExit(7)
def chained():
    try:
        1 / 0
    except ZeroDivisionError as x:
        raise KeyError("k") from x
"#,
            ),
            ("bad.py", "import no_such_module_at_all\n"),
            ("broken.py", "def f(:\n"),
        ]);
        let odd = raised(run(&modules.host, "m", "odd").await);
        assert_eq!((odd.kind.as_str(), odd.message.as_str()), ("Odd", "so\nso"));
        assert_eq!(
            (odd.class, odd.origin),
            (Class::Exception, Origin::Function)
        );
        assert_eq!(odd.only, "m.Odd: so\nso");
        assert!(
            odd.traceback[1].contains("m.py\", line 5, in odd"),
            "{odd:?}"
        );
        assert!(!odd.traceback.concat().contains("shaketable"), "{odd:?}");
        let lines = odd.activity_failed_lines();
        assert_eq!(
            lines.last().map(String::as_str),
            Some("chaoslib.exceptions.ActivityFailed: m.Odd: so\nso\n")
        );
        let chained = raised(run(&modules.host, "m", "chained").await)
            .traceback
            .concat();
        assert!(chained.contains("ZeroDivisionError") && chained.contains("direct cause"));
        assert_eq!(
            raised(run(&modules.host, "m", "leave").await).class,
            Class::SystemExit { code: 7 }
        );
        for (module, func, kind) in [
            ("m", "absent", "AttributeError"),
            ("absent", "f", "ModuleNotFoundError"),
            ("bad", "f", "ModuleNotFoundError"),
            ("broken", "f", "SyntaxError"),
        ] {
            let error = raised(run(&modules.host, module, func).await);
            assert_eq!((error.kind.as_str(), error.origin), (kind, Origin::Loading));
        }
        assert_eq!(
            raised(
                modules
                    .host
                    .call(&call("m", "odd", &json(r#"{"x": 1}"#)))
                    .await
            )
            .message,
            "odd() got an unexpected keyword argument 'x'"
        );
    }

    #[tokio::test]
    async fn of_validation_have_the_words_of_chaos_toolkit() {
        let modules = Modules::new(&[(
            "m.py",
            "def f(a, secrets=None, configuration=None):\n    pass\nclass C:\n    pass\n",
        )]);
        let cases = [
            ("m", "f", r#"{"a": 1}"#, None),
            (
                "m",
                "f",
                "{}",
                Some("required argument 'a' is missing from activity 'f'"),
            ),
            (
                "m",
                "f",
                r#"{"a": 1, "b": 2}"#,
                Some("argument 'b' is not part of the function signature in activity 'f'"),
            ),
            (
                "m",
                "C",
                "{}",
                Some("The python module 'm' does not expose a function called 'C' in probe 'p'"),
            ),
            (
                "absent",
                "f",
                "{}",
                Some("could not find Python module 'absent' in activity 'p'"),
            ),
        ];
        for (module, func, arguments, expected) in cases {
            let check = FunctionCheck {
                activity_type: "probe",
                activity_name: "p",
                module,
                func,
                arguments: &json(arguments),
            };
            let result = modules.host.validate_function(&check).await;
            match expected {
                None => assert!(result.is_ok(), "{result:?}"),
                Some(message) => {
                    let error = raised(result);
                    assert_eq!(
                        (error.class, error.message.as_str()),
                        (Class::InvalidActivity, message)
                    );
                }
            }
        }
    }

    #[tokio::test]
    async fn of_a_missing_or_unfit_interpreter_are_errors_of_the_call() {
        for (command, word) in [
            ("/nonexistent/python", "No such file"),
            ("/bin/false", "exit status: 1"),
        ] {
            let (host, _notices) = Host::new(HostOptions {
                interpreter: Some(vec![command.into()]),
                ..HostOptions::default()
            });
            let error = run(&host, "m", "f").await.expect_err("no interpreter");
            let text = error.to_string();
            assert!(matches!(error, PythonError::NotStarted { .. }), "{text}");
            assert!(text.contains(command) && text.contains(word), "{text}");
        }
    }
}

mod output {
    use super::*;

    #[tokio::test]
    async fn to_the_standard_streams_does_no_harm_and_the_current_folder_is_no_import_path() {
        let modules = Modules::new(&[(
            "m.py",
            r#"
import os, sys
def noise():
    print("{not json")
    os.write(1, b"raw\n")
    os.write(2, b"raw\n")
    os.system("echo from a child")
    return sys.stdin.read()
def where():
    return "" in sys.path or os.getcwd() in sys.path
"#,
        )]);
        let output = run(&modules.host, "m", "noise").await.expect("a value");
        assert_eq!(output.value, Value::from(""));
        let output = run(&modules.host, "m", "where").await.expect("a value");
        assert_eq!(output.value, Value::Bool(false));
    }

    #[tokio::test]
    async fn to_the_log_arrives_in_order_before_the_result() {
        let mut modules = Modules::new(&[(
            "m.py",
            r#"
import logging
from logzero import logger
def speak():
    logger.info("one %d", 1)
    logging.getLogger("chaostoolkit").debug("two")
    logging.getLogger("elsewhere").critical("not ours")
    try:
        1 / 0
    except ZeroDivisionError:
        logger.debug("three", exc_info=True)
"#,
        )]);
        run(&modules.host, "m", "speak").await.expect("a value");
        let mut records: Vec<LogRecord> = Vec::new();
        while let Ok(Notice::Log(record)) = modules.notices.try_recv() {
            records.push(record);
        }
        let messages: Vec<&str> = records
            .iter()
            .map(|record| record.message.as_str())
            .collect();
        assert!(
            messages[0].starts_with("Activity 'an activity' loaded from '"),
            "{messages:?}"
        );
        assert_eq!(messages[1..3], ["one 1", "two"]);
        assert!(
            messages[3].starts_with("three\nTraceback") && messages.len() == 4,
            "{messages:?}"
        );
        assert_eq!(
            (
                records[1].level.as_str(),
                records[1].module.as_str(),
                records[1].line
            ),
            ("INFO", "m", 5)
        );
    }
}

mod interruptions {
    use super::*;

    const SLEEPER: &str = r#"
import os, signal, threading, time
def sleep():
    time.sleep(600)
def deaf():
    while True:
        try:
            time.sleep(600)
        except BaseException:
            pass
def spin():
    while True:
        time.sleep(0.01)
def caught():
    try:
        time.sleep(600)
    except Exception as x:
        return type(x).__name__ + ": " + str(x)
def quick():
    return os.getpid()
def gracefully():
    os.kill(os.getpid(), signal.SIGUSR1)
    time.sleep(600)
def from_a_thread():
    threading.Timer(0, lambda: os.kill(os.getpid(), signal.SIGUSR2)).start()
    time.sleep(600)
def die():
    os._exit(3)
"#;

    async fn started(modules: &mut Modules) {
        while let Some(notice) = modules.notices.recv().await {
            if matches!(notice, Notice::Log(record) if record.message.contains("loaded from")) {
                return;
            }
        }
    }

    #[tokio::test]
    async fn end_a_call_whose_time_is_up_and_the_host_lives_on() {
        let modules = Modules::new(&[("m.py", SLEEPER)]);
        let before = run(&modules.host, "m", "quick").await.expect("a pid").value;
        for (func, thread) in [("sleep", Thread::Foreground), ("spin", Thread::Background)] {
            let request = FunctionCall {
                timeout: Some(Duration::from_millis(100)),
                thread,
                ..call("m", func, &Value::None)
            };
            let error = modules.host.call(&request).await.expect_err("a timeout");
            assert!(matches!(error, PythonError::TimedOut { .. }), "{error}");
        }
        let after = run(&modules.host, "m", "quick").await.expect("a pid").value;
        assert_eq!(before, after);
    }

    #[tokio::test]
    async fn kill_what_does_not_listen_and_the_next_call_starts_anew() {
        let modules = Modules::new(&[("m.py", SLEEPER)]);
        let before = run(&modules.host, "m", "quick").await.expect("a pid").value;
        let request = FunctionCall {
            timeout: Some(Duration::from_millis(100)),
            ..call("m", "deaf", &Value::None)
        };
        let error = modules.host.call(&request).await.expect_err("a timeout");
        assert!(matches!(error, PythonError::TimedOut { .. }), "{error}");
        let after = run(&modules.host, "m", "quick").await.expect("a pid").value;
        assert_ne!(before, after);
    }

    #[tokio::test]
    async fn raise_what_was_asked_for_in_the_thread_of_the_call() {
        let mut modules = Modules::new(&[("m.py", SLEEPER)]);
        let host = modules.host.clone();
        let waiting = tokio::spawn(async move { run(&host, "m", "caught").await });
        started(&mut modules).await;
        modules.host.interrupt(
            Target::Foreground,
            Interruption::InterruptExecution("SIGTERM".into()),
        );
        let output = waiting.await.expect("no panic").expect("a value");
        assert_eq!(output.value, Value::from("InterruptExecution: SIGTERM"));

        let host = modules.host.clone();
        let waiting = tokio::spawn(async move {
            let request = FunctionCall {
                thread: Thread::Background,
                ..call("m", "spin", &Value::None)
            };
            host.call(&request).await
        });
        started(&mut modules).await;
        modules
            .host
            .interrupt(Target::All, Interruption::ExperimentExited);
        let error = raised(waiting.await.expect("no panic"));
        assert_eq!(error.class, Class::ExperimentExited);
    }

    #[tokio::test]
    async fn by_dropping_free_the_main_thread_also_for_calls_in_the_queue() {
        let modules = Modules::new(&[("m.py", SLEEPER)]);
        run(&modules.host, "m", "quick").await.expect("a pid");
        let (one, two) = (
            call("m", "sleep", &Value::None),
            call("m", "sleep", &Value::None),
        );
        tokio::select! {
            _ = modules.host.call(&one) => panic!("it ended"),
            _ = modules.host.call(&two) => panic!("it ended"),
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
        }
        run(&modules.host, "m", "quick").await.expect("a pid");
    }

    #[tokio::test]
    async fn the_code_asks_for_are_raised_there_and_told() {
        let mut modules = Modules::new(&[("m.py", SLEEPER)]);
        for (func, signal, code) in [("gracefully", 10, 20), ("from_a_thread", 12, 30)] {
            let error = raised(run(&modules.host, "m", func).await);
            assert_eq!(error.class, Class::SystemExit { code });
            let mut told = Vec::new();
            while let Ok(notice) = modules.notices.try_recv() {
                told.extend(matches!(notice, Notice::Signal(_)).then_some(notice));
            }
            assert_eq!(told, [Notice::Signal(signal)]);
        }
    }

    #[tokio::test]
    async fn by_the_death_of_the_interpreter_are_errors_of_the_calls_under_way() {
        let modules = Modules::new(&[("m.py", SLEEPER)]);
        let error = run(&modules.host, "m", "die").await.expect_err("it died");
        assert_eq!(
            error.to_string(),
            "the python interpreter ended while it worked (exit status: 3): look at what it printed last; the \
             next call starts another one"
        );
        assert!(!modules.host.is_running());
        run(&modules.host, "m", "quick").await.expect("a new one");
        modules.host.shutdown().await;
        assert!(!modules.host.is_running());
    }
}

mod threads {
    use super::*;

    #[tokio::test]
    async fn run_background_calls_beside_the_main_one() {
        let modules = Modules::new(&[(
            "m.py",
            r#"
import threading
met = threading.Barrier(3)
def meet():
    met.wait(30)
    return threading.current_thread() is threading.main_thread()
"#,
        )]);
        let background = || FunctionCall {
            thread: Thread::Background,
            ..call("m", "meet", &Value::None)
        };
        let (one, two, main) = (background(), background(), call("m", "meet", &Value::None));
        let (one, two, main) = tokio::join!(
            modules.host.call(&one),
            modules.host.call(&two),
            modules.host.call(&main)
        );
        let values = [one, two, main].map(|result| result.expect("a value").value);
        assert_eq!(
            values,
            [Value::Bool(false), Value::Bool(false), Value::Bool(true)]
        );
    }

    #[tokio::test]
    async fn answer_a_thousand_calls() {
        let modules = Modules::new(&[("m.py", "def f(n):\n    return n\n")]);
        for number in 0..1000i64 {
            let arguments = json(&format!("{{\"n\": {number}}}"));
            let output = modules
                .host
                .call(&call("m", "f", &arguments))
                .await
                .expect("a value");
            assert_eq!(output.value, Value::from(number));
        }
    }
}

mod controls {
    use super::*;

    const CONTROL: &str = r#"
seen = []
def configure_control(experiment, event_registry, who, **kwargs):
    class Handler:
        def started(self, experiment, journal):
            seen.append("started " + journal["status"])
        def finish(self, journal):
            raise ValueError("logged only")
    event_registry.register(Handler())
    seen.append(who)
def before_activity_control(context, experiment, configuration, secrets, extensions, mark=None):
    context["dry"] = True
    configuration["added"] = [1, 2.0, True]
    del configuration["gone"]
    seen.append(context is experiment["method"][0])
def after_activity_control(context, state):
    context.pop("dry", None)
    state["extra"] = seen
def after_experiment_control(context, state, **kwargs):
    context["title"] = "changed"
    state["note"] = state["experiment"] is context
    raise ValueError("after the changes")
def before_method_control(context):
    pass
def cleanup_control():
    seen.append("clean")
def validate_control(control):
    raise ValueError(control["name"])
"#;

    fn control<'a>(
        function: ControlFunction<'a>,
        documents: Documents<'a>,
        arguments: &'a Value,
    ) -> ControlCall<'a> {
        ControlCall {
            id: CallId::new(),
            module: "c",
            function,
            arguments,
            documents,
            thread: Thread::Foreground,
        }
    }

    #[tokio::test]
    async fn change_the_experiment_and_its_company_in_place() {
        let modules = Modules::new(&[("c.py", CONTROL)]);
        let host = &modules.host;
        let found = host
            .import_control("c")
            .await
            .expect("an answer")
            .expect("a module");
        assert_eq!(
            found.functions["after_activity_control"],
            ["context", "state"]
        );
        assert_eq!(found.functions.len(), 7);
        assert_eq!(
            host.import_control("absent").await.expect("an answer"),
            None
        );

        let mut experiment =
            json(r#"{"title": "t", "method": [{"name": "a"}, {"name": "b"}], "rollbacks": []}"#);
        let configuration = json(r#"{"gone": 1, "kept": {"x": "y"}}"#);
        let (secrets, arguments) = (json("{}"), json(r#"{"who": "me"}"#));
        let documents = Documents {
            experiment: Some(&experiment),
            configuration: Some(&configuration),
            secrets: Some(&secrets),
            ..Documents::default()
        };
        let outcome = host
            .control(&control(ControlFunction::Configure, documents, &arguments))
            .await
            .expect("an outcome");
        assert_eq!(
            outcome,
            ControlOutcome {
                ran: true,
                ..ControlOutcome::default()
            }
        );
        assert!(host.has_event_handlers());

        let path = [Step::Key("method".into()), Step::Index(0)];
        let context = Argument::Within(DocumentName::Experiment, &path);
        let before = ControlFunction::Apply {
            name: "before_activity_control",
            context,
            state: None,
        };
        let outcome = host
            .control(&control(before, documents, &Value::None))
            .await
            .expect("an outcome");
        let changed = r#"{"title": "t", "method": [{"name": "a", "dry": true}, {"name": "b"}], "rollbacks": []}"#;
        assert_eq!(
            spelt(outcome.experiment.as_ref().expect("a change")),
            spelt(&json(changed))
        );
        let configured = json(r#"{"kept": {"x": "y"}, "added": [1, 2.0, true]}"#);
        assert_eq!(
            spelt(outcome.configuration.as_ref().expect("a change")),
            spelt(&configured)
        );
        assert_eq!(
            (outcome.secrets, outcome.context, outcome.raised),
            (None, None, None)
        );

        // The caller changes the experiment in turn.
        experiment =
            json(r#"{"title": "t", "method": [{"name": "a", "dry": true}], "rollbacks": []}"#);
        let state = json(r#"{"status": "succeeded"}"#);
        let after = ControlFunction::Apply {
            name: "after_activity_control",
            context,
            state: Some(Argument::Value(&state)),
        };
        let documents = Documents {
            experiment: Some(&experiment),
            ..Documents::default()
        };
        let outcome = host
            .control(&control(after, documents, &Value::None))
            .await
            .expect("an outcome");
        assert_eq!(
            outcome.experiment,
            Some(json(
                r#"{"title": "t", "method": [{"name": "a"}], "rollbacks": []}"#
            ))
        );
        assert_eq!(
            outcome.state,
            Some(json(r#"{"status": "succeeded", "extra": ["me", true]}"#))
        );

        let journal = json(
            r#"{"status": "ok", "experiment": {"title": "t", "method": [{"name": "a"}], "rollbacks": []}}"#,
        );
        let documents = Documents {
            journal: Some(&journal),
            ..Documents::default()
        };
        let (whole, record) = (
            Argument::Document(DocumentName::Experiment),
            Argument::Document(DocumentName::Journal),
        );
        host.emit("started", documents, &[whole, record])
            .await
            .expect("told");
        host.emit("finish", Documents::default(), &[record])
            .await
            .expect("told");
        let after = ControlFunction::Apply {
            name: "after_experiment_control",
            context: whole,
            state: Some(record),
        };
        let outcome = host
            .control(&control(after, Documents::default(), &Value::None))
            .await
            .expect("an outcome");
        assert_eq!(
            outcome.raised.expect("an exception").message,
            "after the changes"
        );
        let journal = outcome.journal.expect("a change");
        assert_eq!(journal.get("note"), Some(&Value::Bool(true)));
        assert_eq!(journal.get("experiment"), outcome.experiment.as_ref());
        assert_eq!(
            outcome.experiment.expect("a change").get("title"),
            Some(&Value::from("changed"))
        );

        let idle = ControlFunction::Apply {
            name: "before_method_control",
            context: whole,
            state: None,
        };
        let outcome = host
            .control(&control(idle, Documents::default(), &Value::None))
            .await
            .expect("an outcome");
        assert_eq!(
            outcome,
            ControlOutcome {
                ran: true,
                ..ControlOutcome::default()
            }
        );
        let absent = ControlFunction::Apply {
            name: "after_method_control",
            context: whole,
            state: None,
        };
        let outcome = host
            .control(&control(absent, Documents::default(), &Value::None))
            .await
            .expect("an outcome");
        assert!(!outcome.ran);
        let declared = json(r#"{"name": "n"}"#);
        let validate = ControlFunction::Validate { control: &declared };
        let outcome = host
            .control(&control(validate, Documents::default(), &Value::None))
            .await
            .expect("an outcome");
        assert_eq!(outcome.raised.expect("an exception").message, "n");
        let cleanup = ControlFunction::Cleanup;
        assert!(
            host.control(&control(cleanup, Documents::default(), &Value::None))
                .await
                .expect("an outcome")
                .ran
        );
    }
}

mod extensions {
    use super::*;

    #[tokio::test]
    async fn are_discovered_and_notified() {
        let mut modules = Modules::new(&[(
            "e.py",
            r#"
import logging
from typing import List
__all__ = ["act"]
def act(name: str, many: List[str] = None, *, only: int = 1) -> bool:
    """Acts."""
def hidden():
    pass
def notify(channel, payload):
    logging.getLogger("chaostoolkit").info(channel["x"] + payload["name"])
"#,
        )]);
        let found = modules
            .host
            .discover_activities("e", "action")
            .await
            .expect("activities");
        let expected = json(
            r#"[{"type": "action", "name": "act", "mod": "e", "doc": "Acts.", "return_type": "boolean",
                "arguments": [{"name": "name", "type": "string"}, {"name": "many", "default": null, "type": "list"}]}]"#,
        );
        assert_eq!(found, expected);
        assert_eq!(
            raised(modules.host.discover_activities("absent", "probe").await).kind,
            "DiscoveryFailed"
        );
        let (channel, payload) = (json(r#"{"x": "X"}"#), json(r#"{"name": "run-started"}"#));
        for (module, func, message) in [
            ("e", "notify", "Xrun-started"),
            (
                "e",
                "absent",
                "could not find function 'absent' in plugin 'e' for notification",
            ),
            (
                "absent",
                "notify",
                "could not find Python plugin 'absent' for notification",
            ),
        ] {
            modules
                .host
                .notify(module, func, &channel, &payload, None)
                .await
                .expect("an answer");
            loop {
                match modules.notices.try_recv() {
                    Ok(Notice::Log(record)) if record.message == message => break,
                    Ok(_) => {}
                    Err(_) => panic!("nobody said {message}"),
                }
            }
        }
    }
}

mod encodings {
    use super::*;

    const DETECTOR: &str = "def detect(data):\n    return {'encoding': 'latin-1', 'confidence': 0.75} if data else {'encoding': None}\n";

    #[tokio::test]
    async fn are_what_the_installed_detector_says() {
        let modules = Modules::new(&[("charset_normalizer.py", DETECTOR)]);
        for (bytes, encoding, confidence, text) in [
            (&b"caf\xe9"[..], Some("latin-1"), 0.75, Some("caf\u{e9}")),
            (b"", None, 0.0, None),
        ] {
            assert_eq!(
                modules
                    .host
                    .detect_encoding(bytes)
                    .await
                    .expect("an answer"),
                Detection::Detected {
                    encoding: encoding.map(str::to_string),
                    confidence,
                    text: text.map(str::to_string),
                }
            );
        }
    }

    #[tokio::test]
    async fn are_unknown_without_a_detector() {
        let modules = Modules::new(&[("charset_normalizer.py", "raise ImportError()\n")]);
        let found = modules.host.detect_encoding(b"caf\xe9").await;
        assert_eq!(found.expect("an answer"), Detection::Unavailable);
    }
}

mod plugins {
    use super::*;

    #[tokio::test]
    async fn get_the_exception_itself() {
        let mut modules = Modules::new(&[(
            "n.py",
            "import logging\ndef notify(channel, payload):\n    error = payload['error']\n    logging.getLogger('chaostoolkit').info(type(error).__name__ + '|' + str(error))\n",
        )]);
        let (channel, payload) = (json("{}"), json(r#"{"name": "validate-failed"}"#));
        let error = Some(("InvalidExperiment", "no title"));
        let told = modules
            .host
            .notify("n", "notify", &channel, &payload, error);
        told.await.expect("an answer");
        match modules.notices.recv().await {
            Some(Notice::Log(record)) => assert_eq!(record.message, "InvalidExperiment|no title"),
            other => panic!("{other:?}"),
        }
    }
}
