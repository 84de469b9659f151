"""Where conf/, experiments/ and sweeps/ lie: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin

PACKAGE = Path(__file__).resolve().parent.parent


def folder(name: str) -> Path:
    """The absolute path of a top folder of the project.

    >>> folder("conf").name
    'conf'
    """
    return next((p for p in (PACKAGE.parent / name, PACKAGE / name) if p.is_dir()), PACKAGE / name)


class TopFolders(SearchPathPlugin):
    """Makes the top folders experiments/ and sweeps/ config groups: `experiments=x`, `sweeps=y`."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        search_path.append("r1lab", f"file://{folder('experiments').parent}")


def register() -> None:
    """Tells Hydra of the top folders; calling it twice does no harm."""
    Plugins.instance().register(TopFolders)
