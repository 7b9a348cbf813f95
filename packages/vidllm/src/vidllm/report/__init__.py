"""`report.html`: one self-contained page that shows what a run learned."""

from vidllm.report.page import write_report

__all__ = ["write_report"]
