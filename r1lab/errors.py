"""The errors a user can meet: what is wrong, what was found, what to type."""


class R1LabError(Exception):
    """An error with a remedy; the command line prints it without a traceback.

    >>> print(ConfigError("G is 0.", "stage.group_size=0", "Try stage.group_size=16."))
    G is 0.
      found: stage.group_size=0
      try:   Try stage.group_size=16.
    """

    def __init__(self, wrong: str, found: str = "", remedy: str = ""):
        super().__init__(wrong, found, remedy)
        self.wrong, self.found, self.remedy = wrong, found, remedy

    def __str__(self) -> str:
        lines = [self.wrong]
        lines += [f"  found: {self.found}"] if self.found else []
        lines += [f"  try:   {self.remedy}"] if self.remedy else []
        return "\n".join(lines)


class ConfigError(R1LabError):
    """The configuration cannot run."""


class DataError(R1LabError):
    """A data file, a question or a mix cannot be used."""


class ModelError(R1LabError):
    """A model or tokenizer cannot be loaded."""


class StorageError(R1LabError):
    """A folder or file cannot be written or read."""


class BusyError(StorageError):
    """Another process works in the folder."""


class VerifierError(R1LabError):
    """Verifiers are broken beyond what the run tolerates."""


class SandboxError(R1LabError):
    """Nothing on this machine can run generated code apart from it, or the way that could has failed."""


class TrainingError(R1LabError):
    """Training cannot go on: non-finite loss, nothing to learn from, a broken checkpoint."""


class LeftError(R1LabError):
    """Code that a run calls would leave Python before the end of the run."""


class Terminated(BaseException):
    """SIGTERM came while a run trained: from a scheduler, a container or `kill`."""
