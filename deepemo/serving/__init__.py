"""The recognizer, and the ways to it: command line, HTTP API and page."""
