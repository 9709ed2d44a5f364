"""The effects of rooms, microphones, lines and codecs on recordings, each as one function of float32 samples."""
