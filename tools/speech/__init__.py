"""Text to speech for the course's data sets: Kokoro-82M in ONNX, phonemes by espeak-ng."""
