"""Checks, the classification, the window's proof and schema drift: pure functions of frames."""

from backhaul.quality.checks import judge_batch, judge_rows
from backhaul.quality.classify import classify
from backhaul.quality.drift import Drift, drift
from backhaul.quality.times import as_utc, outside_window

__all__ = ["Drift", "as_utc", "classify", "drift", "judge_batch", "judge_rows", "outside_window"]
