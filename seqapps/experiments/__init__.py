"""Runs in MLflow: stages, sweeps, studies, tables and registered models."""
