"""Synthetic chest X-rays, written as the files of public data sets."""
