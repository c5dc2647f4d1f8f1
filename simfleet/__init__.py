"""SimFleet: a simulator and load tester for people who run EV-charging backends."""

__version__ = "0.1.0"
