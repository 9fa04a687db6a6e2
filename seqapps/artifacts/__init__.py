"""Folders and files on disk: their names, their receipts, exported models, and values as JSON."""
