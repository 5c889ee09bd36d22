"""Parts of the page Catalogue: the form of an association job, its events on map and table, one event."""
