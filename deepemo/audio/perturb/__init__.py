"""What rooms, microphones, lines and codecs do to recordings, each as one function of float32 samples."""
