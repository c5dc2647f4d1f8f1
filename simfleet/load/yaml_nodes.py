"""Moved to simfleet.documents."""

from simfleet.documents.nodes import *  # noqa: F403
