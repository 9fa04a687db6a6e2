"""Answers: the server, its clients, the demo page and predict."""
