"""A pipeline with its settings filled in; those of parts that a run does not use may be missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from backhaul.config import missing_settings, resolved, settings_in
from backhaul.engine.pipeline import Pipeline


def filled_without_sources(pipeline: Pipeline, settings: Mapping[str, str]) -> Pipeline:
    """Return the pipeline filled in for work that asks no source: what only sources need may be missing.

    Raises ConfigError naming all other missing settings.
    """
    of_sources = {setting.name for stream in pipeline.streams for setting in settings_in(stream.source)}
    beside = (tuple(stream.to for stream in pipeline.streams), pipeline.notify)
    return resolved(pipeline, settings, spare=of_sources - {setting.name for setting in settings_in(beside)})


def filled_for_rework(pipeline: Pipeline, settings: Mapping[str, str]) -> Pipeline:
    """Return the pipeline filled in for work on kept files, of which nobody is told: sources and notifiers rest."""
    return filled_without_sources(replace(pipeline, notify=()), settings)


def heard(pipeline: Pipeline, settings: Mapping[str, str]) -> tuple[Pipeline, list[str]]:
    """Return the pipeline without the notifiers whose settings are missing, and the names of those settings."""
    missing = {notifier.name: missing_settings(notifier, settings) for notifier in pipeline.notify}
    able = tuple(notifier for notifier in pipeline.notify if not missing[notifier.name])
    names = list(dict.fromkeys(name for found in missing.values() for name in found))
    return (replace(pipeline, notify=able), names) if names else (pipeline, names)
