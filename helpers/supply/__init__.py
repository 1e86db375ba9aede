"""How weights and data arrive. Only `catalog`, `course` and `python -m helpers` import what is in here."""


class SupplyError(RuntimeError):
    """Something that the lessons need cannot be had. The message says what to do."""
