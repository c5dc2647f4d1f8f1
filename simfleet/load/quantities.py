"""Moved to simfleet.documents."""

from simfleet.documents.quantities import *  # noqa: F403
