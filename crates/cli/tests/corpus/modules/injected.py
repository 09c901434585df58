"""A control whose functions declare every parameter that can be injected."""

from recording import note


def configure_control(experiment, configuration, secrets, settings, event_registry=None):
    note("configure", experiment["title"], configuration, secrets, sorted(settings or {}))


def before_activity_control(context, experiment, configuration, secrets, settings, extensions, extra="none"):
    note("activity", experiment["title"], configuration, secrets, sorted(settings or {}), extensions, extra)


def after_experiment_control(context, state, experiment=None, extensions=None):
    note("experiment", sorted(state), extensions)
