"""What the lessons share. Importing it is light: neither torch nor transformers is loaded."""

from .source import keep_off_the_network, source

if source() == "offline":
    keep_off_the_network()
