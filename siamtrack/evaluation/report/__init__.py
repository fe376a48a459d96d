"""Report of a benchmark: scores as a page, as plots, as tables and as the toolkit's `performance.json`.

`contents` has the values of a report, `collect` puts them together, `output` writes them to disk. `plots` holds the
values of the plots; `svg` and `png` draw them.
"""
