"""A local Pleo: the Export API v3 and its token endpoint on loopback, with seeded data and scripted faults."""

from sandbox.faults import Fault
from sandbox.jobs import Job
from sandbox.recording import Change, Request
from sandbox.server import Sandbox

__all__ = ["Change", "Fault", "Job", "Request", "Sandbox"]
