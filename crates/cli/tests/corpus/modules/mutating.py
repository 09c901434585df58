"""A control that changes what it is given, as production offsets are handed on."""


def before_experiment_control(context, configuration, secrets, **_):
    configuration["added"] = 41
    configuration["replaced"] = "new"
    secrets["group"] = {"token": "changed"}


def before_activity_control(context, **_):
    if context["name"] == "rewritten":
        context["provider"]["arguments"] = {"value": "rewritten by a control"}


def after_activity_control(context, state, configuration, experiment, **_):
    configuration["last"] = state.get("output")
    if context["name"] == "append":
        state["note"] = "seen by a control"
        experiment["seen"] = context["name"]


def after_experiment_control(context, state, **_):
    state["extra"] = {"from": "control"}
