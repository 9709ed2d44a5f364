"""Reading of recordings: any file or bytes to samples. `decode` is where to begin."""
