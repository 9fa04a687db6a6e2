"""The applications: one package each, with the same rooms."""
