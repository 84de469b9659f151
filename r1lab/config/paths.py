"""Tells Hydra of the folders experiments/ and sweeps/."""

from __future__ import annotations

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin

from r1lab.folders import TOP_FOLDERS, folder


class TopFolderSource(FileConfigSource):
    """A folder of which only experiments/ and sweeps/ are config groups: what lies beside them is none of Hydra's."""

    @staticmethod
    def scheme() -> str:
        return "r1lab"

    def is_group(self, config_path: str) -> bool:
        return config_path.split("/")[0] in ("", *TOP_FOLDERS) and super().is_group(config_path)

    def is_config(self, config_path: str) -> bool:
        return config_path.split("/")[0] in TOP_FOLDERS and super().is_config(config_path)

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        return super().list(config_path, results_filter) if self.is_group(config_path) else []


class TopFolders(SearchPathPlugin):
    """Makes the top folders experiments/ and sweeps/ config groups: `experiments=x`, `sweeps=y`."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        search_path.append("r1lab", f"{TopFolderSource.scheme()}://{folder('experiments').parent}")


def register() -> None:
    """Tells Hydra of the top folders; calling it twice does no harm."""
    SourcesRegistry.instance().register(TopFolderSource)
    Plugins.instance().register(TopFolders)
