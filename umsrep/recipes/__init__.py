"""Recipes: one thin file per paper."""
