"""The way from nothing to the course's own CTC checkpoints: python -m tools.ctc --help."""
