"""Voice activity: whether anybody speaks in a recording."""
