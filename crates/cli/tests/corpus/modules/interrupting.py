"""A control that interrupts the execution at the point its argument names."""

from chaoslib.exceptions import InterruptExecution


def stop(at, point):
    if at == point:
        raise InterruptExecution("stopped at " + point)


def configure_control(experiment=None, at=""):
    stop(at, "configure")


def before_experiment_control(context, at="", **_):
    stop(at, "before experiment")


def after_experiment_control(context, state=None, at="", **_):
    stop(at, "after experiment")


def before_hypothesis_control(context, at="", **_):
    stop(at, "before hypothesis")


def after_hypothesis_control(context, state=None, at="", **_):
    stop(at, "after hypothesis")


def before_method_control(context, at="", **_):
    stop(at, "before method")


def after_method_control(context, state=None, at="", **_):
    stop(at, "after method")


def before_activity_control(context, at="", **_):
    stop(at, "before " + context["name"])


def after_activity_control(context, state=None, at="", **_):
    stop(at, "after " + context["name"])


def before_rollback_control(context, at="", **_):
    stop(at, "before rollback")
