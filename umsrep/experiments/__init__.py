"""Candidates trained several times, and the tables made of them."""
