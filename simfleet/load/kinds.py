"""Moved to simfleet.documents."""

from simfleet.documents.kinds import *  # noqa: F403
