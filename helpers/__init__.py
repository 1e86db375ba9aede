"""What the lessons share. Importing it is light: neither torch nor transformers is loaded."""

from . import source

if source.source() == "offline":
    source.keep_off_the_network()
else:
    source.keep_to_the_hub()
