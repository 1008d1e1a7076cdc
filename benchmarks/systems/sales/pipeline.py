"""One table of sales, always fed with `--file`: for measuring the way from a file to the warehouse."""

from backhaul import BackOffice, Pipeline

# Nothing answers there; a file given by hand needs no site.
office = BackOffice(base_url="http://127.0.0.1:9")

pipeline = Pipeline(
    name="sales",
    streams=[office.export("sales", key="id", page="/export", button="button")],
)
