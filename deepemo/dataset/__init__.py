"""The clip table, its validation, the split into roles, and the shards of features."""
