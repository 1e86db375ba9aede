"""A checkpoint or data set of the offline source: the folder that is made of its package."""

from ..offline import path

__all__ = ["path"]
