"""A control of which every function raises."""

from recording import note


def configure_control(**_):
    note("raising", "configure")
    raise RuntimeError("configure")


def before_experiment_control(context, **_):
    note("raising", "before experiment")
    raise RuntimeError("before")


def before_activity_control(context, **_):
    note("raising", "before activity")
    raise ValueError("activity")


def after_activity_control(context, state, **_):
    note("raising", "after activity")
    raise KeyError("after")


def after_experiment_control(context, state, **_):
    note("raising", "after experiment")
    raise OSError("end")
