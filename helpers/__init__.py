"""What the lessons share. Importing it is light: neither torch nor transformers is loaded."""

from .supply.source import set_environment

set_environment()
