"""The seven emotions: their names and their order, the same everywhere."""

EMOTIONS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")

INDEX = {emotion: position for position, emotion in enumerate(EMOTIONS)}
