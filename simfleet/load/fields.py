"""Moved to simfleet.documents."""

from simfleet.documents.fields import *  # noqa: F403
