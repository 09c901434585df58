"""The exceptions that the corpus modules raise."""


class ChaosException(Exception):
    pass


class ActivityFailed(ChaosException):
    pass


class InterruptExecution(ChaosException):
    pass


class InvalidControl(ChaosException):
    pass
