"""From a sound file to a spectrogram, and whether a voice is heard in it."""
