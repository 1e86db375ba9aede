"""How weights and data arrive. `catalog`, `course` and `python -m helpers` use it; lessons do not."""


class SupplyError(RuntimeError):
    """Something that the lessons need cannot be had. The message says what to do."""
