"""The training loop, scores with intervals, calibration."""
