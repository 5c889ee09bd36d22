"""A second generator of pick streams, unlike the one that settings are developed on (``seisloom.associate.simulate``).

Claims of quality are made on its streams. What is other: stations in clumps, lines, rings and along coasts, some in
boreholes (``networks``); geodesic distances, another velocity model, a gradient and basins across it (``earth``);
earthquakes on faults and slabs (``sources``); detection by amplitude over noise and coda (``amplitudes``); errors that grow
as signals fade, late ones, skipped cycles, outliers (``generator``); noise in trains, telemetry bursts, second picks of one
arrival, teleseismic wave fronts (``noise``).
"""
