"""A control that writes every call it gets to `controls.txt`, with its label."""


def note(label, *words):
    with open("controls.txt", "a", encoding="utf-8") as file:
        file.write(" ".join(str(word) for word in (label,) + words) + "\n")


def configure_control(experiment=None, configuration=None, secrets=None, settings=None, label="?"):
    note(label, "configure", sorted(configuration or {}))


def cleanup_control():
    note("?", "cleanup")


def before_loading_experiment_control(context, label="?", **_):
    note(label, "before loading", context.rsplit("/", 1)[-1])


def after_loading_experiment_control(context, state=None, label="?", **_):
    note(label, "after loading", state["title"] if state else None)


def before_experiment_control(context, configuration=None, secrets=None, label="?", **_):
    note(label, "before experiment", context["title"], sorted(configuration or {}), sorted(secrets or {}))


def after_experiment_control(context, state, label="?", **_):
    note(label, "after experiment", state["status"], state["deviated"])


def before_hypothesis_control(context, label="?", **_):
    note(label, "before hypothesis", context["title"])


def after_hypothesis_control(context, state, label="?", **_):
    note(label, "after hypothesis", state["steady_state_met"] if state else None)


def before_method_control(context, label="?", **_):
    note(label, "before method", context["title"])


def after_method_control(context, state, label="?", **_):
    note(label, "after method", [run.get("status") for run in state])


def before_rollback_control(context, label="?", **_):
    note(label, "before rollback", context["title"])


def after_rollback_control(context, state, label="?", **_):
    note(label, "after rollback", [run.get("status") for run in state])


def before_activity_control(context, label="?", **_):
    note(label, "before activity", context["name"])


def after_activity_control(context, state, label="?", **_):
    note(label, "after activity", context["name"], state.get("status"))
