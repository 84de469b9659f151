"""What the `_target_` of a configuration names: any class or function for a command, few for a stored configuration."""

from __future__ import annotations

import dataclasses
import importlib
import sys
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

from r1lab.errors import ConfigError, LeftError
from r1lab.leaving import staying

OWN = "r1lab"
INSTALLED = {"site-packages", "dist-packages"}
"""Folders of packages that the user has not written."""


def locate(target: Any) -> Any:
    """The class or function of a dotted path. Raises ConfigError: there is none, or its module fails to import."""
    module, _, name = target.rpartition(".") if isinstance(target, str) else ("", "", "")
    if not module or module.startswith(".") or module.endswith("__main__"):
        raise ConfigError(f"{target} cannot be found: it is no module.Class.")
    try:
        with staying(module, module):
            found = getattr(importlib.import_module(module), name)
    except LeftError as error:
        raise ConfigError(f"{target} cannot be found: {error.wrong}", error.found, error.remedy) from error
    except Exception as error:  # a module of the user's own may raise anything
        raise ConfigError(f"{target} cannot be found ({type(error).__name__}: {error}).") from error
    if not callable(found):
        raise ConfigError(f"{target} is no class.")
    return found


def stored(packages: Collection[str] = ()) -> Callable[[Any], type]:
    """A finder for configurations that somebody else may have written: they may build parts, and call nothing else.

    It finds dataclasses that r1lab defines, and classes that one of `packages` defines: the packages that the present
    command names. A target of another package is refused before anything is imported.

    >>> stored()("os.system")
    Traceback (most recent call last):
    r1lab.errors.ConfigError: os.system is not called: a stored configuration builds classes of r1lab alone.
      try:   If you trust os: +stage.packages=[os].
    """

    def find(target: Any) -> type:
        allowed, package = {OWN, *packages}, str(target).partition(".")[0]
        if package not in allowed:
            trusted = " and ".join(sorted(allowed))
            raise ConfigError(
                f"{target} is not called: a stored configuration builds classes of {trusted} alone.",
                remedy=f"If you trust {package}: +stage.packages=[{package}]." if package.isidentifier() else "",
            )
        found = locate(target)
        # r1lab.disk.os.system is of another package, whatever its name begins with
        package = str(getattr(found, "__module__", "")).partition(".")[0]
        if not isinstance(found, type) or package not in allowed:
            raise ConfigError(f"{target} is not called: it is no class that {' or '.join(sorted(allowed))} defines.")
        if package == OWN and not dataclasses.is_dataclass(found):
            raise ConfigError(f"{target} is not called: it is no part of a configuration.")
        return found

    return find


def is_part(target: Any) -> bool:
    """Whether building it has no effect that is known of: a dataclass, or a class that r1lab or the user wrote.

    Functions may do anything, and so may classes of Python and of installed packages (subprocess.Popen).

    >>> is_part(ConfigError), is_part(print), is_part(type(sys.stdin))
    (False, False, False)
    """
    if not isinstance(target, type):
        return False
    if dataclasses.is_dataclass(target):
        return True
    package = target.__module__.partition(".")[0]
    if package == OWN:
        return False
    if any(base.__module__.partition(".")[0] == OWN for base in target.__mro__):
        return True
    file = getattr(sys.modules.get(target.__module__), "__file__", None) or ""
    own = package not in sys.stdlib_module_names and not INSTALLED & set(Path(file).parts)
    return own and file != ""


def packages_of(parts: Iterable[Any]) -> set[str]:
    """The top packages that define the classes of parts, without those of Python itself.

    >>> packages_of([ConfigError("x"), 1.0])
    {'r1lab'}
    """
    return {type(part).__module__.partition(".")[0] for part in parts} - sys.stdlib_module_names - {"builtins"}
