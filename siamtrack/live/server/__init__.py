"""`siamtrack serve`: the page in the browser and what stands behind it. It needs the extra `serve`."""
