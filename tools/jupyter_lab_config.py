"""JupyterLab as `make lab` starts it, and as the tests drive it."""

from pathlib import Path

c = get_config()  # noqa: F821 -- Jupyter gives it

c.ServerApp.root_dir = str(Path(__file__).parents[1])
c.LabApp.default_url = "/lab/tree/notebooks"

# JupyterLab asks the network for nothing: no news, no newer version, no list of extensions.
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.extension_manager = "readonly"


def without_announcements(_, page_config):
    """Leave out the extension that would still ask the learner whether to fetch news."""
    page_config["disabledExtensions"].append("@jupyterlab/apputils-extension:announcements")
    return page_config


c.ServerApp.tornado_settings = {"page_config_hook": without_announcements}
