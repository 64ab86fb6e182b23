"""The report of run and evaluation folders: a self-contained page, a table."""

from umsrep.report.page import render, write_report
from umsrep.report.terminal import print_summary

__all__ = ["print_summary", "render", "write_report"]
