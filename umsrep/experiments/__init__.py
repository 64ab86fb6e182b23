"""Candidates trained several times; tables, tests and figures of them."""
