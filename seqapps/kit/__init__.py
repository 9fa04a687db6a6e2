"""Building blocks of applications: layers, metrics, text, figures."""
