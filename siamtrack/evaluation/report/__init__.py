"""The report of a benchmark: scores as a page to look at, as plots, as tables and as the toolkit's `performance.json`.

`contents` holds what a report shows, as values; `collecting` brings it together, `writing` puts it on disk. In between
`plots` says what is plotted, and `svg` and `png` draw the same.
"""
