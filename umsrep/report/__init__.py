"""The report: one self-contained page from run and evaluation folders."""

from umsrep.report.page import render, write_report

__all__ = ["render", "write_report"]
