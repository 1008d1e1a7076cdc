"""The engine: pipelines, runs and the ledger.

The path of one row is read in this order:

1. `systems.py` finds the pipeline (`pipeline.py`), its settings are filled in.
2. `run.py` takes the lock (`lock.py`) and opens a run in the ledger (`ledger/`).
3. `sessions.py` opens each source's session once.
4. `fetch.py` lets the source save files to landing.
5. `haul.py` keeps them in raw.
6. `stage.py` has them parsed and transformed,
7. and checked: good rows become a batch in staging, the others go to quarantine.
8. `deliver.py` merges the batch into curated, then into each destination.
9. `haul.py` moves the cursor, `run.py` closes the run; subscribers have heard each step (`events.py`).

Then, in the same run: `derive.py` computes the derived streams (`derived.py`), `announce.py` puts what people are
told into the outbox (`alerts.py` says what is worth an alert, `sender.py` sends), and `prune.py` removes what
retention no longer keeps.

`replay.py` takes steps 6 to 8 again from what is kept. `reread.py`, `quarantine.py` and `rework.py` look at rejected
rows and take them back. `reports.py` sums runs up. `side_by_side.py` runs the pipelines of a system at once.

Beside the runs: `declared_reports.py` shows the reports of a pipeline (`report.py`) from its tables (`tables.py`),
`reconcile.py` says where a destination differs from curated, `upkeep.py` and `backup.py` mark, migrate, back up and
restore what a destination holds.
"""
