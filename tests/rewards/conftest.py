"""The accuracy reward as conf/ composes it."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

CONF = Path(__file__).parents[2] / "conf"


@pytest.fixture(scope="module")
def accuracy():
    with initialize_config_dir(str(CONF), version_base=None):
        config = compose(overrides=["+reward@rewards.accuracy=accuracy"])
    reward = instantiate(config.rewards.accuracy, _convert_="all")
    yield reward
    reward.close()
