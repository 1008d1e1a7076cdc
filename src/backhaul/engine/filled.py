"""A pipeline with its settings filled in; those of parts that a run does not use may be missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from backhaul.config import missing_settings, resolved, settings_in
from backhaul.engine.pipeline import Pipeline
from backhaul.notices import tells_people


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


def silenced(pipeline: Pipeline) -> Pipeline:
    """Return the pipeline without the notifiers that tell people something; logs for programs stay."""
    return replace(pipeline, notify=tuple(each for each in pipeline.notify if not tells_people(each)))


def heard(pipeline: Pipeline, settings: Mapping[str, str]) -> tuple[Pipeline, list[str]]:
    """Return the pipeline without the notifiers whose settings are missing, and the names of those settings.

    Those of a log for programs are not among the names: nobody misses being told.
    """
    missing = {notifier.name: missing_settings(notifier, settings) for notifier in pipeline.notify}
    able = tuple(notifier for notifier in pipeline.notify if not missing[notifier.name])
    of_people = [notifier.name for notifier in pipeline.notify if tells_people(notifier)]
    names = list(dict.fromkeys(name for each in of_people for name in missing[each]))
    return replace(pipeline, notify=able), names
