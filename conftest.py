"""For nbval: what libraries write to stderr is for the learner to read, not to compare.

Warnings name things in an order that differs from run to run, and a notebook is stored without them.
"""


def pytest_collectstart(collector):
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += ("stderr",)
