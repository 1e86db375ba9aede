"""How weights and data arrive, and how folders are written."""
