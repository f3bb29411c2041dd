"""Where does much work run? On the workers of the engine that joblib's ``parallel_config`` names.

A function and a list of calls go in; each call's result or error comes out as it finishes. The engines queue,
place and move the work themselves: loky on this machine, Dask and Ray on any number of machines. Here is what
they share: what is sent, how a worker makes itself ready, what becomes of work that lost its worker, and how
what is given up ends. Keras is not imported here, so that a worker can choose its backend first.
"""

from kerasdl.engines.kinds import Dask, Engine, Loky, Ray, active
from kerasdl.engines.sent import WorkerLost, run

__all__ = ["Dask", "Engine", "Loky", "Ray", "WorkerLost", "active", "run"]
