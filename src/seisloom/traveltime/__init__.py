"""Travel times in a layered Earth: the velocity model, first arrivals, tables, and what compiled code reads."""

from seisloom.traveltime.from_tables import network_times_from_tables
from seisloom.traveltime.growclust import read_growclust, write_growclust
from seisloom.traveltime.lookup import PHASES, P, S, TravelTimes, of_stations, travel_time, travel_times
from seisloom.traveltime.model import VelocityModel
from seisloom.traveltime.model_files import read_velocity_model, write_velocity_model
from seisloom.traveltime.network import network_times
from seisloom.traveltime.rays import first_arrivals
from seisloom.traveltime.station_models import read_station_models
from seisloom.traveltime.table import travel_time_table

__all__ = [
    "PHASES",
    "P",
    "S",
    "TravelTimes",
    "VelocityModel",
    "first_arrivals",
    "network_times",
    "network_times_from_tables",
    "of_stations",
    "read_growclust",
    "read_station_models",
    "read_velocity_model",
    "travel_time",
    "travel_time_table",
    "travel_times",
    "write_growclust",
    "write_velocity_model",
]
