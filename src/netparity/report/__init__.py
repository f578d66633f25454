"""The report of a diagnosis: one data model, and its views as text, JSON, HTML and plots."""

from netparity.report.model import Report

__all__ = ["Report"]
