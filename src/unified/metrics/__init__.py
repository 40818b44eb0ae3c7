"""Metrics of predictions and of generated samples, computed from plain arrays with NumPy and scikit-learn."""
