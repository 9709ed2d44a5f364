"""The recognizer, live recognition, and the command line."""
